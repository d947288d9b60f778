"""Documents as artifacts that refer to an image.

Spec: OCI image-spec 1.1, manifest.md, "Guidelines for Artifact Usage" and "Guidance for an Empty Descriptor".
"""

from __future__ import annotations

from dataclasses import replace

from docker_envs.oci import media_types
from docker_envs.oci.artifact import Artifact
from docker_envs.oci.blob import Blob
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.manifest import Manifest

_EMPTY = Blob.of_bytes(b"{}", "application/vnd.oci.empty.v1+json")
_TITLE = "org.opencontainers.image.title"


def document_artifact(
    document: Blob, *, artifact_type: str, title: str, subject: Descriptor, annotations: dict[str, str]
) -> Artifact:
    """An artifact that holds one document about a manifest.

    Args:
        document: The document.
        artifact_type: What it is.
        title: The name of the file that tools make of it.
        subject: The manifest or index that it is about.
        annotations: Of the artifact; lists of referrers show them.
    """
    subject = Descriptor(subject.media_type, subject.digest, subject.size)
    manifest = Manifest.make(
        media_type=media_types.OCI_MANIFEST,
        config=_EMPTY.descriptor,
        layers=[replace(document.descriptor, annotations={_TITLE: title})],
        annotations=annotations,
        template={"artifactType": artifact_type, "subject": subject.to_json()},
    )
    return Artifact(manifest.descriptor, manifest.raw, (_EMPTY, document))
