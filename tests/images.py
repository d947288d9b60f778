"""Small images in memory, and what is in them."""

from __future__ import annotations

import io
import tarfile
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.archive.entry import file_entry
from docker_envs.archive.layer_writer import write_layer
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.oci import edit, media_types
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.image import Image, NamedImage, scratch
from docker_envs.oci.layer import Layer
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import iter_archive, read_archive
from tests.packages.build import File, tar_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.archive.compression import CompressionSetting

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64", "v8")
URL = "https://example.org/foreign.tar.gz"


def make_layer(contents: Mapping[str, bytes], compression: CompressionSetting | None = None) -> Layer:
    """A layer of files, sorted by path."""
    out = io.BytesIO()
    entries = [file_entry(path, contents[path], mtime=1) for path in sorted(contents)]
    facts = write_layer(entries, out, source="test", compression=compression)
    kind = (
        media_types.OCI_LAYER_GZIP if compression is None else f"{media_types.OCI_LAYER_TAR}+{compression.kind.value}"
    )
    kind = kind.removesuffix("+none")
    return Layer(Descriptor(kind, facts.digest, facts.size), partial(io.BytesIO, out.getvalue()), diff_id=facts.diff_id)


def foreign(layer: Layer) -> Layer:
    """The layer as one that only its publisher distributes, and that nobody can open."""
    kind = media_types.to_oci(media_types.DOCKER_LAYER_FOREIGN)
    return Layer(Descriptor(kind, layer.digest, layer.size, urls=(URL,)), layer.opener, diff_id=layer.diff_id)


def make_image(*layers: Mapping[str, bytes] | Layer, platform: Platform = AMD64, docker: bool = False) -> Image:
    """An image of layers, base first; in Docker's format when asked for."""
    image = scratch(platform)
    if docker:
        image = Image(image.config, (), media_types.DOCKER_MANIFEST)
    for number, layer in enumerate(layers):
        found = layer if isinstance(layer, Layer) else make_layer(layer)
        image = edit.append_layer(image, found, history={"created_by": f"layer {number}"})
    return edit.with_config(image, image.config.with_env({"A": "b c"}))


def named(image: Image, *names: str) -> NamedImage:
    return NamedImage(image, tuple(Reference.parse(name) for name in names))


def read_blob(layer: Layer) -> bytes:
    with layer.open_blob() as stream:
        return stream.read()


def flattened(image: Image) -> dict[str, bytes]:
    """The files that a container of the image sees."""
    openers = [layer.open_tar for layer in image.layers]
    return {entry.path: entry.read() for entry in iter_flattened(openers, source="test") if entry.kind.name == "FILE"}


def archive(*images: NamedImage) -> bytes:
    return b"".join(iter_archive(images))


def reread(*images: NamedImage) -> list[NamedImage]:
    return read_archive(io.BytesIO(archive(*images)))


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        found = {member.name: tar.extractfile(member) for member in tar}
        assert len(found) == len(tar.getnames())
        return {name: file.read() for name, file in found.items() if file}


def layer_tar(contents: dict[str, bytes]) -> bytes:
    return tar_bytes(sorted((path, File(content)) for path, content in contents.items()))
