"""Inventories: which layer has a package, what hides it, and which layers are read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Entry, Kind, directory_entry, file_entry
from docker_envs.archive.whiteout import OPAQUE, PREFIX
from docker_envs.errors import DigestMismatchError, FormatError
from docker_envs.oci.edit import append_layer
from docker_envs.records import inventory
from docker_envs.records.inventory import Inventory, take_inventory
from docker_envs.records.record import (
    Record,
    RecordedLayer,
    RecordedPackage,
    make_record,
)
from tests.recorded import debian_package
from tests.recorded_images import with_record
from tests.unit.images import bare_layer, make_image, make_layer

if TYPE_CHECKING:
    import io

    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer

SITE = "opt/conda/lib/python3.12/site-packages"
STATUS = "var/lib/dpkg/status"


def text(path: str, content: str = "") -> Entry:
    return file_entry(path, content.encode(), mtime=0)


def conda(name: str, version: str = "1", *files: str) -> Entry:
    record = {"name": name, "version": version, "build": "0", "files": files}
    return text(f"opt/conda/conda-meta/{name}-{version}-0.json", json.dumps(record))


def pypi(name: str, version: str = "1") -> Entry:
    return text(f"{SITE}/{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n")


def dpkg(**versions: str) -> Entry:
    stanza = "Package: {}\nStatus: install ok installed\nVersion: {}\n\n"
    return text(STATUS, "".join(stanza.format(*item) for item in versions.items()))


def found(*layers: list[Entry]) -> list[tuple[str, str, int]]:
    return names(take_inventory(make_image(*(bare_layer(*entries) for entries in layers))))


def names(taken: Inventory) -> list[tuple[str, str, int]]:
    return [(package.name, package.version, package.layer) for package in taken.packages]


def closed(layer: Layer) -> Layer:
    """A layer that may not be read."""

    def fail() -> io.BytesIO:
        raise AssertionError("read")

    return replace(layer, opener=fail)


def package(name: str, version: str = "1") -> RecordedPackage:
    return RecordedPackage(
        kind="conda", name=name, version=version, build="0", url="file:///x", sha256="0" * 64, size=10
    )


def record_of(*layers: tuple[Layer, list[str]]) -> Record:
    return make_record(
        digest_format=1,
        platform="linux/amd64",
        prefix="/opt/conda",
        packages=tuple(package(name) for _, packages in layers for name in packages),
        layers=tuple(RecordedLayer(diff_id=str(layer.diff_id), packages=tuple(packages)) for layer, packages in layers),
    )


def test_each_package_has_its_layer() -> None:
    layers = [[dpkg(a="1", b="1")], [conda("x")], [dpkg(a="1", b="2", c="1")], [pypi("y")]]
    assert found(*layers) == [("x", "1", 1), ("a", "1", 0), ("b", "2", 2), ("c", "1", 2), ("y", "1", 3)]


def test_a_package_that_is_there_again_is_of_the_upper_layer() -> None:
    assert found([conda("x")], [text("opt/conda/conda-meta/x-1-0.json", '{"name":"x","version":"2"}')]) == [
        ("x", "2", 1)
    ]


@pytest.mark.parametrize(
    "upper",
    [
        text(f"opt/conda/conda-meta/{PREFIX}x-1-0.json"),
        text(f"opt/conda/{PREFIX}conda-meta"),
        text(f"{PREFIX}opt"),
        text(f"opt/conda/conda-meta/{OPAQUE}"),
        text(f"opt/{OPAQUE}"),
        text(OPAQUE),
        text("opt/conda", "a file where the prefix was"),
        Entry("opt", Kind.SYMLINK, 0o777, 0, link="elsewhere"),
        directory_entry("opt/conda/conda-meta/x-1-0.json"),
        Entry("opt/conda/conda-meta/x-1-0.json", Kind.SYMLINK, 0o777, 0, link="elsewhere"),
    ],
    ids=lambda entry: f"{entry.path}-{entry.kind.name}",
)
def test_what_removes_a_package(upper: Entry) -> None:
    assert found([conda("x")], [upper]) == []
    assert found([conda("x")], [upper], [conda("z")]) == [("z", "1", 2)]


@pytest.mark.parametrize(
    "upper",
    [
        text(f"opt/conda/conda-meta/{PREFIX}y-1-0.json"),
        text(f"opt/{PREFIX}con"),
        text(f"opt/conda/conda-meta-2/{OPAQUE}"),
        directory_entry("opt/conda"),
        text("opt/conda/conda-meta/history"),
    ],
    ids=lambda entry: entry.path,
)
def test_what_removes_nothing(upper: Entry) -> None:
    assert found([conda("x")], [upper]) == [("x", "1", 0)]


def test_markers_act_on_lower_layers_only() -> None:
    for upper in ([text(f"opt/{OPAQUE}"), conda("y")], [conda("y"), text(f"{PREFIX}opt")]):
        assert found([conda("x")], upper) == [("y", "1", 1)]


def test_distributions_of_other_packages_are_left_out() -> None:
    metadata = f"{SITE.removeprefix('opt/conda/')}/x-1.dist-info/METADATA"
    assert found([conda("x", "1", metadata), pypi("x"), pypi("y")]) == [("x", "1", 0), ("y", "1", 0)]
    listed = text("var/lib/dpkg/info/python3-x.list", f"/{SITE}/x-1.dist-info/METADATA\n")
    assert found([dpkg(**{"python3-x": "1"}), listed], [pypi("x")]) == [("python3-x", "1", 0)]


def test_sizes_of_distributions_are_those_of_their_lists() -> None:
    image = make_image(make_layer(pypi("x"), text(f"{SITE}/x-1.dist-info/RECORD", "a,,3\nb,,4\n"), pypi("y")))
    assert [each.installed_size for each in take_inventory(image).packages] == [7, None]


def test_damaged_databases_are_told_and_skipped() -> None:
    taken = take_inventory(make_image(make_layer(text("opt/conda/conda-meta/bad-1-0.json", "{"), conda("x"))))
    assert names(taken) == [("x", "1", 0)]
    (problem,) = taken.problems
    assert "`/opt/conda/conda-meta/bad-1-0.json`: no record of conda" in problem


def test_a_damaged_layer_is_an_error() -> None:
    layer, other = make_layer(conda("x")), make_layer(conda("y"))
    with pytest.raises(DigestMismatchError):
        take_inventory(make_image(replace(layer, diff_id=other.diff_id)))


def test_too_many_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "_MAX_FOUND", 4)
    assert found([conda("a"), conda("b")]) != []
    with pytest.raises(FormatError, match="more than 4"):
        found([conda("a"), conda("b"), conda("c")])
    with pytest.raises(FormatError, match="more than 4"):
        found([conda("a"), conda("b")], [conda("c")])
    gone = [text(f"opt/conda/conda-meta/{PREFIX}{name}-1-0.json") for name in "ab"]
    assert found([conda("a"), conda("b")], gone, [conda("c"), conda("d")]) == [("c", "1", 2), ("d", "1", 2)]


def test_of_recorded_layers_none_is_read() -> None:
    base, first, second = (closed(make_layer(conda(name))) for name in ("base", "a", "b"))
    image = with_record(make_image(base, first, second), record_of((first, ["a"]), (second, ["b", "c"])))
    taken = take_inventory(image)
    assert names(taken) == [("a", "1", 1), ("b", "1", 2), ("c", "1", 2)]
    assert {each.source for each in taken.packages} == {"record"}
    assert {each.place for each in taken.packages} == {"/opt/conda"}
    assert taken.unread == (0,)
    assert [each.record.prefix for each in taken.records] == ["/opt/conda"]


def test_everything_is_read_but_recorded_layers() -> None:
    own = closed(make_layer(conda("a")))
    image = with_record(make_image(make_layer(dpkg(z="1")), own), record_of((own, ["a", "b"])))
    removal = text(f"opt/conda/conda-meta/{PREFIX}b-1-0.json")
    image = append_layer(image, bare_layer(removal, conda("new")), history={})
    assert take_inventory(image).unread == (0, 3)
    taken = take_inventory(image, everything=True)
    assert names(taken) == [("a", "1", 1), ("new", "1", 3), ("z", "1", 0)]
    assert taken.unread == ()


def test_records_that_do_not_fit_their_image() -> None:
    own, gone = make_layer(conda("a")), make_layer(conda("gone"))
    record = record_of((own, ["a"]), (gone, ["gone"]))
    record = make_record(
        digest_format=1,
        platform="",
        prefix="/p",
        packages=record.packages,
        layers=(*record.layers, RecordedLayer(diff_id=str(own.diff_id), packages=("unknown",))),
    )
    taken = take_inventory(with_record(make_image(own), record))
    assert names(taken) == [("a", "1", 0)]
    assert [problem.split(": ", 1)[1] for problem in taken.problems] == [
        f"the image lacks layer `{gone.diff_id}` of the record",
        "the record says nothing of `unknown`, which it names",
    ]


def test_two_environments() -> None:
    one, other = make_layer(conda("a")), make_layer(text("x"))
    image = with_record(make_image(one), record_of((one, ["a"])))
    image = append_layer(image, other, history={})
    second = make_record(
        digest_format=1,
        platform="",
        prefix="/opt/other",
        packages=(package("a"),),
        layers=(RecordedLayer(diff_id=str(other.diff_id), packages=("a",)),),
    )
    taken = take_inventory(with_record(image, second))
    assert [(each.place, each.layer) for each in taken.packages] == [("/opt/conda", 0), ("/opt/other", 2)]
    assert taken.unread == ()


SYSTEM = text("etc/passwd", "made with the packages")


def debian_image(base: list[Entry], *recorded: RecordedPackage) -> Image:
    """A base, a layer for each package, that of their system, and that of their record: only the base is read."""
    layers = [closed(make_layer(text(f"usr/share/{each.name}", each.version))) for each in recorded]
    system = closed(make_layer(SYSTEM, dpkg(**{each.name: each.version for each in recorded}, unread="1")))
    record = make_record(
        digest_format=1,
        platform="linux/amd64",
        prefix="/usr",
        packages=recorded,
        layers=(
            *(
                RecordedLayer(diff_id=str(layer.diff_id), packages=(each.qualified_name,))
                for layer, each in zip(layers, recorded, strict=True)
            ),
            RecordedLayer(diff_id=str(system.diff_id), title="system"),
        ),
    )
    return with_record(make_image(make_layer(*base), *layers, system), record)


def facts(image: Image) -> list[tuple[str, str, int, str]]:
    taken = take_inventory(image, everything=True)
    assert (taken.unread, taken.problems) == ((), ())
    return [(each.name, each.version, each.layer, each.source) for each in taken.packages]


def test_debian_packages_of_a_record() -> None:
    image = debian_image([dpkg(bash="5")], debian_package("curl", "8-1"))
    (curl,) = take_inventory(image).packages
    assert (curl.kind, curl.place, curl.architecture, curl.layer, curl.source) == ("deb", "/", "amd64", 1, "record")
    assert (curl.url, curl.sha256, curl.size) == (
        "http://deb.debian.org/debian/pool/main/curl_8-1_amd64.deb",
        debian_package("curl").sha256,
        200,
    )


def test_a_package_of_the_base_is_there_once() -> None:
    image = debian_image([dpkg(bash="5", libc6="2.36-8")], debian_package("libc6", "2.36-9"), debian_package("curl"))
    assert facts(image) == [
        ("bash", "5", 0, f"/{STATUS}"),
        ("curl", "2.36-9+deb12u9", 2, "record"),
        ("libc6", "2.36-9", 1, "record"),
    ]


def test_a_package_of_a_base_without_dpkg_is_there_once() -> None:
    base = [
        text(f"{STATUS}.d/{file}", f"Package: {name}\nVersion: 1\nArchitecture: amd64\n")
        for file, name in (("libc6", "libc6"), ("other-name", "curl"), ("stays", "stays"))
    ]
    image = debian_image(base, debian_package("libc6", "2"), debian_package("curl", "2"))
    assert facts(image) == [
        ("curl", "2", 2, "record"),
        ("libc6", "2", 1, "record"),
        ("stays", "1", 0, f"/{STATUS}.d/stays"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "versions"),
    [
        ("amd64", "amd64", ["2"]),
        ("all", "amd64", ["2"]),
        ("amd64", "all", ["2"]),
        ("i386", "amd64", ["2", "1"]),
    ],
)
def test_packages_for_another_architecture_stay(old: str, new: str, versions: list[str]) -> None:
    status = f"Package: libc6\nStatus: install ok installed\nVersion: 1\nArchitecture: {old}\n"
    image = debian_image([text(STATUS, status)], debian_package("libc6", "2", subdir=new))
    assert [version for _, version, _, _ in facts(image)] == versions


def test_a_list_above_says_what_is_still_there() -> None:
    """As when `apt-get` ran in a Dockerfile on top: one package was upgraded, one removed, one is new."""
    recorded = [debian_package(name, "1") for name in ("kept", "upgraded", "removed")]
    image = debian_image([dpkg(bash="5")], *recorded)
    stanza = "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: amd64\n\n"
    listed = {"bash": "5", "kept": "1", "upgraded": "2", "new": "1"}
    above = text(STATUS, "".join(stanza.format(*each) for each in listed.items()))
    image = append_layer(image, bare_layer(above), history={})
    assert [each[:3] for each in facts(image)] == [
        ("bash", "5", 6),
        ("kept", "1", 1),
        ("new", "1", 6),
        ("upgraded", "2", 6),
    ]
    (kept,) = [each for each in take_inventory(image, everything=True).packages if each.name == "kept"]
    assert kept.url == recorded[0].url
    # A package of a database that went away with its directory is gone.
    gone = append_layer(image, bare_layer(text(f"var/lib/{PREFIX}dpkg")), history={})
    assert facts(gone) == []


def test_two_records_of_debian_packages() -> None:
    below = debian_image([dpkg(bash="5")], debian_package("libc6", "1"), debian_package("curl", "1"))
    layer = closed(make_layer(text("usr/share/libc6", "2")))
    record = make_record(
        digest_format=1,
        platform="",
        prefix="/opt/conda",
        packages=(debian_package("libc6", "2"),),
        layers=(RecordedLayer(diff_id=str(layer.diff_id), packages=("deb:libc6",)),),
    )
    image = with_record(append_layer(below, layer, history={}), record)
    assert [each[:3] for each in facts(image)] == [("bash", "5", 0), ("curl", "1", 2), ("libc6", "2", 5)]


def test_overwriting_does_not_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "_MAX_FOUND", 4)
    image = debian_image([dpkg(libc6="1")], debian_package("libc6", "2"))
    assert [each[1] for each in facts(image)] == ["2"]
