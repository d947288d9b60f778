"""Hard links: names of one file share it where they can, and always have its content, mode and attributes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.filters import Filter
from docker_envs.errors import FormatError
from tests.packages.build import PLACEHOLDER, File, Hardlink, PackageSpec, Symlink, archive_bytes, text
from tests.unit.environments.conda.linked import PREFIX, Linked, link, link_files, link_packages, read_package

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node

DOCS = LinkOptions(PREFIX, frozenset({Filter.DOCS}))
FILE = Linked(Kind.FILE, 0o755, b"content\n")


def names_of(first: str, node: Node, *others: str) -> dict[str, Node]:
    return {first: node, **{other: Hardlink(first) for other in others}}


def test_names_of_a_file_share_it(tmp_path: Path) -> None:
    made = link_files(tmp_path, names_of("a", File(b"content\n", 0o755), "b", "c"))
    assert made.files["a"] == FILE
    assert [(made.files[name].kind, made.files[name].link) for name in "bc"] == [(Kind.HARDLINK, "a")] * 2
    assert made.records["made"]["c"]["sha256"] == hashlib.sha256(b"content\n").hexdigest()


@pytest.mark.parametrize("how", ["filtered", "unlisted", "clobbered"])
def test_the_first_name_that_stays_is_the_file(tmp_path: Path, how: str) -> None:
    """With the mode of the file, whatever the archive says of the link."""
    first = "share/doc/a" if how == "filtered" else "share/a"
    files = names_of(first, File(b"content\n", 0o755, listed=how != "unlisted"), "share/x", "share/y")
    spec = PackageSpec("made", files=files)
    others = [PackageSpec("other", files={first: text("other\n")})] if how == "clobbered" else []
    made = link(tmp_path, spec, *others, options=DOCS)
    assert made.files["share/x"] == FILE
    assert made.files["share/y"] == Linked(Kind.HARDLINK, 0o755, link="share/x")
    assert made.records["made"].keys() == {"share/x", "share/y"}
    assert made.records["made"]["share/y"]["size_in_bytes"] == 8


def test_a_chain_of_links_whose_middle_is_left_out(tmp_path: Path) -> None:
    files: dict[str, Node] = {"a": text("a\n"), "share/doc/b": Hardlink("a"), "share/z": Hardlink("share/doc/b")}
    made = link_files(tmp_path, files, DOCS)
    assert made.files["share/z"].content == b"a\n"
    files = {"share/doc/a": text("a\n"), "share/doc/b": Hardlink("share/doc/a"), "share/z": Hardlink("share/doc/b")}
    made = link_files(tmp_path / "both", files, DOCS)
    assert made.files == {"share/z": Linked(Kind.FILE, 0o644, b"a\n")}


def test_names_with_a_placeholder_are_files_of_their_own(tmp_path: Path) -> None:
    made = link_files(tmp_path, names_of("a", text(f"{PLACEHOLDER}\n"), "b"))
    assert made.files["a"] == made.files["b"] == Linked(Kind.FILE, 0o644, b"/opt/env\n")


def test_names_that_must_not_be_linked_are_copies(tmp_path: Path) -> None:
    made = link_files(tmp_path, names_of("a", File(b"content\n", 0o755, no_link=True), "b"))
    assert made.files == {"a": FILE, "b": FILE}
    assert [made.records["made"][name]["no_link"] for name in "ab"] == [True, True]


def test_a_name_of_a_symbolic_link_is_one_as_well(tmp_path: Path) -> None:
    made = link_files(tmp_path, {"a": Symlink("target"), "b": Hardlink("a"), "target": text("t\n")})
    assert made.files["b"] == made.files["a"] == Linked(Kind.SYMLINK, 0o777, link="target")
    assert made.records["made"]["b"]["path_type"] == "softlink"


def test_old_packages_record_the_digest_of_each_name(tmp_path: Path) -> None:
    spec = PackageSpec("made", files=names_of("a", text("a\n"), "b"), legacy=True, formats=(".tar.bz2",))
    made = link(tmp_path, spec)
    digest = hashlib.sha256(b"a\n").hexdigest()
    assert [made.records["made"][name].get("sha256_in_prefix") for name in "ab"] == [digest, digest]
    assert [made.records["made"][name]["size_in_bytes"] for name in "ab"] == [2, 2]


def test_extended_attributes_come_with_the_file(tmp_path: Path) -> None:
    file = File(b"content\n", 0o755, xattrs={"user.a": "b"}, listed=False)
    made = link_files(tmp_path, names_of("a", file, "b"))
    assert made.files["b"].xattrs == {"user.a": b"b"}


def test_a_link_declared_with_another_size(tmp_path: Path) -> None:
    spec = PackageSpec("made", files=names_of("a", text("a\n"), "b"))
    declared = PackageSpec("made", files={"a": text("a\n"), "b": text("longer\n")})
    archive = archive_bytes(declared, ".conda", members=sorted(spec.files.items()))
    with pytest.raises(FormatError) as caught:
        link_packages(tmp_path, read_package(tmp_path, declared, archive))
    assert str(caught.value) == "made-1.0-0.conda: `b` has 2 bytes, but its metadata declare 7"
