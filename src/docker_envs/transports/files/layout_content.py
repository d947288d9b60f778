"""What an OCI image layout holds for some images, whether it becomes a directory or a tar.

Spec: OCI image-spec 1.1, image-layout.md; annotations.md, "Pre-Defined Annotation Keys".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.errors import TransportError
from docker_envs.fields import canonical_json
from docker_envs.oci import media_types
from docker_envs.oci.artifact import NamedArtifact, to_oci
from docker_envs.oci.blob import Blob
from docker_envs.oci.image import NamedImage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker_envs.digest import Digest
    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.oci.reference import Reference

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
LAYOUT_CONTENT = canonical_json({"imageLayoutVersion": "1.0.0"})

#: Full name of an image, for Docker and containerd.
NAME_ANNOTATION = "io.containerd.image.name"
#: What the image is called within the layout: its tag, by the custom of all but podman.
REF_NAME_ANNOTATION = "org.opencontainers.image.ref.name"
_NAMES = frozenset({NAME_ANNOTATION, REF_NAME_ANNOTATION})


def blob_path(digest: Digest) -> str:
    """Where a layout keeps a blob."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def as_artifacts(images: Iterable[NamedImage | NamedArtifact], *, keep_types: bool = False) -> list[NamedArtifact]:
    """Images as layouts hold them: in OCI's format, each document once, under all its names.

    An image in Docker's format gets another manifest, and keeps its config and all blobs: skopeo and umoci find no
    other manifests than OCI's in a layout.

    Args:
        images: Images or artifacts with their names.
        keep_types: Leave Docker's format as it is, so that digests stay.
    """
    merged: dict[Digest, NamedArtifact] = {}
    for named in images:
        given = NamedArtifact.of(named) if isinstance(named, NamedImage) else named
        artifact = given.artifact if keep_types else to_oci(given.artifact)
        known = merged.get(artifact.digest, NamedArtifact(artifact))
        references = tuple(dict.fromkeys((*known.references, *given.references)))
        merged[artifact.digest] = NamedArtifact(known.artifact, references)
    return list(merged.values())


def content_blobs(artifacts: Iterable[NamedArtifact]) -> list[Blob]:
    """Every blob and document of some artifacts once, sorted by digest; foreign layers only if they can be opened."""
    blobs: dict[Digest, Blob] = {}
    for named in artifacts:
        for document in named.artifact.walk():
            blobs[document.digest] = Blob.of_bytes(document.raw, document.media_type)
        for digest, blob in named.artifact.all_blobs().items():
            if digest not in blobs and (not media_types.is_foreign(blob.media_type) or _can_open(blob)):
                blobs[digest] = blob
    return [blobs[digest] for digest in sorted(blobs)]


def _can_open(blob: Blob) -> bool:
    try:
        blob.opener().close()
    except TransportError:
        return False
    return True


def index_entries(artifacts: Iterable[NamedArtifact]) -> list[Descriptor]:
    """Entries for `index.json`: one for each name of each artifact, or else one with the annotations that it has."""
    entries = []
    for named in artifacts:
        descriptor = named.artifact.descriptor
        kept = {key: value for key, value in descriptor.annotations.items() if key not in _NAMES}
        names = [{**kept, **_name_annotations(reference)} for reference in named.references]
        entries += [replace(descriptor, annotations=annotations) for annotations in names] or [descriptor]
    return entries


def _name_annotations(reference: Reference) -> dict[str, str]:
    if reference.tag is None:
        return {NAME_ANNOTATION: str(reference)}
    return {NAME_ANNOTATION: f"{reference.name}:{reference.tag}", REF_NAME_ANNOTATION: reference.tag}
