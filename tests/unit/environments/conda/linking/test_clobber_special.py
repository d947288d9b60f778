"""Clobbering beyond files: directories that packages list, console scripts, and names that differ only in case."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.environments.clobber import CaseConflict, Clobber, find_case_conflicts, find_clobbers
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.errors import FormatError
from tests.packages.build import Directory, PackageSpec, Symlink, text
from tests.unit.environments.conda.linked import link

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node

PYTHON = PackageSpec("python", "3.11.4")


@pytest.mark.parametrize(
    ("files", "directories", "expected"),
    [
        ({"a": [], "b": []}, {"a": ["x"], "b": ["x"]}, []),
        ({"a": ["x/1"], "b": []}, {"b": ["x"]}, []),
        ({"a": ["x"], "b": []}, {"b": ["x"]}, [Clobber("x", "b", ("a",))]),
        ({"a": [], "b": ["x"]}, {"a": ["x"]}, [Clobber("x", "b", ("a",))]),
        ({"a": [], "b": ["x"]}, {"a": ["x/y"]}, [Clobber("x/y", "b", ("a",))]),
        ({"a": ["x"], "b": []}, {"b": ["x/y"]}, [Clobber("x", "b", ("a",))]),
        ({"a": [], "b": ["x"], "c": []}, {"a": ["x"], "c": ["x/y"]}, [Clobber("x", "c", ("b",))]),
        ({"a": ["x"], "b": ["x"], "c": []}, {"c": ["x"]}, [Clobber("x", "c", ("a", "b"))]),
        ({"a": ["x"], "b": [], "c": ["x"]}, {"b": ["x"]}, [Clobber("x", "c", ("a", "b"))]),
    ],
)
def test_listed_directories(
    files: dict[str, list[str]], directories: dict[str, list[str]], expected: list[Clobber]
) -> None:
    assert find_clobbers(list(files.items()), directories) == expected


# Nodes of two packages, and what is there in the end, the second being the later one.
CONFLICTS: dict[str, tuple[dict[str, Node], dict[str, Node], set[str]]] = {
    "directory then file": ({"x": Directory(), "a": text("")}, {"x": text("file\n")}, {"a", "x"}),
    "file then directory": ({"x": text("file\n")}, {"x": Directory()}, {"x"}),
    "nested directories": ({"x/y/z": text("deep\n"), "x/w": text("w\n")}, {"x/y": text("file\n")}, {"x/w", "x/y"}),
    "link then directory": ({"x": Symlink("real"), "real/a": text("")}, {"x/b": text("")}, {"real/a", "x/b"}),
    "directory then link": ({"x/b": text(""), "x/c": Directory()}, {"x": Symlink("real")}, {"x"}),
    "link then link": ({"x": Symlink("one")}, {"x": Symlink("two")}, {"x"}),
    "shared directory": ({"x": Directory(), "x/a": text("")}, {"x": Directory(), "x/b": text("")}, {"x", "x/a", "x/b"}),
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_the_choice_of_the_later_package_stands(tmp_path: Path, name: str) -> None:
    first, second, expected = CONFLICTS[name]
    made = link(tmp_path, PackageSpec("first", files=first), PackageSpec("second", files=second))
    assert made.files.keys() == expected
    assert made.records["second"].keys() == second.keys()
    assert made.records["first"].keys() == (first.keys() & expected) - (set() if "shared" in name else second.keys())
    if name == "link then link":
        assert made.files["x"].link == "two"
    assert [finding.kind for finding in made.conda.findings] == [FindingKind.CLOBBER] * len(made.conda.clobbers)


def test_a_clobber_is_a_finding(tmp_path: Path) -> None:
    specs = [PackageSpec(name, files={"x": text(name)}) for name in ("one", "two", "three")]
    (finding,) = link(tmp_path, *specs).conda.findings
    assert finding == Finding(FindingKind.CLOBBER, "three", "x", "takes the place of what is there in `one`, `two`")


def test_a_console_script_takes_the_place_of_the_packages_own_file(tmp_path: Path) -> None:
    """conda makes console scripts after it has linked files."""
    files = {"python-scripts/tool": text("of the package\n", 0o755)}
    spec = PackageSpec("made", files=files, noarch="python", entry_points=("tool = made.cli:main",))
    made = link(tmp_path, PYTHON, spec)
    assert b"from made.cli import main" in made.files["bin/tool"].content
    assert made.records["made"]["bin/tool"]["path_type"] == "unix_python_entry_point"
    text_ = "is its console script, in place of its file of that name"
    assert made.conda.findings == (Finding(FindingKind.CLOBBER, "made", "bin/tool", text_),)


@pytest.mark.parametrize("last", ["made", "other"])
def test_a_console_script_and_the_file_of_another_package(tmp_path: Path, last: str) -> None:
    scripted = PackageSpec("made", noarch="python", entry_points=("tool = made.cli:main",))
    specs = [scripted, PackageSpec("other", files={"bin/tool": text("of the other\n", 0o755)})]
    made = link(tmp_path, PYTHON, *sorted(specs, key=lambda spec: spec.name == last))
    assert (b"made.cli" in made.files["bin/tool"].content) is (last == "made")
    assert made.conda.clobbers == (Clobber("bin/tool", last, ("other" if last == "made" else "made",)),)
    assert [name for name in ("made", "other") if "bin/tool" in made.records[name]] == [last]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"site-packages/a.py": text("1\n"), "lib/python3.11/site-packages/a.py": text("2\n")},
            "two of its files go to `lib/python3.11/site-packages/a.py`",
        ),
        (
            {"python-scripts/a/b": text("1\n"), "bin/a": text("2\n")},
            "`bin/a/b` goes below `bin/a`, which is no directory",
        ),
    ],
)
def test_paths_that_meet_where_python_is(tmp_path: Path, files: dict[str, Node], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        link(tmp_path, PYTHON, PackageSpec("made", files=files, noarch="python"))
    assert str(caught.value) == f"made-1.0-0.conda: {message}"


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ([("a", ["x/y", "x/z"])], []),
        ([("a", ["x/Y", "x/y"])], [CaseConflict(("x/Y", "x/y"), ("a",))]),
        ([("a", ["x/Y"]), ("b", ["x/y"])], [CaseConflict(("x/Y", "x/y"), ("a", "b"))]),
        ([("a", ["X/y"]), ("b", ["x/y"])], [CaseConflict(("X/y", "x/y"), ("a", "b"))]),
        ([("a", ["X/y"]), ("b", ["x/z"])], []),
        ([("a", ["X"]), ("b", ["x/z"])], [CaseConflict(("X", "x"), ("a", "b"))]),
        ([("a", ["\u00e9"]), ("b", ["e\u0301"])], [CaseConflict(("e\u0301", "\u00e9"), ("a", "b"))]),
        ([("a", ["STRASSE"]), ("b", ["stra\u00dfe"])], [CaseConflict(("STRASSE", "stra\u00dfe"), ("a", "b"))]),
        ([("a", ["a", "A"]), ("b", ["b"])], [CaseConflict(("A", "a"), ("a",))]),
    ],
)
def test_case_conflicts(packages: list[tuple[str, list[str]]], expected: list[CaseConflict]) -> None:
    assert find_case_conflicts(packages) == expected


def test_a_case_conflict_changes_nothing_but_is_found(tmp_path: Path) -> None:
    made = link(
        tmp_path,
        PackageSpec("one", files={"share/x": text("x\n")}),
        PackageSpec("two", files={"share/X": text("X\n"), "share/lost": text("")}),
        PackageSpec("three", files={"share/lost": text(""), "share/LOST": text("")}),
    )
    assert {path for path, linked in made.files.items() if linked.kind is Kind.FILE} == {
        "share/x",
        "share/X",
        "share/lost",
        "share/LOST",
    }
    found = [finding for finding in made.conda.findings if finding.kind is FindingKind.CASE_CONFLICT]
    text_ = "is one path with `share/lost` on hosts that ignore case or Unicode form"
    assert found[0] == Finding(FindingKind.CASE_CONFLICT, "three", "share/LOST", text_)
    assert (found[1].package, found[1].path) == ("one, two", "share/X")
