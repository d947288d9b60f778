"""What an OCI image layout holds for some images, whether it becomes a directory or a tar.

Spec: OCI image-spec 1.1, image-layout.md; annotations.md, "Pre-Defined Annotation Keys".
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.errors import TransportError
from docker_envs.fields import canonical_json
from docker_envs.oci import edit, media_types
from docker_envs.oci.image import NamedImage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from docker_envs.digest import Digest
    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.oci.layer import Layer
    from docker_envs.oci.reference import Reference
    from docker_envs.streams import ByteSource

LAYOUT_FILE = "oci-layout"
INDEX_FILE = "index.json"
LAYOUT_CONTENT = canonical_json({"imageLayoutVersion": "1.0.0"})

#: Full name of an image, for Docker and containerd.
NAME_ANNOTATION = "io.containerd.image.name"
#: What the image is called within the layout: its tag, by the custom of all but podman.
REF_NAME_ANNOTATION = "org.opencontainers.image.ref.name"


def blob_path(digest: Digest) -> str:
    """Where a layout keeps a blob."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob to write; `open` gives a stream of it that is not verified."""

    digest: Digest
    size: int
    open: Callable[[], ByteSource]


def image_blobs(images: Iterable[NamedImage]) -> list[Blob]:
    """Every blob of some images once, sorted by digest; foreign layers only if they can be opened."""
    blobs: dict[Digest, Blob] = {}
    for named in images:
        if named.index is not None:
            _add_document(blobs, named.index.descriptor.digest, named.index.raw)
        for image in named.images:
            _add_document(blobs, image.digest, image.manifest.raw)
            _add_document(blobs, image.config_descriptor.digest, image.config.raw)
        for layer in (layer for image in named.images for layer in image.layers):
            if layer.digest not in blobs and (not media_types.is_foreign(layer.media_type) or _can_open(layer)):
                blobs[layer.digest] = Blob(layer.digest, layer.size, layer.opener)
    return [blobs[digest] for digest in sorted(blobs)]


def _add_document(blobs: dict[Digest, Blob], digest: Digest, raw: bytes) -> None:
    blobs[digest] = Blob(digest, len(raw), partial(io.BytesIO, raw))


def _can_open(layer: Layer) -> bool:
    try:
        layer.opener().close()
    except TransportError:
        return False
    return True


def index_entries(images: Iterable[NamedImage]) -> list[Descriptor]:
    """Entries for `index.json`: one for each name of each image, or one without a name."""
    entries = []
    for named in images:
        names = [_name_annotations(reference) for reference in named.references] or [{}]
        entries += [replace(named.descriptor, annotations=annotations) for annotations in names]
    return entries


def _name_annotations(reference: Reference) -> dict[str, str]:
    if reference.tag is None:
        return {NAME_ANNOTATION: str(reference)}
    return {NAME_ANNOTATION: f"{reference.name}:{reference.tag}", REF_NAME_ANNOTATION: reference.tag}


def layout_images(images: Iterable[NamedImage]) -> list[NamedImage]:
    """Images as layouts hold them: in OCI's format, each manifest once.

    An image in Docker's format gets another manifest, and keeps its config and all blobs: skopeo and umoci find no
    other manifests than OCI's in a layout.
    """
    return merge_images(
        NamedImage(
            edit.to_oci(named.image), named.references, tuple(edit.to_oci(variant) for variant in named.variants)
        )
        for named in images
    )


def merge_images(images: Iterable[NamedImage]) -> list[NamedImage]:
    """The same images with each manifest once, under all its names."""
    merged: dict[Digest, NamedImage] = {}
    for named in images:
        known = merged.get(named.descriptor.digest, named)
        references = dict.fromkeys((*known.references, *named.references))
        merged[named.descriptor.digest] = NamedImage(known.image, tuple(references), known.variants)
    return list(merged.values())
