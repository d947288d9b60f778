"""Small images with a record that fits their layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.oci.edit import append_layer, with_annotations, with_config
from docker_envs.records.record import RecordedLayer, RecordedSettings, record_entries, record_label
from tests.recorded import BASE_DIGEST, package, record
from tests.unit.images import make_image, make_layer, text_layer

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.records.record import Record

BASE_NAME, BASE_DIGEST_NAME = (f"org.opencontainers.image.base.{name}" for name in ("name", "digest"))


def numpy_image(version: str = "1") -> Image:
    """An image with a base, `python` and `zlib` in one layer, `numpy` of a version in another, and their record."""
    layers = [text_layer("opt/conda/python"), text_layer("opt/conda/numpy", version)]
    made = make_image(text_layer("base", "base of the image"), *layers)
    made = with_annotations(made, {BASE_NAME: "docker.io/library/debian:12", BASE_DIGEST_NAME: BASE_DIGEST})
    packages = (
        package("numpy", version=version, license="BSD-3-Clause", depends=("python",)),
        package("python"),
        package(),
    )
    contents = (
        RecordedLayer(diff_id=str(layers[0].diff_id), packages=("python", "zlib")),
        RecordedLayer(diff_id=str(layers[1].diff_id), packages=("numpy",)),
    )
    own = record(*packages, layers=contents, settings=RecordedSettings(filters=("docs",)), variables={"A": "b"})
    return with_record(made, own)


def with_record(image: Image, own: Record) -> Image:
    """An image with one more layer, which holds a record."""
    layer = make_layer(*record_entries(own))
    labels = record_label(image, layer)
    image = append_layer(image, layer, history={"created_by": "docker-envs: record"})
    return with_config(image, image.config.with_labels(labels))
