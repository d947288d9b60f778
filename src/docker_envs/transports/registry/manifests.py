"""Manifests and indexes in a repository: asked for, read and stored, with their digests compared.

Spec: OCI distribution-spec 1.1, "Pulling manifests", "Pushing Manifests" and "Pushing Manifests with Subject".
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, InvalidInputError
from docker_envs.oci import media_types
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE
from docker_envs.transports.registry.upload_session import check_content_digest

if TYPE_CHECKING:
    from docker_envs.oci.artifact import Artifact
    from docker_envs.transports.fetch import Response
    from docker_envs.transports.registry.session import Repository

_ACCEPT = {"Accept": ", ".join((*media_types.ACCEPT, *sorted(media_types.SCHEMA_1), "*/*;q=0.1"))}


def fetch_manifest(repository: Repository, identifier: str, expected: Digest | None) -> tuple[bytes, str | None]:
    """The bytes of a manifest or index, and the media type that came beside them.

    Args:
        repository: Where it is.
        identifier: Its tag or digest.
        expected: What its digest must be, when that is known.

    Raises:
        NotFoundError: The registry has no such manifest.
        DigestMismatchError: It is another one, and was so when it was fetched again.
        FormatError: It is longer than manifests may be.
        TransportError: The registry cannot be reached.
    """
    return repository.session.http.rule.run_verified(lambda: _fetch(repository, identifier, expected))


def _fetch(repository: Repository, identifier: str, expected: Digest | None) -> tuple[bytes, str | None]:
    with repository.request("GET", f"manifests/{identifier}", headers=_ACCEPT, retry=False) as response:
        source = f"manifest of `{repository.reference}`"
        raw = response.read_limited(MAX_MANIFEST_SIZE, source=source)
        for digest in (expected, content_digest(response)):
            if digest is not None:
                _check_digest(raw, digest, source=source)
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
    return raw, media_type or None


def find_digest(repository: Repository, identifier: str) -> Digest | None:
    """Digest of the manifest or index that a tag or digest names now; None when there is none.

    Raises:
        AuthenticationError: The registry does not let us.
        TransportError: The registry cannot be reached.
    """
    with repository.request("HEAD", f"manifests/{identifier}", headers=_ACCEPT, expected=(200, 404)) as response:
        if response.status == 404:
            return None
        if digest := content_digest(response):
            return digest
    return Digest.of(fetch_manifest(repository, identifier, None)[0])


def put_manifest(repository: Repository, place: str, artifact: Artifact) -> bool:
    """Store a document under a tag or its digest.

    Returns:
        Whether the registry took care of the manifest's `subject`, when it has one.

    Raises:
        DigestMismatchError: The registry says that it stored something else.
        TransportError: It refused, or cannot be reached.
    """
    headers = {"Content-Type": artifact.media_type}

    def put() -> bool:
        with repository.request(
            "PUT", f"manifests/{place}", headers=headers, body=artifact.raw, expected=(200, 201, 202), retry=False
        ) as response:
            check_content_digest(response, artifact.digest)
            return "OCI-Subject" in response.headers

    return repository.session.http.rule.run_verified(put)


def content_digest(response: Response) -> Digest | None:
    """What the registry says the digest is; a header that is no digest says nothing."""
    try:
        return Digest(response.headers.get("Docker-Content-Digest", ""))
    except InvalidInputError:
        return None


def _check_digest(content: bytes, expected: Digest, *, source: str) -> None:
    actual = f"{expected.algorithm}:{hashlib.new(expected.algorithm, content).hexdigest()}"
    if actual != expected:
        raise DigestMismatchError(source, expected=expected, actual=actual)
