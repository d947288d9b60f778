from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import FormatError
from docker_envs.oci import media_types
from docker_envs.oci.config import ImageConfig
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import Image, image_from_parts, scratch
from docker_envs.oci.manifest import Manifest
from docker_envs.validate import validate_image
from tests.unit.images import AMD64, make_image, text_layer

if TYPE_CHECKING:
    from docker_envs.oci.layer import Layer

LAYERS = [text_layer("a"), text_layer("b")]


def receive(image: Image, *, indent: int | None = 2) -> Image:
    """The image as a source gives it, its manifest not in our canonical form."""
    layers = {layer.digest: layer for layer in image.layers}

    def make(descriptor: Descriptor, diff_id: Digest) -> Layer:
        assert layers[descriptor.digest].diff_id == diff_id
        return dataclasses.replace(layers[descriptor.digest], descriptor=descriptor)

    raw = json.dumps(image.manifest.document, indent=indent).encode()
    return image_from_parts(Manifest.parse(raw, source="url"), image.config, make, source="url")


def test_scratch() -> None:
    image = scratch(AMD64)
    assert (image.layers, image.platform) == ((), AMD64)
    validate_image(image)


def test_manifest_is_derived_base_layer_first() -> None:
    image = make_image(*LAYERS)
    assert image.manifest.layers == tuple(layer.descriptor for layer in LAYERS)
    assert image.config.diff_ids == tuple(layer.diff_id for layer in LAYERS)
    assert image.manifest.config == Descriptor(media_types.OCI_CONFIG, image.config.digest, len(image.config.raw))
    assert image.digest == Digest.of(image.manifest.raw)
    validate_image(image)


def test_same_layers_give_the_same_image() -> None:
    assert make_image(*LAYERS).manifest.raw == make_image(*LAYERS).manifest.raw
    assert make_image(*LAYERS).digest != make_image(*reversed(LAYERS)).digest


def test_received_bytes_are_kept() -> None:
    image = receive(make_image(*LAYERS))
    assert image.manifest.raw.startswith(b"{\n  ")
    assert image.digest == Digest.of(image.manifest.raw) != make_image(*LAYERS).digest
    validate_image(image)


def test_numbers_of_layers_must_agree() -> None:
    image = make_image(*LAYERS)
    config = ImageConfig.make({**image.config.document, "rootfs": {"type": "layers", "diff_ids": []}})
    with pytest.raises(FormatError) as caught:
        image_from_parts(image.manifest, config, lambda *_: LAYERS[0], source="url")
    assert str(caught.value) == "url: the manifest has 2 layers, the config 0 diff_ids"
