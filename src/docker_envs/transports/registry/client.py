"""Images from and to registries.

Pulling gets manifest and config, and leaves the layers where they are until somebody opens them. Pushing moves only
what the registry lacks: layers that it has in another repository are mounted.

Spec: OCI distribution-spec 1.1, "Pull" and "Push"; Docker Registry HTTP API V2.
"""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.digest import Digest
from docker_envs.errors import FormatError, InvalidInputError, NotFoundError, SizeMismatchError
from docker_envs.oci import media_types
from docker_envs.oci.artifact import MAX_DEPTH, Artifact, Links
from docker_envs.oci.blob import Blob
from docker_envs.oci.budget import DocumentBudget
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.report import SILENT
from docker_envs.transports.authentication.config_files import StoredCredentials
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.http import HttpClient
from docker_envs.transports.parallel import run_parallel
from docker_envs.transports.registry.downloads import open_blob
from docker_envs.transports.registry.listing import (
    add_referrer,
    delete_manifest,
    iter_repositories,
    iter_tags,
    list_referrers,
    subject_of,
)
from docker_envs.transports.registry.manifests import fetch_manifest, find_digest, put_manifest
from docker_envs.transports.registry.session import Access, RegistrySession
from docker_envs.transports.registry.upload_session import has_blob
from docker_envs.transports.registry.uploads import EXISTS, BlobUploader

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator

    from docker_envs.oci.image import Image
    from docker_envs.oci.manifest import Index
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Reporter, Task
    from docker_envs.streams import ByteSource
    from docker_envs.transports.authentication.credentials import CredentialSource
    from docker_envs.transports.fetch import Fetcher
    from docker_envs.transports.registry.registries_conf import RegistriesConf
    from docker_envs.transports.registry.session import Repository

#: Layers that are pushed at once.
PUSH_WORKERS = 4
#: Manifests of an index that are fetched at once.
PULL_WORKERS = 4


