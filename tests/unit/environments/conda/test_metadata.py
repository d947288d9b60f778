"""What packages say about themselves, in today's files and in those of 2014."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.metadata import OLD_PLACEHOLDER, EntryPoint, PathsEntry, read_metadata
from docker_envs.errors import FormatError
from tests.packages.build import OLD_PLACEHOLDER as FIXTURE_OLD_PLACEHOLDER
from tests.packages.build import PackageSpec, text
from tests.unit.environments.conda.archives import INDEX, write_info, write_spec

if TYPE_CHECKING:
    from pathlib import Path

PATHS = {"paths": [{"_path": "a"}], "paths_version": 1}
NAME = "made-1.0-0.conda"


def test_todays_files(tmp_path: Path) -> None:
    paths = [
        {"_path": "bin/a", "path_type": "hardlink", "sha256": "00", "size_in_bytes": 3, "unknown": "kept out"},
        {"_path": "./lib//b", "file_mode": "binary", "prefix_placeholder": "/p", "no_link": True},
        {"_path": "c", "prefix_placeholder": "", "path_type": "softlink"},
    ]
    index = {**INDEX, "depends": ["b >=1"], "timestamp": 1_700_000_000_123, "unknown": {"kept": 1}}
    made = write_info(tmp_path, {"index.json": index, "paths.json": {"paths": paths, "paths_version": 1}})
    metadata = read_metadata(made.archive)
    assert (metadata.name, metadata.version, metadata.build) == ("made", "1.0", "0")
    assert metadata.depends == ["b >=1"]
    assert metadata.needs == ["b"]
    assert metadata.timestamp == 1_700_000_000_123
    assert metadata.index["unknown"] == {"kept": 1}
    assert not metadata.is_noarch_python
    assert metadata.paths == (
        PathsEntry("bin/a", "hardlink", "00", 3),
        PathsEntry("lib/b", "hardlink", None, None, "/p", "binary", True),
        PathsEntry("c", "softlink"),
    )


def test_what_is_needed_is_known_by_name(tmp_path: Path) -> None:
    specs = [
        "numpy",
        "Py_X.y-z>=1,<2",
        "openssl 3.* h1_0",
        "__glibc >=2.17",
        "conda-forge::a=1",
        "b[version='>=1']",
        "*",
    ]
    made = write_info(
        tmp_path, {"index.json": {**INDEX, "depends": specs}, "paths.json": {"paths": [], "paths_version": 1}}
    )
    assert read_metadata(made.archive).needs == ["numpy", "py_x.y-z", "openssl", "__glibc", "a", "b"]


@pytest.mark.parametrize(
    ("line", "path", "expected"),
    [
        ("etc/a", "etc/a", (OLD_PLACEHOLDER, "text")),
        ("/p text etc/a", "etc/a", ("/p", "text")),
        ("/p binary etc/a", "etc/a", ("/p", "binary")),
        ('/p text "etc/a b"', "etc/a b", ("/p", "text")),
        ('"/p" "binary" "etc/a b"', "etc/a b", ("/p", "binary")),
        ("/p text etc/a b", "etc/a b", ("/p", "text")),
        ("etc/a b", "etc/a b", (OLD_PLACEHOLDER, "text")),
        ('"etc/a b"', "etc/a b", (OLD_PLACEHOLDER, "text")),
    ],
)
def test_lines_of_has_prefix(tmp_path: Path, line: str, path: str, expected: tuple[str, str]) -> None:
    """conda docs, "info/has_prefix": a path alone, or placeholder, mode and path, each of them quoted or not."""
    info = {"files": f"plain\n{path}\n".encode(), "has_prefix": f"{line}\n\n".encode(), "no_link": b"plain\n"}
    plain, marked = read_metadata(write_info(tmp_path, info).archive).paths
    assert (plain.prefix_placeholder, plain.file_mode, plain.no_link) == (None, None, True)
    assert (marked.prefix_placeholder, marked.file_mode, marked.no_link) == (*expected, False)


def test_old_files_of_the_fixture(tmp_path: Path) -> None:
    assert OLD_PLACEHOLDER == FIXTURE_OLD_PLACEHOLDER
    spec = PackageSpec("old", files={"a b": text(f"{OLD_PLACEHOLDER}\n", placeholder=OLD_PLACEHOLDER)}, legacy=True)
    (entry,) = read_metadata(write_spec(tmp_path, spec, ".tar.bz2").archive).paths
    assert entry == PathsEntry("a b", prefix_placeholder=OLD_PLACEHOLDER, file_mode="text")


DAMAGED: list[tuple[str, dict[str, object], str]] = [
    ("no index", {"index.json": None}, f"{NAME}: no conda package: `info/index.json` is missing"),
    ("index no JSON", {"index.json": b"{"}, f"{NAME}: info/index.json: no valid JSON: Input data was truncated"),
    ("index a list", {"index.json": []}, f"{NAME}: info/index.json: top level: expected an object"),
    (
        "name missing",
        {"index.json": {"version": "1", "build": "0"}},
        f"{NAME}: info/index.json: name: missing, expected str",
    ),
    (
        "version a number",
        {"index.json": {**INDEX, "version": 1.0}},
        f"{NAME}: info/index.json: version: expected str, got float",
    ),
    (
        "build with a slash",
        {"index.json": {**INDEX, "build": "../0"}, "paths.json": PATHS},
        f"{NAME}: info/index.json: build: '../0' must not hold a slash",
    ),
    (
        "depends no list",
        {"index.json": {**INDEX, "depends": "a"}, "paths.json": PATHS},
        f"{NAME}: info/index.json: depends: expected list, got str",
    ),
    (
        "depends of numbers",
        {"index.json": {**INDEX, "depends": ["a", 1]}, "paths.json": PATHS},
        f"{NAME}: info/index.json: depends[1]: expected str, got int",
    ),
    (
        "timestamp a text",
        {"index.json": {**INDEX, "timestamp": "now"}, "paths.json": PATHS},
        f"{NAME}: info/index.json: timestamp: expected int, got str",
    ),
    ("no paths", {}, f"{NAME}: no conda package: neither `info/paths.json` nor `info/files` is there"),
    (
        "paths no JSON",
        {"paths.json": b"{]"},
        f"{NAME}: info/paths.json: JSON is malformed: object keys must be strings (byte 1)",
    ),
    (
        "paths without a list",
        {"paths.json": {"paths": {}}},
        f"{NAME}: info/paths.json: Expected `array`, got `object` - at `$.paths`",
    ),
    (
        "a path that is a number",
        {"paths.json": {"paths": [{"_path": "a"}, {"_path": 1}]}},
        f"{NAME}: info/paths.json: Expected `str`, got `int` - at `$.paths[1]._path`",
    ),
    (
        "a path that leads out",
        {"paths.json": {"paths": [{"_path": "a/../../b"}]}},
        f"{NAME}: info/paths.json: path 'a/../../b' points outside of the root",
    ),
    (
        "an absolute path",
        {"paths.json": {"paths": [{"_path": "/etc/passwd"}]}},
        f"{NAME}: info/paths.json: path '/etc/passwd' points outside of the root",
    ),
    ("listed twice", {"paths.json": {"paths": [{"_path": "a"}, {"_path": "./a"}]}}, f"{NAME}: `a` is listed twice"),
    (
        "below a file",
        {"paths.json": {"paths": [{"_path": "a/b/c"}, {"_path": "a", "path_type": "softlink"}]}},
        f"{NAME}: `a/b/c` is listed below `a`, which is no directory",
    ),
    (
        "unknown mode",
        {"paths.json": {"paths": [{"_path": "a", "file_mode": "latin1"}]}},
        f"{NAME}: `a` has the unknown file mode 'latin1'",
    ),
    (
        "files no text",
        {"files": b"\xff\n"},
        f"{NAME}: info/files: no UTF-8 text ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)",
    ),
    (
        "an open quote",
        {"files": b"a\n", "has_prefix": b'/p text "a\n'},
        f"{NAME}: info/has_prefix: cannot read '/p text \"a' (No closing quotation)",
    ),
]


@pytest.mark.parametrize(("info", "message"), [pytest.param(info, text, id=name) for name, info, text in DAMAGED])
def test_damaged_metadata(tmp_path: Path, info: dict[str, object], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_metadata(write_info(tmp_path, info).archive)
    assert str(caught.value) == message


def noarch(tmp_path: Path, *entry_points: object, kind: str = "python") -> tuple[EntryPoint, ...]:
    link = {"noarch": {"type": "python", "entry_points": list(entry_points)}, "package_metadata_version": 1}
    info = {"index.json": {**INDEX, "noarch": kind}, "paths.json": PATHS, "link.json": link}
    return read_metadata(write_info(tmp_path, info).archive).entry_points


def test_a_directory_may_be_listed_with_what_is_in_it(tmp_path: Path) -> None:
    paths = {"paths": [{"_path": "a", "path_type": "directory"}, {"_path": "a/b"}]}
    metadata = read_metadata(write_info(tmp_path, {"paths.json": paths}).archive)
    assert [entry.path for entry in metadata.paths] == ["a", "a/b"]


@pytest.mark.parametrize(
    ("entry_point", "expected"),
    [
        ("tool = pkg.cli:main", EntryPoint("tool", "pkg.cli", "main")),
        ("tool=pkg:Class.method", EntryPoint("tool", "pkg", "Class.method")),
        ("  my-tool.3 =  pkg : main  ", EntryPoint("my-tool.3", "pkg", "main")),
        ("tool = pkg:main [extra]", EntryPoint("tool", "pkg", "main")),
    ],
)
def test_entry_points(tmp_path: Path, entry_point: str, expected: EntryPoint) -> None:
    assert noarch(tmp_path, entry_point) == (expected,)


@pytest.mark.parametrize(
    "entry_point",
    [
        "../../escaped = bad:main",
        "/bin/sh = bad:main",
        "a\\b = bad:main",
        ".. = bad:main",
        ". = bad:main",
        "tool",
        "tool = bad",
        "= bad:main",
        "tool = bad:main()",
        "tool = bad;import os:main",
        "tool = bad:main\nimport os",
        "tool = bad:main; import os",
        "a b = bad:main",
    ],
)
def test_hostile_entry_points_are_refused(tmp_path: Path, entry_point: str) -> None:
    with pytest.raises(FormatError) as caught:
        noarch(tmp_path, entry_point)
    assert str(caught.value) == f"{NAME}: info/link.json: unsafe or unreadable entry point {entry_point!r}"


def test_entry_points_count_only_for_noarch_python(tmp_path: Path) -> None:
    assert noarch(tmp_path, "../x = bad:main", kind="generic") == ()


@pytest.mark.parametrize(
    ("link", "message"),
    [
        (b"[}", "no valid JSON: JSON is malformed: invalid character (byte 1)"),
        ({"noarch": []}, "noarch: expected dict, got list"),
        ({"noarch": {"entry_points": "x = a:b"}}, "noarch.entry_points: expected list, got str"),
        ({"noarch": {"entry_points": [1]}}, "noarch.entry_points[0]: expected str, got int"),
    ],
)
def test_damaged_link_json(tmp_path: Path, link: object, message: str) -> None:
    info = {"index.json": {**INDEX, "noarch": "python"}, "paths.json": PATHS, "link.json": link}
    with pytest.raises(FormatError) as caught:
        read_metadata(write_info(tmp_path, info).archive)
    assert str(caught.value) == f"{NAME}: info/link.json: {message}"


@pytest.mark.parametrize(
    ("path", "runs"),
    [
        ("bin/.made-post-link.sh", True),
        ("bin/.made-pre-unlink.sh", True),
        ("Scripts/.made-post-link.bat", True),
        ("bin/.made-pre-link.sh", True),
        ("bin/made-post-link.sh", False),
        ("share/.made-post-link.sh", False),
        ("bin/.made-post-link.py", False),
    ],
)
def test_link_scripts_are_known(tmp_path: Path, path: str, runs: bool) -> None:
    made = write_info(tmp_path, {"paths.json": {"paths": [{"_path": path}]}})
    assert read_metadata(made.archive).link_scripts == [path] * runs
