from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import (
    DigestMismatchError,
    FormatError,
    NotFoundError,
    SizeMismatchError,
    StorageError,
)
from docker_envs.fields import canonical_json
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.manifest import Index
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.validate import validate_image
from tests.base_image import HOST_ARCHITECTURE
from tests.images import AMD64, ARM64, flattened, foreign, make_image, make_layer, named, read_blob

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.oci.image import Image

ONE, TWO = make_image({"a": b"1"}), make_image({"a": b"1"}, {"a": b"2"})
REF_NAME = "org.opencontainers.image.ref.name"


def names(path: Path) -> list[list[str]]:
    return [[reference.familiar for reference in each.references] for each in read_layout(path)]


class HandMade:
    """A layout made blob by blob, right or wrong."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "blobs/sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add(self, content: bytes, media_type: str, **fields: Any) -> Descriptor:
        digest = Digest.of(content)
        (self.root / "blobs/sha256" / digest.hex).write_bytes(content)
        return Descriptor(media_type, digest, len(content), **fields)

    def add_image(self, image: Image, **fields: Any) -> Descriptor:
        self.add(image.config.raw, media_types.OCI_CONFIG)
        for layer in image.layers:
            self.add(read_blob(layer), layer.media_type)
        return self.add(image.manifest.raw, image.media_type, **fields)

    def add_index(self, *manifests: Descriptor, **fields: Any) -> Descriptor:
        return self.add(Index.make(manifests).raw, media_types.OCI_INDEX, **fields)

    def finish(self, *manifests: Descriptor) -> Path:
        (self.root / "index.json").write_bytes(Index.make(manifests).raw)
        return self.root

    def remove(self, descriptor: Descriptor) -> None:
        (self.root / "blobs/sha256" / descriptor.digest.hex).unlink()


@pytest.fixture
def made(tmp_path: Path) -> HandMade:
    return HandMade(tmp_path / "layout")


def test_an_image_by_its_name(base_layout: Path) -> None:
    (single,) = read_layout(base_layout, reference="single")
    assert single.image.platform.architecture == HOST_ARCHITECTURE
    assert len(single.image.layers) == 3
    assert single.image.layers[0].host_path is not None
    assert flattened(single.image)["etc/layer"] == b"third\n"
    validate_image(single.image)


@pytest.mark.parametrize("platform", [AMD64, ARM64, Platform("linux", "arm64")])
def test_a_platform_out_of_an_index(base_layout: Path, platform: Platform) -> None:
    (found,) = read_layout(base_layout, reference="index", platform=platform)
    assert found.image.platform.architecture == platform.architecture
    assert flattened(found.image)["etc/architecture"] == f"{platform.architecture}\n".encode()


def test_all_platforms_when_none_is_asked_for(base_layout: Path) -> None:
    found = read_layout(base_layout, reference="index")
    assert [each.image.platform.architecture for each in found] == ["amd64", "arm64"]


def test_a_tar_of_a_layout(base_layout: Path, tmp_path: Path) -> None:
    tar = Path(shutil.make_archive(str(tmp_path / "layout"), "gztar", base_layout))
    (from_tar,) = read_layout(tar, reference="single")
    (from_directory,) = read_layout(base_layout, reference="single")
    assert from_tar.image.manifest.raw == from_directory.image.manifest.raw
    validate_image(from_tar.image)


@pytest.mark.parametrize(
    ("reference", "platform", "message", "hint"),
    [
        pytest.param("gone", None, "no image `gone`", "it has `index`, `single`", id="name"),
        pytest.param(
            "index", Platform("linux", "s390x"), "no image for linux/s390x", "it has linux/amd64", id="platform"
        ),
    ],
)
def test_what_a_layout_lacks(
    base_layout: Path, reference: str, platform: Platform | None, message: str, hint: str
) -> None:
    with pytest.raises(NotFoundError, match=message) as missed:
        read_layout(base_layout, reference=reference, platform=platform)
    assert missed.value.hint
    assert missed.value.hint.startswith(hint)


@pytest.mark.parametrize("reference", ["1", "team/app:1", "docker.io/team/app:1"])
def test_names_short_and_full(tmp_path: Path, reference: str) -> None:
    write_layout(tmp_path / "layout", [named(ONE, "team/app:1"), named(TWO, "app:2")])
    (found,) = read_layout(tmp_path / "layout", reference=reference)
    assert found.image.digest == ONE.digest


def test_names_as_podman_writes_them(made: HandMade) -> None:
    path = made.finish(
        made.add_image(ONE, annotations={REF_NAME: "localhost/app:1"}),
        made.add_image(TWO, annotations={REF_NAME: "no name!/"}),
    )
    assert names(path) == [["localhost/app:1"], []]


def test_indexes_inside_one_another(made: HandMade) -> None:
    inner = made.add_index(made.add_image(ONE), made.add_image(TWO))
    path = made.finish(made.add_index(made.add_index(inner, inner)))
    assert [each.image.digest for each in read_layout(path)] == [ONE.digest, TWO.digest]


def test_too_many_indexes_inside_one_another(made: HandMade) -> None:
    entry = made.add_image(ONE)
    for _ in range(10):
        entry = made.add_index(entry)
    with pytest.raises(FormatError, match="more than 8 indexes"):
        read_layout(made.finish(entry))


def test_attestations_and_artifacts_are_no_images(made: HandMade) -> None:
    unknown = made.add_image(TWO, platform=Platform("unknown", "unknown"))
    chart = json.loads(ONE.manifest.raw)
    chart["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    artifact = made.add(canonical_json(chart), media_types.OCI_MANIFEST)
    strange = made.add(b"{}", "application/x-strange")
    path = made.finish(made.add_index(made.add_image(ONE), unknown, artifact, strange), unknown, artifact, strange)
    assert [each.image.digest for each in read_layout(path)] == [ONE.digest]


def test_platforms_that_an_engine_did_not_have_are_left_out(made: HandMade) -> None:
    here, away = made.add_image(ONE, platform=AMD64), made.add_image(TWO, platform=ARM64)
    path = made.finish(made.add_index(here, away))
    made.remove(away)
    assert [each.image.digest for each in read_layout(path)] == [ONE.digest]
    with pytest.raises(NotFoundError, match="linux/arm64/v8"):
        read_layout(path, platform=ARM64)


def test_the_platform_may_stand_in_the_config_alone(made: HandMade) -> None:
    other = make_image({"a": b"1"}, platform=ARM64)
    path = made.finish(made.add_index(made.add_image(other), made.add_image(ONE)))
    assert [each.image.digest for each in read_layout(path, platform=AMD64)] == [ONE.digest]


def test_the_exact_variant_comes_first(made: HandMade) -> None:
    v7 = make_image({"a": b"7"}, platform=Platform("linux", "arm", "v7"))
    plain = make_image({"a": b"0"}, platform=Platform("linux", "arm"))
    path = made.finish(made.add_index(made.add_image(v7), made.add_image(plain)))
    (found,) = read_layout(path, platform=Platform("linux", "arm"))
    assert found.image.digest == plain.digest


def test_foreign_layers_may_be_absent(made: HandMade) -> None:
    layer = foreign(make_layer({"a": b"1"}))
    entry = made.add_image(make_image(layer))
    made.remove(layer.descriptor)
    (found,) = read_layout(made.finish(entry))
    assert found.image.layers[0].descriptor == layer.descriptor
    with pytest.raises(NotFoundError, match="not included"):
        found.image.layers[0].open_blob()


def test_layers_are_verified_when_they_are_opened(made: HandMade) -> None:
    path = made.finish(made.add_image(ONE))
    blob = path / "blobs/sha256" / ONE.layers[0].digest.hex
    blob.write_bytes(b"x" * ONE.layers[0].size)
    (found,) = read_layout(path)
    with pytest.raises(DigestMismatchError):
        read_blob(found.image.layers[0])


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        pytest.param(
            lambda root: (root / "oci-layout").unlink(), FormatError, "`oci-layout` is missing", id="no layout"
        ),
        pytest.param(
            lambda root: (root / "index.json").unlink(), FormatError, "`index.json` is missing", id="no index"
        ),
        pytest.param(
            lambda root: (root / "index.json").write_text("["), FormatError, "index.json: no valid", id="no JSON"
        ),
        pytest.param(
            lambda root: (root / "index.json").write_text("{}"), FormatError, "index.json: expected", id="empty"
        ),
        pytest.param(
            lambda root: (root / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}'),
            FormatError,
            "version '2.0.0' is not supported",
            id="version",
        ),
        pytest.param(
            lambda root: (root / "blobs/sha256" / ONE.digest.hex).write_bytes(b"{}"),
            SizeMismatchError,
            f"blobs/sha256/{ONE.digest.hex}: wrong size",
            id="manifest shorter",
        ),
        pytest.param(
            lambda root: (root / "blobs/sha256" / ONE.config.digest.hex).write_bytes(b" " * len(ONE.config.raw)),
            DigestMismatchError,
            "config: wrong digest",
            id="config changed",
        ),
        pytest.param(
            lambda root: (root / "blobs/sha256" / ONE.digest.hex).unlink(), FormatError, "is missing", id="no manifest"
        ),
        pytest.param(
            lambda root: (root / "blobs/sha256" / ONE.layers[0].digest.hex).unlink(),
            FormatError,
            "is missing",
            id="no layer",
        ),
        pytest.param(
            lambda root: (root / "blobs/sha256" / ONE.layers[0].digest.hex).write_bytes(b""),
            SizeMismatchError,
            f"blobs/sha256/{ONE.layers[0].digest.hex}: wrong size",
            id="empty layer",
        ),
    ],
)
def test_damaged_layouts(
    tmp_path: Path, damage: Callable[[Path], object], error: type[Exception], message: str
) -> None:
    write_layout(tmp_path / "layout", [named(ONE, "app:1")])
    damage(tmp_path / "layout")
    with pytest.raises(error, match=message):
        read_layout(tmp_path / "layout")


def test_a_huge_manifest_is_not_read(made: HandMade) -> None:
    entry = replace(made.add_image(ONE), size=1 << 40)
    with pytest.raises(FormatError, match="more than the limit of 8,388,608"):
        read_layout(made.finish(entry))


def test_no_directory_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        read_layout(tmp_path / "gone")