class RegistryClient:
    """Pulls and pushes images; safe for many threads.

    Args:
        http: Sends the requests; a new client by default.
        credentials: By default those on this machine, see `authentication.config_files`.
        plain_http: Registries (`host:port`) that may be spoken to without TLS, beside those on this machine.
        insecure: Registries (`host:port`) whose certificates are not checked, and that may lack TLS.
        registries: Mirrors and other settings; those of podman by default.
        reporter: Told about pushes, and what registries warn of.
        rule: How transient errors are tried again.
    """

    def __init__(
        self,
        *,
        http: Fetcher | None = None,
        credentials: CredentialSource | None = None,
        plain_http: Collection[str] = (),
        insecure: Collection[str] = (),
        registries: RegistriesConf | None = None,
        reporter: Reporter = SILENT,
        rule: RetryRule | None = None,
    ) -> None:
        self._rule = rule or RetryRule()
        self._reporter = reporter
        self._session = RegistrySession(
            http or HttpClient(rule=self._rule),
            credentials or StoredCredentials(),
            plain_http=plain_http,
            insecure=insecure,
            registries=registries,
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
        artifact = self._resolve(reference, platform or host_platform())
        if platform is not None and not platform.accepts(artifact.config.platform):
            raise _lacks_platform(reference, platform, [artifact.config.platform])
        return artifact.image()

    def artifact(self, reference: Reference, platform: Platform | None = None) -> Artifact:
        """What a reference names, of any media type, with all that is below it; blobs are opened on demand.

        Args:
            reference: What to pull; its digest wins over its tag.
            platform: Of an index, only the image for this platform.

        Raises:
            NotFoundError: There is no such manifest, none for the platform, or an index names one that is missing.
            AuthenticationError: The registry does not let us.
            VerificationError: What came is not what the digest names.
            FormatError: What came is no manifest.
            TransportError: The registry cannot be reached.

        Cost: one request for each manifest; of an index's, some at once.
        """
        if platform is not None:
            artifact = self._resolve(reference, platform)
            if artifact.is_image and not platform.accepts(artifact.config.platform):
                raise _lacks_platform(reference, platform, [artifact.config.platform])
            return artifact
        repository = self._session.repository(reference)
        artifact = self._fetch(repository, reference.identifier, reference.digest)
        return self._complete(repository, artifact, DocumentBudget(str(reference)))

    def _resolve(self, reference: Reference, platform: Platform) -> Artifact:
        """A manifest, out of an index if there is one."""
        repository = self._session.repository(reference)
        artifact = self._fetch(repository, reference.identifier, reference.digest)
        for _ in range(MAX_DEPTH):
            if not artifact.is_index:
                return artifact
            artifact = self._fetch_child(repository, _select(artifact.index, platform, reference))
        raise FormatError(str(reference), f"more than {MAX_DEPTH} indexes inside one another")

    def _complete(self, repository: Repository, artifact: Artifact, budget: DocumentBudget, depth: int = 0) -> Artifact:
        """An index with its children."""
        if not artifact.is_index:
            return artifact
        if depth == MAX_DEPTH:
            raise FormatError(artifact.source, f"more than {MAX_DEPTH} indexes inside one another")
        entries = artifact.index.manifests
        found: dict[Digest, Artifact] = {}

        def job(entry: Descriptor, _: threading.Event) -> None:
            budget.take(entry.size)
            child = self._fetch_child(repository, entry)
            found[entry.digest] = self._complete(repository, child, budget, depth + 1)

        unique = {entry.digest: entry for entry in entries}
        run_parallel([partial(job, entry) for entry in unique.values()], workers=PULL_WORKERS)
        for digest, times in Counter(entry.digest for entry in entries).items():
            budget.take(0, (times - 1) * sum(1 for _ in found[digest].walk()))
        children = tuple(
            replace(found[entry.digest], descriptor=_placed(found[entry.digest], entry)) for entry in entries
        )
        return replace(artifact, children=children)

    def _fetch_child(self, repository: Repository, entry: Descriptor) -> Artifact:
        child = self._fetch(repository, entry.digest, entry.digest)
        if len(child.raw) != entry.size:
            raise SizeMismatchError(f"manifest {entry.digest}", expected=entry.size, actual=len(child.raw))
        return replace(child, descriptor=_placed(child, entry))

    def _fetch(self, repository: Repository, identifier: str, expected: Digest | None) -> Artifact:
        raw, declared = fetch_manifest(repository, identifier, expected)
        source = str(repository.reference)
        links, media_type = Links.parse(raw, source=source, media_type=declared)
        digest = expected or Digest.of(raw)
        blobs = tuple(self.blob(repository.reference, descriptor) for descriptor in links.blobs)
        return Artifact(Descriptor(media_type, digest, len(raw)), raw, blobs, (), source)

    def digest(self, reference: Reference) -> Digest | None:
        """Digest of the manifest or index that a reference names now; None when there is none.

        Raises:
            AuthenticationError: The registry does not let us.
            TransportError: The registry cannot be reached.

        Cost: one request without a body.
        """
        return find_digest(self._session.repository(reference), reference.identifier)

    def has_blob(self, blob: Blob) -> bool:
        """Whether the repository that a blob comes from still has it, with its size; one request without a body.

        Raises:
            TransportError: The registry does not let us, or cannot be reached.
        """
        assert blob.origin is not None
        return has_blob(self._session.repository(blob.origin), blob)

    def tags(self, reference: Reference) -> Iterator[str]:
        """The tags of a repository; see `listing.iter_tags`."""
        return iter_tags(self._session.repository(reference))

    def repositories(self, registry: str) -> Iterator[str]:
        """The repositories of a registry (`host:port`); see `listing.iter_repositories`."""
        return iter_repositories(self._session.catalog(registry))

    def referrers(self, reference: Reference, artifact_type: str | None = None) -> list[Descriptor]:
        """What refers to a manifest; see `listing.list_referrers`.

        Raises:
            NotFoundError: There is no such manifest.
        """
        digest = reference.digest or self.digest(reference)
        if digest is None:
            raise NotFoundError(f"`{reference}` not found")
        return list_referrers(self._session.repository(reference), digest, artifact_type)

    def delete(self, reference: Reference) -> None:
        """Delete a manifest with all its tags when the reference has a digest, else only the tag.

        Raises:
            NotFoundError: There is none.
            TransportError: The registry does not delete that.
        """
        delete_manifest(self._session.repository(reference, access=Access.DELETE), reference.identifier)

    def stream_layer(self, opener: Callable[[], ByteSource], target: Reference) -> str | None:
        """Send a layer while it is made; see `uploads.BlobUploader.stream`."""
        return self._uploader.stream(opener, target)

    def push_layer(
        self,
        layer: Blob,
        target: Reference,
        *,
        task: Task | None = None,
        cancelled: threading.Event | None = None,
        location: str | None = None,
    ) -> str:
        """Have a layer's blob in a repository; many threads may push at once.

        Args:
            layer: Opened only when its bytes must be sent, and verified meanwhile.
            target: Registry and repository.
            task: Advanced by the bytes sent; the caller finishes it. By default a new one of the reporter.
            cancelled: When set, sending stops at the next piece.
            location: Of an upload that has all the bytes, of `stream_layer`.

        Returns:
            `exists`, `mounted` or `uploaded`.

        Raises:
            VerificationError: The layer's bytes are not those of its digest.
            TransportError: The registry refused, or the connection broke too often.
        """
        if task is not None:
            return self._uploader.push(layer, target, task=task, cancelled=cancelled)
        own = self._reporter.start("push", f"layer {layer.digest.short}", layer.size)
        outcome = self._uploader.push(layer, target, task=own, cancelled=cancelled, location=location)
        own.finish(outcome)
        return outcome

    def push_image(self, image: Image, target: Reference) -> Digest:
        """Push an image; see `push_artifact`."""
        return self.push_artifact(Artifact.of_image(image), target)

    def push_artifact(self, artifact: Artifact, target: Reference) -> Digest:
        """Push an artifact: missing blobs in parallel, configs after layers, then manifests, the root last.

        Foreign layers stay where they are.

        Args:
            artifact: Its blobs are opened only when their bytes must be sent.
            target: Where to; under its tag, or without one under the digest.

        Returns:
            Digest of the root: a manifest or index.

        Raises:
            InvalidInputError: `target` has a digest, and it is not that of the artifact.
            VerificationError: A blob's bytes are wrong, or the registry stored something else.
            TransportError: The registry refused, or the connection broke too often.
        """
        digest = artifact.digest
        if target.digest is not None and target.digest != digest:
            raise InvalidInputError(f"cannot push to `{target}`: the image's digest is `{digest}`")
        place = target.tag or digest
        repository = self._session.repository(target, access=Access.PUSH)
        # What refers to something may be there and yet not be listed, when a push ended between the two.
        if find_digest(repository, place) == digest and subject_of(artifact) is None:
            self._reporter.start("push", str(target)).finish(EXISTS)
            return digest
        self._push_blobs(artifact, target)
        for document in artifact.walk():
            known = put_manifest(repository, place if document is artifact else document.digest, document)
            if not known:
                add_referrer(repository, document)
        return digest

    def put_artifact(self, artifact: Artifact, target: Reference, *, cancelled: threading.Event | None = None) -> str:
        """Store an artifact that is known to be missing, without a word: its blobs, then its manifest.

        Args:
            artifact: A manifest; its blobs are opened only when their bytes must be sent.
            target: Where to, with a tag.
            cancelled: When set, sending stops at the next piece.

        Returns:
            How the last blob came there: `exists`, `mounted` or `uploaded`.

        Raises:
            VerificationError: A blob's bytes are wrong, or the registry stored something else.
            TransportError: The registry refused, or the connection broke too often.
        """
        outcome = EXISTS
        for blob in artifact.blobs:
            known = self._uploader.has_pushed(blob.digest, target)
            outcome = EXISTS if known else self._uploader.push(blob, target, cancelled=cancelled)
        repository = self._session.repository(target, access=Access.PUSH)
        put_manifest(repository, target.identifier, artifact)
        return outcome

    def _push_blobs(self, artifact: Artifact, target: Reference) -> None:
        configs = {each.blobs[0].digest for each in artifact.walk() if each.blobs}
        is_source = not self._session.registries.is_remapped(target.name)
        missing = [
            blob
            for digest, blob in artifact.all_blobs().items()
            if not media_types.is_foreign(blob.media_type)
            and not self._uploader.has_pushed(digest, target)
            # Whoever has a manifest has its blobs; and if not, they could not be read from there either.
            and not (is_source and blob.origin is not None and blob.origin.name == target.name)
        ]

        def job(blob: Blob, cancelled: threading.Event) -> None:
            self.push_layer(blob, target, cancelled=cancelled)

        def push_config(blob: Blob, cancelled: threading.Event) -> None:
            self._uploader.push(blob, target, cancelled=cancelled)

        layers = sorted((blob for blob in missing if blob.digest not in configs), key=lambda blob: -blob.size)
        run_parallel([partial(job, blob) for blob in layers], workers=PUSH_WORKERS)
        last = [blob for blob in missing if blob.digest in configs]
        run_parallel([partial(push_config, blob) for blob in last], workers=PUSH_WORKERS)

    def blob(self, reference: Reference, descriptor: Descriptor) -> Blob:
        """A blob of a repository, opened on demand; nothing is asked."""
        return Blob(descriptor, partial(self._open_blob, reference, descriptor), reference)

    def _open_blob(self, reference: Reference, descriptor: Descriptor) -> ByteSource:
        if media_types.is_foreign(descriptor.media_type) and descriptor.urls:
            # No credentials go there, and what comes is verified: only who may be asked matters, not encryption.
            self._session.http.check_target(f"http://{reference.registry}", descriptor.urls[0])
            return self._session.http.open(descriptor.urls[0])
        return open_blob(self._session.repository(reference), descriptor)


def _placed(artifact: Artifact, entry: Descriptor) -> Descriptor:
    """A document's descriptor with what the index says of it."""
    return replace(artifact.descriptor, platform=entry.platform, annotations=entry.annotations, extra=entry.extra)


def host_platform() -> Platform:
    """Linux on the CPU of this machine, which is what containers run on, be the machine a Mac."""
    machine = platform.machine().lower() or "amd64"
    return Platform("linux", "arm", machine[3:5]) if machine.startswith("armv") else Platform.parse(f"linux/{machine}")


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
