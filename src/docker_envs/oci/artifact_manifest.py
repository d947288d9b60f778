"""Manifests of artifacts that are no images: a type, blobs, and annotations.

Spec: OCI image-spec 1.1, manifest.md, "Guidelines for Artifact Usage"; descriptor.md, "Embedded Content".
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, FormatError, SizeMismatchError
from docker_envs.fields import canonical_json
from docker_envs.oci import media_types
from docker_envs.oci.artifact import Artifact
from docker_envs.oci.blob import Blob
from docker_envs.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def make_artifact(artifact_type: str, blobs: Sequence[Blob], annotations: Mapping[str, str]) -> Artifact:
    """An artifact of some blobs; its bytes depend on nothing else."""
    config = embedded_blob(b"{}", media_types.OCI_EMPTY)
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": config.descriptor.to_json(),
        "layers": [blob.descriptor.to_json() for blob in blobs],
        "annotations": dict(annotations),
    }
    raw = canonical_json(document)
    return Artifact(Descriptor(media_types.OCI_MANIFEST, Digest.of(raw), len(raw)), raw, (config, *blobs))


def embedded_blob(content: bytes, media_type: str) -> Blob:
    """A blob whose descriptor holds its content as well, so that whoever reads the manifest has it."""
    blob = Blob.of_bytes(content, media_type)
    data = base64.b64encode(content).decode()
    return replace(blob, descriptor=replace(blob.descriptor, extra={"data": data}))


def read_blob(blob: Blob, *, limit: int) -> bytes:
    """The content of a small blob, out of its descriptor if it is there.

    Raises:
        FormatError: It is longer than `limit` bytes, or what the descriptor holds is no base64.
        VerificationError: It is not what the descriptor says.
        TransportError: It cannot be read.
    """
    source = f"blob {blob.digest.short}"
    if blob.size > limit:
        raise FormatError(source, f"has {blob.size:,} bytes, more than the limit of {limit:,}")
    data = blob.descriptor.extra.get("data")
    if data is None:
        with blob.open_blob() as stream:
            return stream.read()
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise FormatError(source, f"its embedded content is no base64 ({error})") from error
    if len(content) != blob.size:
        raise SizeMismatchError(f"embedded {source}", expected=blob.size, actual=len(content))
    if Digest.of(content) != blob.digest:
        raise DigestMismatchError(f"embedded {source}", expected=blob.digest, actual=Digest.of(content))
    return content
