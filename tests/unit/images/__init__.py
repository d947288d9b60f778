"""Small images in memory."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from docker_envs.archive import tar_header
from docker_envs.archive.compression import Compression, CompressionSetting
from docker_envs.archive.entry import file_entry
from docker_envs.archive.layer_writer import write_layer
from docker_envs.digest import Digest
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.edit import append_layer
from docker_envs.oci.image import Image, scratch
from docker_envs.oci.layer import Layer

if TYPE_CHECKING:
    from docker_envs.archive.entry import Entry

AMD64 = Platform("linux", "amd64")
MEDIA_TYPES = {
    Compression.GZIP: media_types.OCI_LAYER_GZIP,
    Compression.ZSTD: media_types.OCI_LAYER_ZSTD,
    Compression.NONE: media_types.OCI_LAYER_TAR,
}


def make_layer(*entries: Entry, compression: Compression = Compression.GZIP) -> Layer:
    """A layer of `entries`."""
    out = io.BytesIO()
    facts = write_layer(entries, out, source="test", compression=CompressionSetting(compression))
    blob = out.getvalue()
    return Layer(
        Descriptor(MEDIA_TYPES[compression], facts.digest, facts.size), lambda: io.BytesIO(blob), diff_id=facts.diff_id
    )


def bare_layer(*entries: Entry) -> Layer:
    """A layer of `entries` as they stand: whiteouts among them, and without entries for parents."""
    members = [tar_header.encode(each) + each.read() + tar_header.padding(each.size) for each in entries]
    tar = b"".join(members) + bytes(2 * tar_header.BLOCK)
    descriptor = Descriptor(media_types.OCI_LAYER_TAR, Digest.of(tar), len(tar))
    return Layer(descriptor, lambda: io.BytesIO(tar), diff_id=Digest.of(tar))


def text_layer(path: str, text: str = "text", *, compression: Compression = Compression.GZIP) -> Layer:
    """A layer with one file."""
    return make_layer(file_entry(path, text.encode(), mtime=0), compression=compression)


def make_image(*layers: Layer, platform: Platform = AMD64) -> Image:
    """An image of `layers`, base layer first."""
    image = scratch(platform)
    for number, layer in enumerate(layers):
        image = append_layer(image, layer, history={"created_by": f"step {number}"})
    return image
