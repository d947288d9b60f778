"""Images from and to registries.

Pulling gets manifest and config, and leaves the layers where they are until somebody opens them. Pushing moves only
what the registry lacks: layers that it has in another repository are mounted.

Spec: OCI distribution-spec 1.1, "Pull" and "Push"; Docker Registry HTTP API V2.
"""

from __future__ import annotations

import hashlib
import platform
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, FormatError, InvalidInputError, NotFoundError, SizeMismatchError
from docker_envs.fields import Fields
from docker_envs.oci import media_types
from docker_envs.oci.config import MAX_CONFIG_SIZE, ImageConfig
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.image import image_from_parts
from docker_envs.oci.layer import Layer
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE, Index, Manifest, manifest_media_type
from docker_envs.report import SILENT
from docker_envs.transports.authentication.credentials import DockerCredentials
from docker_envs.transports.fetch import ResumingReader, RetryRule, range_from
from docker_envs.transports.http import HttpClient
from docker_envs.transports.parallel import run_parallel
from docker_envs.transports.registry.session import RegistrySession
from docker_envs.transports.registry.uploads import EXISTS, BlobUploader, Upload, check_content_digest

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection

    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.oci.image import Image, NamedImage
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Reporter, Task
    from docker_envs.streams import ByteSource
    from docker_envs.transports.authentication.credentials import CredentialSource
    from docker_envs.transports.fetch import Fetcher, Response
    from docker_envs.transports.registry.session import Repository

#: Layers that are pushed at once.
PUSH_WORKERS = 4

_ACCEPT = {"Accept": ", ".join((*media_types.ACCEPT, *sorted(media_types.SCHEMA_1)))}


