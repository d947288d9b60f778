"""Documents that are attached to images in registries: bills of materials, declarations, whatever refers to one.

Spec: OCI image-spec 1.1, manifest.md, "Guidelines for Artifact Usage"; distribution-spec 1.1, "Listing Referrers".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.digest import VerifyingReader
from docker_envs.errors import FormatError
from docker_envs.oci.manifest import Manifest

if TYPE_CHECKING:
    from docker_envs.digest import Digest
    from docker_envs.images.transports import Transports
    from docker_envs.oci.reference import Reference

#: The largest document that is read, in bytes.
MAX_DOCUMENT_SIZE = 64 << 20

_TITLE = "org.opencontainers.image.title"


@dataclass(frozen=True, slots=True)
class AttachedDocument:
    """A document that refers to an image.

    Attributes:
        digest: Of the artifact that holds it.
        title: What its file was called; empty when nobody says.
        content: Its bytes.
    """

    digest: Digest
    title: str
    content: bytes


def attached_documents(
    reference: Reference, subject: Digest, artifact_type: str, transports: Transports
) -> list[AttachedDocument]:
    """The documents of one type that refer to a manifest, by digest.

    Args:
        reference: Names the repository.
        subject: The manifest.
        artifact_type: The type.
        transports: How to get there.

    Raises:
        FormatError: An artifact is none, or its document is too long.
        VerificationError: A document is not what its digest says.
        TransportError: The registry cannot be reached.
    """
    listed = transports.registry.referrers(reference.with_digest(subject), artifact_type)
    digests = sorted({entry.digest for entry in listed})
    return [_document(reference.with_digest(digest), transports) for digest in digests]


def _document(reference: Reference, transports: Transports) -> AttachedDocument:
    artifact = transports.registry.artifact(reference)
    manifest = Manifest.parse(artifact.raw, source=artifact.source, media_type=artifact.media_type)
    if len(manifest.layers) != 1:
        raise FormatError(artifact.source, f"expected one document, found {len(manifest.layers)}")
    blob = artifact.blobs[-1]
    if blob.size > MAX_DOCUMENT_SIZE:
        raise FormatError(
            artifact.source, f"the document has {blob.size:,} bytes, more than the limit of {MAX_DOCUMENT_SIZE:,}"
        )
    with VerifyingReader(blob.opener(), source=artifact.source, digest=blob.digest, size=blob.size) as stream:
        return AttachedDocument(artifact.digest, blob.descriptor.annotations.get(_TITLE, ""), stream.read())
