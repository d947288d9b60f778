"""The oracle: recompute every digest, size and diff_id of an image, and read every layer as a tar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.archive.reader import iter_entries
from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, FormatError, SizeMismatchError
from docker_envs.oci import media_types

if TYPE_CHECKING:
    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.oci.image import Image


def validate_image(image: Image, *, source: str = "image") -> None:
    """Read all of an image and check everything that is written down about it.

    Raises:
        VerificationError: A digest or size is wrong.
        FormatError: A layer is no tar, two of its entries share a path, or manifest and config disagree.
    """
    _check_bytes(image.config_descriptor, image.config.raw, source=f"{source}: config")
    if image.manifest.config != image.config_descriptor:
        raise FormatError(source, "the manifest names another config")
    if tuple(layer.descriptor for layer in image.layers) != image.manifest.layers:
        raise FormatError(source, "the manifest names other layers")
    if tuple(layer.diff_id for layer in image.layers) != image.config.diff_ids:
        raise FormatError(source, "the config names other diff_ids")
    filled = [entry for entry in image.config.history if not entry.get("empty_layer")]
    if image.config.history and len(filled) != len(image.layers):
        raise FormatError(source, f"the history speaks of {len(filled)} layers, there are {len(image.layers)}")
    for layer in image.layers:
        if media_types.is_foreign(layer.media_type):
            continue
        paths: set[str] = set()
        with layer.open_tar() as stream:
            for entry in iter_entries(stream, source=f"{source}: layer {layer.digest.short}"):
                if entry.path in paths:
                    raise FormatError(source, f"layer {layer.digest.short} has `{entry.path}` twice")
                paths.add(entry.path)


def _check_bytes(descriptor: Descriptor, raw: bytes, *, source: str) -> None:
    if descriptor.size != len(raw):
        raise SizeMismatchError(source, expected=descriptor.size, actual=len(raw))
    if descriptor.digest != Digest.of(raw):
        raise DigestMismatchError(source, expected=descriptor.digest, actual=Digest.of(raw))