class RegistryClient:
    """Pulls and pushes images; safe for many threads.

    Args:
        http: Sends the requests; a new client by default.
        credentials: Those of Docker's `config.json` by default.
        plain_http: Registries (`host:port`) that may be spoken to without TLS, beside those on this machine.
        reporter: Told about pushes, and what registries warn of.
        rule: How transient errors are tried again.
    """

    def __init__(
        self,
        *,
        http: Fetcher | None = None,
        credentials: CredentialSource | None = None,
        plain_http: Collection[str] = (),
        reporter: Reporter = SILENT,
        rule: RetryRule | None = None,
    ) -> None:
        self._rule = rule or RetryRule()
        self._reporter = reporter
        self._session = RegistrySession(
            http or HttpClient(rule=self._rule),
            credentials or DockerCredentials(),
            plain_http=plain_http,
            reporter=reporter,
        )
        self._uploader = BlobUploader(self._session, self._rule)

    def image(self, reference: Reference, platform: Platform | None = None) -> Image:
        """An image whose layers are opened, and verified, on demand.

        Args:
            reference: What to pull; its digest wins over its tag.
            platform: What the image must be for. By default an index is searched for Linux on this machine's CPU, and
                an image that is for one platform is taken as it is.

        Raises:
            NotFoundError: There is no such image, or none for the platform.
            AuthenticationError: The registry does not let us.
            VerificationError: What came is not what the digest names.
            FormatError: What came is no image.
            TransportError: The registry cannot be reached.

        Cost: three or four requests, the first time two or three more for authentication.
        """
        repository = self._session.repository(reference)
        raw, media_type = _fetch_manifest(repository, reference.identifier, reference.digest)
        source = str(reference)
        kind = manifest_media_type(Fields.parse(raw, source=source), media_type)
        if kind in media_types.INDEXES:
            index = Index.parse(raw, source=source, media_type=media_type)
            chosen = _select(index, platform or host_platform(), reference)
            raw, media_type = _fetch_manifest(repository, chosen.digest, chosen.digest)
            if len(raw) != chosen.size:
                raise SizeMismatchError(f"manifest {chosen.digest}", expected=chosen.size, actual=len(raw))
        manifest = Manifest.parse(raw, source=source, media_type=media_type)
        config = ImageConfig.parse(_fetch_config(repository, manifest.config), source=source)
        if platform is not None and not platform.accepts(config.platform):
            raise _lacks_platform(reference, platform, [config.platform])
        return image_from_parts(manifest, config, partial(self._layer, reference), source=source)

    def digest(self, reference: Reference) -> Digest | None:
        """Digest of the manifest or index that a reference names now; None when there is none.

        Raises:
            AuthenticationError: The registry does not let us.
            TransportError: The registry cannot be reached.

        Cost: one request without a body.
        """
        repository = self._session.repository(reference)
        path = f"manifests/{reference.identifier}"
        with repository.request("HEAD", path, headers=_ACCEPT, expected=(200, 404)) as response:
            if response.status == 404:
                return None
            if digest := _content_digest(response):
                return digest
        return Digest.of(_fetch_manifest(repository, reference.identifier, reference.digest)[0])

    def push_layer(
        self,
        layer: Layer,
        target: Reference,
        *,
        task: Task | None = None,
        cancelled: threading.Event | None = None,
    ) -> str:
        """Have a layer's blob in a repository; many threads may push at once.

        Args:
            layer: Opened only when its bytes must be sent, and verified meanwhile.
            target: Registry and repository.
            task: Advanced by the bytes sent; the caller finishes it. By default a new one of the reporter.
            cancelled: When set, sending stops at the next piece.

        Returns:
            `exists`, `mounted` or `uploaded`.

        Raises:
            VerificationError: The layer's bytes are not those of its digest.
            TransportError: The registry refused, or the connection broke too often.
        """
        if task is not None:
            return self._uploader.push(Upload.of_layer(layer), target, task=task, cancelled=cancelled)
        own = self._reporter.start("push", f"layer {layer.digest.short}", layer.size)
        outcome = self._uploader.push(Upload.of_layer(layer), target, task=own, cancelled=cancelled)
        own.finish(outcome)
        return outcome

    def push_image(self, image: Image, target: Reference) -> Digest:
        """Push an image: the layers that are missing in parallel, then config, then manifest.

        Foreign layers stay where they are.

        Args:
            image: Its layers are opened only when their bytes must be sent.
            target: Where to; under its tag, or without one under the digest.

        Returns:
            Digest of the manifest.

        Raises:
            InvalidInputError: `target` has a digest, and it is not that of the image.
            VerificationError: A layer's bytes are wrong, or the registry stored something else.
            TransportError: The registry refused, or the connection broke too often.
        """
        _check_target(target, image.digest)
        place = target.tag or image.digest
        repository = self._session.repository(target, push=True)
        if self._has(repository, place, image.digest):
            self._reporter.start("push", str(target)).finish(EXISTS)
            return image.digest
        missing = {
            layer.digest: layer
            for layer in image.layers
            if not media_types.is_foreign(layer.media_type) and not self._uploader.has_pushed(layer.digest, target)
        }

        def job(layer: Layer, cancelled: threading.Event) -> None:
            self.push_layer(layer, target, cancelled=cancelled)

        run_parallel([partial(job, layer) for layer in missing.values()], workers=PUSH_WORKERS)
        self._uploader.push(Upload.of_bytes(image.config.raw), target)
        self._put_manifest(repository, place, image.manifest.raw, image.manifest.descriptor)
        return image.digest

    def push_index(self, named: NamedImage, target: Reference) -> Digest:
        """Push an image for several platforms: each platform's image under its digest, then the index under the tag.

        Returns:
            Digest of the index, or of the manifest of an image for one platform.

        Raises:
            InvalidInputError: `target` has a digest, and it is not that of the index.
            VerificationError: A layer's bytes are wrong, or the registry stored something else.
            TransportError: The registry refused, or the connection broke too often.
        """
        index = named.index
        if index is None:
            return self.push_image(named.image, target)
        digest = index.descriptor.digest
        _check_target(target, digest)
        repository = self._session.repository(target, push=True)
        if self._has(repository, target.tag or digest, digest):
            self._reporter.start("push", str(target)).finish(EXISTS)
            return digest
        for image in named.images:
            self.push_image(image, replace(target, tag=None, digest=image.digest))
        self._put_manifest(repository, target.tag or digest, index.raw, index.descriptor)
        return digest

    def _put_manifest(self, repository: Repository, place: str, raw: bytes, descriptor: Descriptor) -> None:
        headers = {"Content-Type": descriptor.media_type}
        with repository.request(
            "PUT", f"manifests/{place}", headers=headers, body=raw, expected=(200, 201, 202)
        ) as response:
            check_content_digest(response, descriptor.digest)

    def _has(self, repository: Repository, place: str, digest: Digest) -> bool:
        with repository.request("HEAD", f"manifests/{place}", headers=_ACCEPT, expected=(200, 404)) as response:
            return response.status == 200 and _content_digest(response) == digest

    def _layer(self, reference: Reference, descriptor: Descriptor, diff_id: Digest) -> Layer:
        return Layer(descriptor, partial(self._open_blob, reference, descriptor), reference, diff_id=diff_id)

    def _open_blob(self, reference: Reference, descriptor: Descriptor) -> ByteSource:
        if media_types.is_foreign(descriptor.media_type) and descriptor.urls:
            return self._session.http.open(descriptor.urls[0])
        repository = self._session.repository(reference)

        def open_at(offset: int) -> Response:
            path = f"blobs/{descriptor.digest}"
            return repository.request("GET", path, headers=range_from(offset), expected=(200, 206), retry=False)

        return ResumingReader(open_at, self._rule)


