"""Differences between images: what counts, what does not, and what must be pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from docker_envs.archive.compression import Compression
from docker_envs.oci.edit import with_annotations, with_config
from docker_envs.records.compare import Change, Difference, Transfer, compare
from docker_envs.records.databases import InstalledPackage
from docker_envs.records.overview import Overview, look_into
from docker_envs.records.record import RECORD_LABEL
from tests.images import ARM64
from tests.unit.images import make_image, text_layer

if TYPE_CHECKING:
    from docker_envs.oci.image import Image

BASE, ONE, TWO, THREE = (text_layer(name) for name in ("base", "one", "two", "three"))
IMAGE = make_image(BASE, ONE)


def package(name: str = "numpy", version: str = "1", **facts: str) -> InstalledPackage:
    return InstalledPackage(**{"kind": "conda", "name": name, "version": version, "place": "/opt/conda", **facts})  # type: ignore[arg-type]


def deb(version: str, architecture: str, **facts: str) -> InstalledPackage:
    return package("libc6", version, kind="deb", architecture=architecture, place="/", **facts)


def packages(before: list[InstalledPackage], after: list[InstalledPackage]) -> list[str]:
    overview = look_into(IMAGE)
    found = compare(replace(overview, packages=tuple(before)), replace(overview, packages=tuple(after)))
    assert found.same is (not found.packages)
    return [
        *(f"+{each.name} {each.version}" for each in found.packages.added),
        *(f"-{each.name} {each.version}" for each in found.packages.removed),
        *(f"~{each.name} {each.before.version} {each.after.version}" for each in found.packages.changed),
    ]


def test_of_packages_that_both_have_the_place_counts_first() -> None:
    overview = look_into(IMAGE)
    both = replace(overview, packages=(package(place="/a"), package(place="/b")))
    (removed,) = compare(both, replace(overview, packages=(package(place="/b"),))).packages.removed
    assert removed.place == "/a"


def images(before: Image, after: Image) -> Difference:
    return compare(look_into(before), look_into(after))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([package()], [package()], []),
        ([], [package()], ["+numpy 1"]),
        ([package()], [], ["-numpy 1"]),
        ([package()], [package(version="2")], ["~numpy 1 2"]),
        ([package()], [package(build="1")], ["~numpy 1 1"]),
        ([package(sha256="a")], [package(sha256="b")], ["~numpy 1 1"]),
        ([package(sha256="a")], [package()], []),
        ([package()], [package(place="/opt/other")], []),
        ([package()], [package(version="2", place="/opt/other")], ["~numpy 1 2"]),
        ([package(kind="pypi")], [package()], ["+numpy 1", "-numpy 1"]),
        ([package(), package(place="/b")], [package(), package(version="2", place="/b")], ["~numpy 1 2"]),
        ([package(), package(place="/b")], [package()], ["-numpy 1"]),
        ([package(sha256="a"), package(sha256="b", place="/b")], [package(place="/b")], ["-numpy 1"]),
        (
            [package(), package(version="3", place="/z")],
            [package(version="2"), package(version="4", place="/z"), package("x")],
            ["+x 1", "~numpy 1 2", "~numpy 3 4"],
        ),
        (
            [deb("1", "amd64"), deb("2", "i386")],
            [deb("3", "i386"), deb("4", "amd64")],
            ["~libc6 1 4", "~libc6 2 3"],
        ),
        ([deb("1", "all")], [deb("1", "amd64")], ["~libc6 1 1"]),
        ([deb("1", "amd64"), package("libc6")], [deb("1", "amd64", sha256="a")], ["-libc6 1"]),
    ],
)
def test_packages(before: list[InstalledPackage], after: list[InstalledPackage], expected: list[str]) -> None:
    assert packages(before, after) == expected


def test_the_same_image() -> None:
    found = images(IMAGE, IMAGE)
    assert found.same
    assert found.layers.kept == 2
    assert found.pull == found.unpack == Transfer(layers=0, size=0)


def test_layers() -> None:
    found = images(make_image(BASE, ONE, TWO), make_image(BASE, THREE, TWO))
    assert not found.same
    assert [layer.diff_id for layer in found.layers.added] == [THREE.diff_id]
    assert [layer.diff_id for layer in found.layers.removed] == [ONE.diff_id]
    assert (found.layers.kept, found.layers.moved) == (2, False)
    assert found.pull == Transfer(layers=1, size=THREE.size)
    assert found.unpack == Transfer(layers=2, size=THREE.size + TWO.size)


def test_layers_in_another_order() -> None:
    found = images(make_image(BASE, ONE, TWO), make_image(BASE, TWO, ONE))
    assert not found.same
    assert found.layers.moved
    assert found.pull.layers == 0
    assert found.unpack.layers == 2


def test_another_compression_is_no_difference_but_must_be_pulled() -> None:
    found = images(make_image(BASE, ONE), make_image(BASE, text_layer("one", compression=Compression.NONE)))
    assert found.same
    assert found.pull.layers == 1
    assert found.unpack.layers == 0


def settings(before: Image, after: Image) -> tuple[Change, ...]:
    found = images(before, after)
    assert found.same is (not found.settings)
    return found.settings


def test_config_by_fields_variables_and_labels() -> None:
    config = IMAGE.config.with_container(Cmd=["a"], User="", Env=["A=1", "B=1"], Labels={"x": "1"})
    other = IMAGE.config.with_container(Cmd=["b"], Env=["A=1", "B=2", "C=3"], Labels={}, WorkingDir="/w")
    found = settings(with_config(IMAGE, config), with_config(IMAGE, other))
    assert {change.field: (change.before, change.after) for change in found} == {
        "config.Cmd": (["a"], ["b"]),
        "config.WorkingDir": (None, "/w"),
        "env.B": ("1", "2"),
        "env.C": (None, "3"),
        "label.x": ("1", None),
    }


def test_times_and_what_follows_from_layers_are_no_difference() -> None:
    labels = {RECORD_LABEL: "sha256:x", "org.opencontainers.image.created": "2024"}
    config = IMAGE.config.with_labels(labels).with_created("2024-01-01T00:00:00Z")
    assert settings(IMAGE, with_annotations(with_config(IMAGE, config), labels)) == ()


def test_base_platform_and_annotations() -> None:
    bases = ("debian:12", "debian:13")
    pair = [with_annotations(IMAGE, {"org.opencontainers.image.base.name": name, "x": name[-1]}) for name in bases]
    assert settings(*pair) == (
        Change(field="base", before="debian:12", after="debian:13"),
        Change(field="annotation.x", before="2", after="3"),
    )
    docker = with_config(IMAGE, IMAGE.config)
    found = compare(look_into(pair[0]), replace(look_into(docker), media_type="application/vnd.docker.x"))
    assert [change.field for change in found.settings] == ["base"]
    found = images(IMAGE, make_image(BASE, ONE, platform=ARM64))
    assert found.settings == (Change(field="platform", before="linux/amd64", after="linux/arm64/v8"),)


def test_what_was_not_compared_is_told() -> None:
    def partly(image: Image, *unread: int) -> Overview:
        overview = look_into(image)
        layers = [replace(layer, read=number not in unread) for number, layer in enumerate(overview.layers)]
        return replace(overview, layers=tuple(layers), problems=("damaged",) if unread else ())

    assert compare(partly(make_image(BASE), 0), partly(make_image(BASE))).notes == ("damaged",)
    (note, _, _) = compare(partly(make_image(ONE), 0), partly(make_image(TWO), 0)).notes
    assert note == "packages of 2 different layers were not compared"
