"""Older, newer and damaged forms of metadata, and names of console scripts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.linking.noarch import PythonInfo
from docker_envs.environments.conda.metadata import EntryPoint, PackageMetadata, read_metadata
from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.errors import FormatError
from tests.packages.build import EPOCH, File, PackageSpec, archive_bytes, tar_bytes, text
from tests.unit.environments.conda.linked import link

if TYPE_CHECKING:
    from pathlib import Path

INDEX = {"name": "made", "version": "1.0", "build": "0", "noarch": "python"}


def read(folder: Path, **info: object) -> PackageMetadata:
    """The metadata of a package with these files in `info/`; `_` in names stands for `.`, bytes are no JSON."""
    import bz2

    contents = {"index_json": INDEX, "paths_json": {"paths": []}, **info}
    members = {
        f"info/{name.replace('_json', '.json')}": File(
            value if isinstance(value, bytes) else json.dumps(value).encode()
        )
        for name, value in contents.items()
        if value is not None
    }
    path = folder / "made-1.0-0.tar.bz2"
    path.write_bytes(bz2.compress(tar_bytes(members.items())))
    return read_metadata(PackageArchive(path))


def link_json(*entry_points: str, **fields: object) -> dict[str, object]:
    return {"noarch": {"type": "python", "entry_points": entry_points}, "package_metadata_version": 1, **fields}


@pytest.mark.parametrize(
    ("text_", "expected"),
    [
        ("pip3.11 = pip._internal.cli.main:main", EntryPoint("pip3.11", "pip._internal.cli.main", "main")),
        ("tool=pkg:Class.method", EntryPoint("tool", "pkg", "Class.method")),
        (" tool = pkg:main [extra] ", EntryPoint("tool", "pkg", "main")),
        ("_a-b+c = a:b", EntryPoint("_a-b+c", "a", "b")),
        ("t\u00f6\u00f6l = m\u00f6d:f", EntryPoint("t\u00f6\u00f6l", "m\u00f6d", "f")),
    ],
)
def test_entry_points(tmp_path: Path, text_: str, expected: EntryPoint) -> None:
    assert read(tmp_path, link_json=link_json(text_)).entry_points == (expected,)


@pytest.mark.parametrize(
    "text_",
    [
        ".hidden = a:b",
        "a\0b = a:b",
        "a\x07 = a:b",
        "foo/bar = a:b",
        "..\\evil = a:b",
        " = a:b",
        "tool = a:1main",
        "tool = 1a:main",
        "tool = a..b:main",
        "tool = .a:main",
        "tool = a.:main",
        "tool = a.class:main",
        "tool = a:main(); import os",
        "tool = ../evil:main",
        "tool = a b:main",
    ],
)
def test_names_that_are_no_names(tmp_path: Path, text_: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(tmp_path, link_json=link_json(text_))
    assert str(caught.value) == f"made-1.0-0.tar.bz2: info/link.json: unsafe or unreadable entry point {text_!r}"


def test_the_last_of_two_console_scripts_of_one_name_counts(tmp_path: Path) -> None:
    found = read(tmp_path, link_json=link_json("x = a:one", "y = a:y", "x = a:two")).entry_points
    assert found == (EntryPoint("x", "a", "two"), EntryPoint("y", "a", "y"))


def test_link_json_without_a_version_or_by_its_older_name(tmp_path: Path) -> None:
    expected = (EntryPoint("x", "a", "b"),)
    assert read(tmp_path, link_json={"noarch": {"entry_points": ["x = a:b"]}}).entry_points == expected
    assert read(tmp_path, package_metadata_json=link_json("x = a:b")).entry_points == expected
    both = read(tmp_path, link_json=link_json("x = a:b"), package_metadata_json=link_json("y = a:b"))
    assert both.entry_points == expected


@pytest.mark.parametrize(
    ("info", "message"),
    [
        (
            {"link_json": link_json("x = a:b", package_metadata_version=2)},
            "info/link.json: package_metadata_version is 2, only 1 is known",
        ),
        ({"paths_json": {"paths": [], "paths_version": 2}}, "info/paths.json: paths_version is 2, only 1 is known"),
    ],
)
def test_unknown_versions(tmp_path: Path, info: dict[str, object], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(tmp_path, **info)
    assert str(caught.value) == f"made-1.0-0.tar.bz2: {message}"
    assert caught.value.hint == "a newer release of docker-envs may know it"


def test_unknown_types_of_paths(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        read(tmp_path, paths_json={"paths": [{"_path": "a", "path_type": "fifo"}]})
    assert str(caught.value) == "made-1.0-0.tar.bz2: `a` has the unknown path type 'fifo'"


@pytest.mark.parametrize("name", ["no_link", "no_softlink"])
def test_old_lists_of_files_that_must_be_copied(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, paths_json=None, files=b"a\nb\n", **{name: b"b\n"}).paths
    assert [entry.no_link for entry in found] == [False, True]


@pytest.mark.parametrize("mode", ["text", "TEXT", "Binary"])
def test_modes_in_has_prefix_have_no_case(tmp_path: Path, mode: str) -> None:
    (entry,) = read(tmp_path, paths_json=None, files=b"a\n", has_prefix=f"/old {mode} a\n".encode()).paths
    assert (entry.prefix_placeholder, entry.file_mode) == ("/old", mode.lower())


@pytest.mark.parametrize(
    ("version", "build", "path", "expected"),
    [
        ("3.11.4", "h1_0_cpython", None, PythonInfo("3.11", "lib/python3.11/site-packages", "cpython")),
        ("3.9.18", "0_73_pypy", None, PythonInfo("3.9", "lib/python3.9/site-packages", "pypy")),
        (
            "3.13.1",
            "h1_0_cp313t",
            "lib/python3.13t/site-packages",
            PythonInfo("3.13", "lib/python3.13t/site-packages", "cpython"),
        ),
    ],
)
def test_kinds_of_python(tmp_path: Path, version: str, build: str, path: str | None, expected: PythonInfo) -> None:
    index = {"name": "python", "version": version, "build": build, "python_site_packages_path": path}
    assert PythonInfo.from_metadata(read(tmp_path, index_json=index)) == expected


def test_scripts_of_free_threaded_python_call_it_by_its_plain_name(tmp_path: Path) -> None:
    """As installers do: `bin/python3.13` is a link to `python3.13t`."""
    python = PackageSpec("python", "3.13.1", index={"python_site_packages_path": "lib/python3.13t/site-packages"})
    files = {"site-packages/a.py": text("1\n")}
    made = link(tmp_path, python, PackageSpec("made", files=files, noarch="python", entry_points=("x = a:b",)))
    assert made.files.keys() == {"lib/python3.13t/site-packages/a.py", "bin/x"}
    assert made.files["bin/x"].content.startswith(b"#!/opt/env/bin/python3.13\n")


def test_a_package_of_names_only(tmp_path: Path) -> None:
    made = link(tmp_path, PackageSpec("meta", depends=("other",)))
    assert made.tree.keys() == {"conda-meta/history", "conda-meta/meta-1.0-0.json"}
    record = json.loads(made.tree["conda-meta/meta-1.0-0.json"].content)
    assert (record["depends"], record["files"], record["timestamp"]) == (["other"], [], EPOCH * 1000)


def test_a_package_without_any_list_of_files(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"neither `info/paths\.json` nor `info/files` is there"):
        read(tmp_path, paths_json=None)


def test_archives_are_read_by_their_format(tmp_path: Path) -> None:
    spec = PackageSpec("made", files={"a": text("a\n")})
    for suffix in (".conda", ".tar.bz2"):
        path = tmp_path / f"made-1.0-0{suffix}"
        path.write_bytes(archive_bytes(spec, suffix))
        assert [entry.path for entry in read_metadata(PackageArchive(path)).paths] == ["a"]
