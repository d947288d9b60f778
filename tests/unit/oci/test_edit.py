from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.archive.compression import Compression
from docker_envs.errors import InvalidInputError
from docker_envs.oci import media_types
from docker_envs.oci.edit import append_layer, drop_top_layer, to_oci, with_annotations, with_config, with_only_layer
from docker_envs.oci.manifest import Manifest
from docker_envs.validate import validate_image
from tests.unit.images import make_image, text_layer

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.streams import ByteSource

ONE, TWO, NEW = text_layer("a"), text_layer("b"), text_layer("c")


def never() -> ByteSource:
    raise AssertionError("an edit must not open a layer")


def received(image: Image, **fields: Any) -> Image:
    """As a registry gave it: unknown fields, other white space, layers that must not be read."""
    raw = json.dumps({**image.manifest.document, **fields}, indent=1).encode()
    manifest = Manifest.parse(raw, source="url")
    layers = tuple(dataclasses.replace(layer, opener=never) for layer in image.layers)
    return dataclasses.replace(
        image, layers=layers, received=manifest, template=manifest.document, annotations=manifest.annotations
    )


def docker_image() -> Image:
    layers = tuple(layer.with_media_type(media_types.to_docker(layer.media_type)) for layer in (ONE, TWO))
    return dataclasses.replace(make_image(ONE, TWO), layers=layers, media_type=media_types.DOCKER_MANIFEST)


OCI = received(make_image(ONE, TWO), **{"x-own": [1], "annotations": {"k": "v"}})
DOCKER = received(docker_image(), **{"x-own": [1]})


@pytest.mark.parametrize("image", [OCI, DOCKER], ids=["oci", "docker"])
def test_appending_keeps_everything_else(image: Image) -> None:
    changed = append_layer(image, NEW, history={"created_by": "ours"})
    assert changed.layers[:2] == image.layers
    assert changed.layers[2].digest == NEW.digest
    assert changed.config.history == (*image.config.history, {"created_by": "ours"})
    assert changed.config.container == image.config.container
    assert changed.media_type == image.media_type
    assert changed.manifest.document["x-own"] == [1]
    assert changed.annotations == image.annotations
    assert image.digest != changed.digest


def test_an_image_in_dockers_format_stays_so() -> None:
    changed = append_layer(DOCKER, NEW, history={})
    document = json.loads(changed.manifest.raw)
    assert document["mediaType"] == media_types.DOCKER_MANIFEST
    assert document["config"]["mediaType"] == media_types.DOCKER_CONFIG
    assert {layer["mediaType"] for layer in document["layers"]} == {media_types.DOCKER_LAYER_GZIP}


def test_docker_layers_become_oci_in_an_oci_image() -> None:
    layer = NEW.with_media_type(media_types.DOCKER_LAYER_GZIP)
    assert append_layer(OCI, layer, history={}).layers[-1].media_type == media_types.OCI_LAYER_GZIP


def oci_types(image: Image) -> set[str]:
    document = json.loads(image.manifest.raw)
    return {document["mediaType"], *(part["mediaType"] for part in [document["config"], *document["layers"]])}


def test_zstd_makes_an_image_oci() -> None:
    changed = append_layer(DOCKER, text_layer("z", compression=Compression.ZSTD), history={})
    assert oci_types(changed) == {
        media_types.OCI_MANIFEST, media_types.OCI_CONFIG, media_types.OCI_LAYER_GZIP, media_types.OCI_LAYER_ZSTD,
    }  # fmt: skip
    assert changed.config.digest != DOCKER.config.digest


@pytest.mark.parametrize(
    "edit", [to_oci, lambda image: with_annotations(image, {"a": "b"})], ids=["to_oci", "annotate"]
)
def test_conversion_changes_no_blob(edit: Any) -> None:
    changed = edit(DOCKER)
    assert oci_types(changed) == {media_types.OCI_MANIFEST, media_types.OCI_CONFIG, media_types.OCI_LAYER_GZIP}
    assert [layer.digest for layer in changed.layers] == [layer.digest for layer in DOCKER.layers]
    assert changed.config.raw == DOCKER.config.raw
    assert changed.manifest.document["x-own"] == [1]


def test_annotations_are_added_to_those_there() -> None:
    changed = with_annotations(OCI, {"a": "b"})
    assert json.loads(changed.manifest.raw)["annotations"] == changed.annotations == {"k": "v", "a": "b"}
    assert OCI.annotations == {"k": "v"}


def test_nothing_to_change_keeps_the_received_bytes() -> None:
    for image in (OCI, DOCKER):
        assert with_annotations(image, {}) is image
        assert with_config(image, image.config) is image
    assert to_oci(OCI) is OCI


def test_other_config_for_the_same_layers() -> None:
    changed = with_config(OCI, OCI.config.with_env({"A": "b"}))
    assert changed.layers == OCI.layers
    assert changed.manifest.config.digest == changed.config.digest != OCI.config.digest
    with pytest.raises(InvalidInputError, match="belongs to other layers"):
        with_config(OCI, make_image(ONE).config)


def test_dropping_the_top() -> None:
    changed = drop_top_layer(OCI)
    assert changed.layers == OCI.layers[:1]
    assert changed.config.history == OCI.config.history[:1]
    again = drop_top_layer(append_layer(OCI, NEW, history={"created_by": "ours"}))
    assert again.layers == OCI.layers
    assert again.config.document == OCI.config.document
    with pytest.raises(InvalidInputError, match="no layer to remove"):
        drop_top_layer(drop_top_layer(changed))


@pytest.mark.parametrize(
    ("image", "layer", "media_type"),
    [
        (OCI, NEW, media_types.OCI_LAYER_GZIP),
        (DOCKER, NEW, media_types.DOCKER_LAYER_GZIP),
        (DOCKER, text_layer("z", compression=Compression.ZSTD), media_types.OCI_LAYER_ZSTD),
    ],
    ids=["oci", "docker", "zstd"],
)
def test_one_layer_in_place_of_all(image: Image, layer: Layer, media_type: str) -> None:
    changed = with_only_layer(image, layer, history={"created_by": "us"})
    assert [each.digest for each in changed.layers] == [layer.digest]
    assert changed.layers[0].media_type == media_type
    assert changed.config.history == ({"created_by": "us"},)
    assert changed.manifest.document["x-own"] == [1]
    validate_image(changed)


def test_edited_images_are_valid() -> None:
    image = make_image(ONE, TWO)
    for changed in (
        append_layer(image, NEW, history={}),
        drop_top_layer(image),
        with_annotations(docker_image(), {"a": "b"}),
        append_layer(docker_image(), text_layer("z", compression=Compression.ZSTD), history={}),
        with_config(image, image.config.with_labels({"a": "b"})),
    ):
        validate_image(changed)
