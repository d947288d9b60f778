"""Edits: from one immutable image to another; layers that stay are never touched or read."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidInputError
from docker_envs.oci import media_types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.oci.config import ImageConfig
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer


def append_layer(image: Image, layer: Layer, *, history: Mapping[str, Any]) -> Image:
    """One more layer on top.

    The layer takes the image's family of media types; an image in Docker's format becomes OCI when it gets a zstd
    layer, which Docker's format has no type for.
    """
    image, layer = _same_family(image, layer)
    return _changed(image, layers=(*image.layers, layer), config=image.config.with_layer(layer.diff_id, history))


def drop_top_layer(image: Image) -> Image:
    """Without the topmost layer.

    Raises:
        InvalidInputError: The image has no layer.
    """
    return _changed(image, layers=image.layers[:-1], config=image.config.without_top_layer())


def with_only_layer(image: Image, layer: Layer, *, history: Mapping[str, Any]) -> Image:
    """With one layer in place of all, and one entry in place of the history; for media types see `append_layer`."""
    image, layer = _same_family(image, layer)
    return _changed(image, layers=(layer,), config=image.config.with_rootfs([layer.diff_id], [history]))


def with_config(image: Image, config: ImageConfig) -> Image:
    """With another config for the same layers.

    Raises:
        InvalidInputError: The config speaks of other layers.
    """
    if config.diff_ids != image.config.diff_ids:
        raise InvalidInputError("the new config belongs to other layers")
    return image if config.raw == image.config.raw else _changed(image, config=config)


def with_annotations(image: Image, annotations: Mapping[str, str]) -> Image:
    """With more annotations on the manifest; Docker's format has none, so the image becomes OCI."""
    if not annotations:
        return image
    image = to_oci(image)
    return _changed(image, annotations={**image.annotations, **annotations})


def with_layers(image: Image, layers: Sequence[Layer]) -> Image:
    """With the same layers in other blobs, as when they are compressed in another way.

    Raises:
        InvalidInputError: They unpack to something else.
    """
    if [layer.diff_id for layer in layers] != [layer.diff_id for layer in image.layers]:
        raise InvalidInputError("the new layers unpack to something else")
    return _changed(image, layers=tuple(layers))


def to_oci(image: Image) -> Image:
    """The same image with OCI media types; no blob changes, so a registry need not get any again."""
    if not media_types.is_docker(image.media_type):
        return image
    layers = tuple(layer.with_media_type(media_types.to_oci(layer.media_type)) for layer in image.layers)
    return _changed(image, layers=layers, media_type=media_types.OCI_MANIFEST)


def _same_family(image: Image, layer: Layer) -> tuple[Image, Layer]:
    if layer.media_type == media_types.OCI_LAYER_ZSTD and media_types.is_docker(image.media_type):
        image = to_oci(image)
    translate = media_types.to_docker if media_types.is_docker(image.media_type) else media_types.to_oci
    return image, layer.with_media_type(translate(layer.media_type))


def _changed(image: Image, **changes: Any) -> Image:
    return replace(image, received=None, **changes)
