"""The oracle: recompute every digest, size and diff_id of an image, and read every layer as a tar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.archive.reader import iter_entries
from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, FormatError, SizeMismatchError
from docker_envs.oci import media_types

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.errors import VerificationError
    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.streams import ByteSource


def validate_image(image: Image, *, source: str = "image") -> None:
    """Read all of an image and check everything that is written down about it.

    Raises:
        VerificationError: A digest or size is wrong.
        FormatError: A layer is no tar, two of its entries share a path, or manifest and config disagree.
    """
    for problem in iter_problems(image, source=source):
        raise problem
    for layer in image.layers:
        if not media_types.is_foreign(layer.media_type):
            check_layer(layer, source=source)


def iter_problems(image: Image, *, source: str) -> Iterator[VerificationError | FormatError]:
    """Everything that is wrong with manifest and config; layers are not read."""
    yield from _wrong_bytes(image.config_descriptor, image.config.raw, source=f"{source}: config")
    if image.manifest.config != image.config_descriptor:
        yield FormatError(source, "the manifest names another config")
    if tuple(layer.descriptor for layer in image.layers) != image.manifest.layers:
        yield FormatError(source, "the manifest names other layers")
    if tuple(layer.diff_id for layer in image.layers) != image.config.diff_ids:
        yield FormatError(source, "the config names other diff_ids")
    filled = [entry for entry in image.config.history if not entry.get("empty_layer")]
    if image.config.history and len(filled) != len(image.layers):
        yield FormatError(source, f"the history speaks of {len(filled)} layers, there are {len(image.layers)}")


def check_layer(layer: Layer, *, source: str) -> None:
    """Read a layer to its end: blob, diff_id and tar.

    Raises:
        VerificationError: A digest or the size is wrong.
        FormatError: It is no tar, or two entries share a path.
    """
    with layer.open_tar() as stream:
        check_tar(stream, source=f"{source}: layer {layer.digest.short}")


def check_tar(stream: ByteSource, *, source: str) -> None:
    """Read an uncompressed tar to its end, as a layer.

    Raises:
        FormatError: It is no tar, holds what layers cannot, or two entries share a path.
    """
    paths: set[str] = set()
    for entry in iter_entries(stream, source=source):
        if entry.path in paths:
            raise FormatError(source, f"has `{entry.path}` twice")
        paths.add(entry.path)


def _wrong_bytes(descriptor: Descriptor, raw: bytes, *, source: str) -> Iterator[VerificationError]:
    if descriptor.size != len(raw):
        yield SizeMismatchError(source, expected=descriptor.size, actual=len(raw))
    if descriptor.digest != Digest.of(raw):
        yield DigestMismatchError(source, expected=descriptor.digest, actual=Digest.of(raw))
