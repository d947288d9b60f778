"""Where files go: merged directories, links that are directories elsewhere, diversions, filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Entry, Kind
from docker_envs.environments.debian.archives.placement import Placement
from docker_envs.environments.debian.archives.trimming import trimmed_paths
from docker_envs.errors import BuildError
from tests.packages.build import Directory, Hardlink, Symlink, text
from tests.unit.environments.debian.systems import layer, package, script, system

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node


def of(path: str, link: str = "", kind: Kind = Kind.FILE) -> Entry:
    return Entry(path, Kind.SYMLINK if link else kind, 0o644, 0, link=link)


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (of("bin/ls"), "usr/bin/ls"),
        (of("lib64/ld.so"), "usr/lib64/ld.so"),
        (of("binary/ls"), "binary/ls"),
        (of("usr/lib/x"), "usr/lib/x"),
        (of("bin", kind=Kind.DIRECTORY), "usr/bin"),
        (of("bin", "usr/bin"), "bin"),
        (of("usr/bin/touch", "/bin/touch"), None),
        (of("usr/bin/touch", "../../bin/touch"), None),
        (of("bin/sh", "dash"), "usr/bin/sh"),
        (of("usr/share/doc/a/x"), "usr/share/doc/b/x"),
        (of("usr/share/doc/a", kind=Kind.DIRECTORY), "usr/share/doc/b"),
        (of("bin/taken"), "usr/bin/taken.distrib"),
        (of("bin/gone"), None),
    ],
)
def test_places(entry: Entry, place: str | None) -> None:
    links = {**Placement().links, "usr/share/doc/a": "usr/share/doc/b"}
    placement = Placement(links, {"usr/bin/taken": "usr/bin/taken.distrib"}, frozenset({"usr/bin/gone"}))
    assert placement.place(entry) == place


def test_links_in_a_circle_end() -> None:
    assert Placement({"a": "b", "b": "a"}).of_file("a/x") in ("a/x", "b/x")


def test_nothing_that_is_a_link_becomes_a_directory(tmp_path: Path) -> None:
    one = package(tmp_path, "one", {"lib/one.so": text("1"), "usr/share/doc/one": Symlink("two"), "bin/x": text("")})
    two = package(tmp_path, "two", {"usr/share/doc/one/more": text("2"), "usr/share/doc/two/copyright": text("c")})
    made = system(one, two)
    assert {path for path in layer(one, made) if not path.startswith("var/")} >= {"usr/lib/one.so", "usr/bin/x"}
    assert layer(two, made)["usr/share/doc/two/more"] == b"2"
    assert "usr/share/doc/one" not in layer(two, made)
    links = {entry.path: entry.link for entry in made.entries if entry.kind is Kind.SYMLINK}
    assert links == {"bin": "usr/bin", "lib": "usr/lib", "sbin": "usr/sbin"}


def test_links_of_the_merge_that_a_package_has_are_not_made_again(tmp_path: Path) -> None:
    files: dict[str, Node] = {
        "bin": Symlink("usr/bin"),
        "lib": Symlink("usr/lib"),
        "sbin": Symlink("usr/sbin"),
        "usr/lib64": Directory(),
    }
    base = package(tmp_path, "base-files", files)
    made = system(base)
    assert [entry.path for entry in made.entries if entry.kind is Kind.SYMLINK] == ["lib64"]
    assert layer(base, made)["bin"] == "-> usr/bin"


def test_a_diversion_moves_files_of_others_only(tmp_path: Path) -> None:
    preinst = "#!/bin/sh\ndpkg-divert --package diverter --add --rename --divert /bin/tool.real /bin/tool\n"
    diverter = package(tmp_path, "diverter", {"bin/tool": text("new")}, controls={"preinst": preinst})
    other = package(tmp_path, "other", {"bin/tool": text("old"), "bin/hard": Hardlink("./bin/tool")})
    made = system(other, diverter)
    assert made.findings == []
    assert layer(diverter, made)["usr/bin/tool"] == b"new"
    found = layer(other, made)
    assert "usr/bin/tool" not in found
    assert sorted(path for path in found if path.startswith("usr/bin/")) == ["usr/bin/hard", "usr/bin/tool.real"]


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_who_replaces_has_the_file(tmp_path: Path, name: str) -> None:
    old = package(tmp_path, name, {"usr/bin/x": text("old")})
    new = package(tmp_path, "new", {"usr/bin/x": text("new")}, Replaces=f"{name} (<< 2), other")
    made = system(old, new)
    assert layer(new, made)["usr/bin/x"] == b"new"
    assert "usr/bin/x" not in layer(old, made)


def test_two_packages_with_one_file(tmp_path: Path) -> None:
    one, two = (package(tmp_path, name, {"usr/bin/x": text(name)}) for name in ("one", "two"))
    with pytest.raises(BuildError, match="packages `one` and `two` both have `/usr/bin/x`"):
        system(one, two)


def test_a_package_that_has_nothing_to_do_with_others_is_placed_the_same(tmp_path: Path) -> None:
    alone = package(tmp_path, "alone", {"usr/bin/x": text("x")})
    linking = package(tmp_path, "linking", {"usr/share/doc/a": Symlink("b"), "usr/share/doc/b/x": text("")})
    linked = package(tmp_path, "linked", {"usr/share/doc/a/y": text("")}, controls=script("dpkg-divert --add /bin/q"))
    assert system(alone).placements["alone"] == system(alone, linking, linked).placements["alone"]


@pytest.mark.parametrize(
    ("filters", "left_out"),
    [
        ((), []),
        (("docs",), ["usr/share/doc/x/README", "usr/share/man/man1/x.1.gz"]),
        (("locales",), ["usr/share/locale/de/LC_MESSAGES/x.mo"]),
        (("headers", "static-libs"), ["usr/include/x.h", "usr/lib/libx.a"]),
        (("js-maps", "pycache", "tests"), ["usr/share/x/a.js.map"]),
    ],
)
def test_filters(filters: tuple[str, ...], left_out: list[str]) -> None:
    paths = ["usr/bin/x", "usr/include/x.h", "usr/lib/libx.a", "usr/share/doc/x/README", "usr/share/doc/x/copyright"]
    paths += ["usr/share/locale/de/LC_MESSAGES/x.mo", "usr/share/locale/locale.alias", "usr/share/man/man1/x.1.gz"]
    entries = [*map(of, [*paths, "usr/share/x/a.js.map"]), of("usr/share/man/man1", kind=Kind.DIRECTORY)]
    assert sorted(trimmed_paths(entries, filters)) == left_out


def test_a_filter_leaves_what_a_hard_link_needs() -> None:
    entries = [of("usr/share/doc/x/a"), Entry("usr/bin/a", Kind.HARDLINK, 0, 0, link="usr/share/doc/x/a")]
    assert trimmed_paths(entries, ["docs"]) == frozenset()
