from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive import tar_header
from docker_envs.archive.entry import file_entry
from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, DockerEnvsError, FormatError, SizeMismatchError
from docker_envs.oci import media_types
from docker_envs.oci.config import ImageConfig
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import Layer
from docker_envs.oci.manifest import Manifest
from docker_envs.validate import validate_image
from tests.unit.images import make_image, text_layer

if TYPE_CHECKING:
    from docker_envs.oci.image import Image

GOOD = make_image(text_layer("a"), text_layer("b"))


def plain_layer(tar: bytes) -> Layer:
    descriptor = Descriptor(media_types.OCI_LAYER_TAR, Digest.of(tar), len(tar))
    return Layer(descriptor, lambda: io.BytesIO(tar), diff_id=Digest.of(tar))


def with_manifest(config: Descriptor) -> Image:
    manifest = Manifest.make(
        media_type=GOOD.media_type, config=config, layers=GOOD.manifest.layers, annotations={}, template={}
    )
    return dataclasses.replace(GOOD, received=manifest)


TWICE = 2 * tar_header.encode(file_entry("x", b"", mtime=0)) + bytes(1024)
CONFIG = GOOD.config_descriptor


def test_good_images_pass() -> None:
    validate_image(GOOD)
    validate_image(make_image())


def test_foreign_layers_are_not_read() -> None:
    foreign = text_layer("a").with_media_type(media_types.DOCKER_TO_OCI[media_types.DOCKER_LAYER_FOREIGN])
    validate_image(make_image(dataclasses.replace(foreign, opener=lambda: pytest.fail("opened"))))


@pytest.mark.parametrize(
    ("image", "kind", "message"),
    [
        (with_manifest(dataclasses.replace(CONFIG, size=1)), SizeMismatchError, "image: config: wrong size"),
        (with_manifest(dataclasses.replace(CONFIG, digest=Digest.of(b""))), DigestMismatchError,
         "image: config: wrong digest"),
        (dataclasses.replace(GOOD, received=GOOD.manifest, layers=GOOD.layers[::-1]), FormatError,
         "image: the manifest names other layers"),
        (dataclasses.replace(GOOD, layers=GOOD.layers[::-1]), FormatError, "image: the config names other diff_ids"),
        (dataclasses.replace(GOOD, config=ImageConfig.make({**GOOD.config.document, "history": [{}]})), FormatError,
         "image: the history speaks of 1 layers, there are 2"),
        (make_image(plain_layer(TWICE)), FormatError, "has `x` twice"),
        (make_image(plain_layer(b"no tar" * 200)), FormatError, "damaged"),
        (make_image(dataclasses.replace(text_layer("a"), diff_id=Digest.of(b"x"))), DigestMismatchError,
         "(uncompressed): wrong digest"),
        (make_image(dataclasses.replace(text_layer("a"), opener=text_layer("other").opener)), DockerEnvsError, "wrong"),
    ],
    ids=["config-size", "config-digest", "manifest-order", "config-order", "history", "path-twice", "no-tar",
         "diff-id", "other-blob"],
)  # fmt: skip
def test_faults(image: Image, kind: type[DockerEnvsError], message: str) -> None:
    with pytest.raises(kind) as caught:
        validate_image(image)
    assert message in str(caught.value)
