from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import TransportError
from docker_envs.images.validation import Validation, validate_artifact
from docker_envs.oci import media_types
from docker_envs.oci.artifact import Artifact
from docker_envs.oci.blob import Blob
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.image import NamedImage
from docker_envs.oci.manifest import Manifest
from tests.images import ARM64, foreign
from tests.unit.images import make_image, text_layer

if TYPE_CHECKING:
    from docker_envs.streams import ByteSource

SHARED = text_layer("shared")
IMAGE, ARM = make_image(SHARED, text_layer("a")), make_image(SHARED, text_layer("b"), platform=ARM64)
INDEX = Artifact.of_named(NamedImage(IMAGE, (), (ARM,)))


def problems(artifact: Artifact) -> list[str]:
    return [str(problem) for problem in validate_artifact(artifact).problems]


def with_blobs(artifact: Artifact, *blobs: Blob) -> Artifact:
    return dataclasses.replace(artifact, blobs=blobs)


def giving(blob: Blob, content: bytes) -> Blob:
    return dataclasses.replace(blob, opener=lambda: io.BytesIO(content))


def test_all_of_an_index() -> None:
    size = sum({blob.digest: blob.size for child in INDEX.children for blob in child.blobs}.values())
    assert validate_artifact(INDEX) == Validation(images=2, layers=3, size=size)


def test_shared_layers_are_read_once() -> None:
    opened = []

    def opener() -> ByteSource:
        opened.append(1)
        return SHARED.opener()

    children = tuple(
        with_blobs(child, child.blobs[0], dataclasses.replace(SHARED, opener=opener), child.blobs[2])
        for child in INDEX.children
    )
    assert validate_artifact(dataclasses.replace(INDEX, children=children)).problems == []
    assert len(opened) == 1


def test_every_damaged_blob_is_listed_in_order() -> None:
    config, *layers = INDEX.children[0].blobs
    first = with_blobs(INDEX.children[0], config, *(giving(layer, b"x" * layer.size) for layer in layers))
    config, *layers = INDEX.children[1].blobs
    second = with_blobs(INDEX.children[1], giving(config, b"{}" + b" " * (config.size - 2)), *layers)
    found = problems(dataclasses.replace(INDEX, children=(first, second)))
    assert found[0].startswith(f"manifest {second.digest.short}: config: wrong digest")
    assert [first.blobs[number].digest.short in found[number] for number in (1, 2)] == [True, True]
    assert len(found) == 3


def test_what_manifest_and_config_say() -> None:
    artifact = Artifact.of_image(IMAGE)
    wrong_size = dataclasses.replace(artifact.descriptor, size=artifact.descriptor.size + 1)
    assert "wrong size" in problems(dataclasses.replace(artifact, descriptor=wrong_size))[0]
    other = dataclasses.replace(artifact.descriptor, platform=ARM64)
    assert (
        "the index says platform `linux/arm64/v8`, the config says `linux/amd64`"
        in problems(dataclasses.replace(artifact, descriptor=other))[0]
    )


def test_configs_may_leave_out_the_variant() -> None:
    arm = make_image(platform=Platform("linux", "arm"))
    artifact = Artifact.of_image(arm)
    stated = dataclasses.replace(artifact.descriptor, platform=Platform("linux", "arm", "v7"))
    assert problems(dataclasses.replace(artifact, descriptor=stated)) == []


def test_what_is_no_image() -> None:
    chart = Blob.of_bytes(b"chart", "application/tar+gzip")
    config = Blob.of_bytes(b"{}", "application/vnd.cncf.helm.config.v1+json")
    made = Manifest.make(media_type=media_types.OCI_MANIFEST, config=config.descriptor, layers=[chart.descriptor],
                         annotations={}, template={})  # fmt: skip
    artifact = Artifact(made.descriptor, made.raw, (config, chart))
    assert validate_artifact(artifact) == Validation(size=7)
    assert "wrong digest" in problems(with_blobs(artifact, config, giving(chart, b"cHart")))[0]


def test_missing_manifests_and_foreign_layers_are_counted() -> None:
    sparse = dataclasses.replace(INDEX, children=INDEX.children[:1])
    assert validate_artifact(sparse).missing == 1
    layer = dataclasses.replace(foreign(text_layer("x")), opener=lambda: pytest.fail("opened"))
    assert validate_artifact(Artifact.of_image(make_image(layer))).skipped == 1


def test_fast() -> None:
    asked = []

    def exists(blob: Blob) -> bool:
        asked.append(blob.digest)
        return blob.digest != SHARED.digest

    config, *layers = Artifact.of_image(IMAGE).blobs
    unread = [dataclasses.replace(layer, opener=lambda: pytest.fail("opened")) for layer in layers]
    found = validate_artifact(with_blobs(Artifact.of_image(IMAGE), config, *unread), exists=exists)
    assert sorted(asked) == sorted(layer.digest for layer in layers)
    assert [str(problem) for problem in found.problems] == [
        f"blob {SHARED.digest.short} is missing, or has another size"
    ]


def test_a_lost_network_is_no_problem_of_the_image() -> None:
    def fail() -> ByteSource:
        raise TransportError("no network")

    config, *layers = Artifact.of_image(IMAGE).blobs
    lost = [dataclasses.replace(layer, opener=fail) for layer in layers]
    with pytest.raises(TransportError, match="no network"):
        validate_artifact(with_blobs(Artifact.of_image(IMAGE), config, *lost))