def _check_target(target: Reference, digest: Digest) -> None:
    if target.digest is not None and target.digest != digest:
        raise InvalidInputError(f"cannot push to `{target}`: the image's digest is `{digest}`")


def host_platform() -> Platform:
    """Linux on the CPU of this machine, which is what containers run on, be the machine a Mac."""
    machine = platform.machine().lower() or "amd64"
    return Platform("linux", "arm", machine[3:5]) if machine.startswith("armv") else Platform.parse(f"linux/{machine}")


def _fetch_manifest(repository: Repository, identifier: str, expected: Digest | None) -> tuple[bytes, str | None]:
    """The verified bytes of a manifest or index, and the media type that came beside them."""
    with repository.request("GET", f"manifests/{identifier}", headers=_ACCEPT) as response:
        source = f"manifest of `{repository.reference}`"
        raw = response.read_limited(MAX_MANIFEST_SIZE, source=source)
        for digest in (expected, _content_digest(response)):
            if digest is not None:
                _check_digest(raw, digest, source=source)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    return raw, media_type or None


def _fetch_config(repository: Repository, descriptor: Descriptor) -> bytes:
    source = f"config of `{repository.reference}`"
    if descriptor.size > MAX_CONFIG_SIZE:
        raise FormatError(source, f"longer than {MAX_CONFIG_SIZE:,} bytes")
    with repository.request("GET", f"blobs/{descriptor.digest}") as response:
        raw = response.read_limited(MAX_CONFIG_SIZE, source=source)
    if len(raw) != descriptor.size:
        raise SizeMismatchError(source, expected=descriptor.size, actual=len(raw))
    _check_digest(raw, descriptor.digest, source=source)
    return raw


def _check_digest(content: bytes, expected: Digest, *, source: str) -> None:
    actual = f"{expected.algorithm}:{hashlib.new(expected.algorithm, content).hexdigest()}"
    if actual != expected:
        raise DigestMismatchError(source, expected=expected, actual=actual)


def _content_digest(response: Response) -> Digest | None:
    """What the registry says the digest is; a header that is no digest says nothing."""
    try:
        return Digest(response.headers.get("Docker-Content-Digest", ""))
    except InvalidInputError:
        return None


def _select(index: Index, platform: Platform, reference: Reference) -> Descriptor:
    if chosen := index.select(platform):
        return chosen
    manifests = index.image_manifests()
    if len(manifests) == 1 and manifests[0].platform is None:
        return manifests[0]
    raise _lacks_platform(reference, platform, [each.platform for each in manifests if each.platform])


def _lacks_platform(reference: Reference, wanted: Platform, offered: list[Platform]) -> NotFoundError:
    names = ", ".join(f"`{platform}`" for platform in dict.fromkeys(map(str, offered)))
    return NotFoundError(
        f"`{reference}` has no image for platform `{wanted}`, only for {names or 'unnamed platforms'}",
        hint="choose one of these with `--platform`" if names else None,
    )
