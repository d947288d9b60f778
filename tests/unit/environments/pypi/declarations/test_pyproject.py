"""`pyproject.toml`: dependencies, extras and groups, and exactly what is said about what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.pypi.read import read_pypi_declaration
from docker_envs.errors import InvalidDeclarationError
from tests.packages.distribution import write_distribution
from tests.unit.environments.pypi.support import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration

FULL = """\
[project]
name = "My.App"
version = "1.0"
dependencies = ["a>=1", "my-app[two]"]

[project.optional-dependencies]
one = ["b"]
two = ["my_app[one,two]", "c; os_name == 'posix'"]

[dependency-groups]
test = ["d", { include-group = "Lint" }]
lint = ["e"]
"""


def read(folder: Path, text: str, *, extras: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> PypiDeclaration:
    path = folder / "pyproject.toml"
    path.write_text(text)
    return read_pypi_declaration(path, extras=extras, groups=groups)


@pytest.mark.parametrize(
    ("extras", "groups", "expected"),
    [
        ((), (), ["a>=1", "b", "c; os_name == 'posix'"]),
        (("ONE",), (), ["a>=1", "b", "c; os_name == 'posix'", "b"]),
        ((), ("test",), ["a>=1", "d", "e", "b", "c; os_name == 'posix'"]),
    ],
)
def test_what_is_wanted(tmp_path: Path, extras: tuple[str, ...], groups: tuple[str, ...], expected: list[str]) -> None:
    found = read(tmp_path, FULL, extras=extras, groups=groups)
    assert sorted(each.text for each in found.requirements) == sorted(expected)
    assert found.projects == ()


def test_groups_alone(tmp_path: Path) -> None:
    found = read(tmp_path, '[dependency-groups]\nx = ["a"]\n', groups=("x",))
    assert [(each.text, each.place) for each in found.requirements] == [("a", f"{tmp_path}/pyproject.toml:2:6")]


def test_sources_of_uv(tmp_path: Path) -> None:
    (tmp_path / "member").mkdir()
    wheel = write_distribution(tmp_path, "lib")
    found = read(
        tmp_path,
        '[project]\nname = "x"\ndependencies = ["member[y]", "lib", "far[z] ; os_name == \'posix\'"]\n'
        "[tool.uv.sources]\n"
        f'member = {{ path = "member", editable = true }}\nlib = {{ path = "{wheel.name}" }}\n'
        'Far = { url = "https://host/far-1.0-py3-none-any.whl" }\n',
    )
    assert [(each.root, each.extras) for each in found.projects] == [(tmp_path / "member", ("y",))]
    assert [each.text.replace(" @", "@") for each in found.requirements] == [
        f"lib@ {wheel.as_uri()}",
        'far[z]@ https://host/far-1.0-py3-none-any.whl ; os_name == "posix"',
    ]


UV = "hint: lock the project with `uv lock`, and name its `uv.lock`"
REFUSED = {
    "nothing": ("[tool.x]\n", (), (), ("pyproject.toml:1:1: has neither `[project]` nor `[dependency-groups]`\n"
                "hint: only these declare packages")),
    "requirement": ('[project]\ndependencies = [\n  "a",\n  "b==",\n]\n', (), (),
                    ("pyproject.toml:4:3: `b==` is no requirement: expected semicolon (after name with no version "
                    "specifier) or end")),
    "kind": ('[project]\ndependencies = ["a", 3]\n', (), (),
             'pyproject.toml:2:22: expected a requirement, got a number (`3`)\nhint: write it in quotes: "3"'),
    "extra": (FULL, ("three",), (), "pyproject.toml:1:1: has no extra `three`\nhint: known are `one`, `two`"),
    "group": (FULL, (), ("tests",), "pyproject.toml:1:1: has no dependency group `tests`\nhint: did you mean `test`?"),
    "circle": ('[dependency-groups]\na = [{include-group = "b"}]\nb = [{include-group = "a"}]\n', (), ("a",),
               "pyproject.toml:3:6: the group `a` includes itself"),
    "dynamic": ('[project]\nname = "x"\ndynamic = ["dependencies"]\n', (), (),
                f"pyproject.toml:3:11: only the build backend knows the dependencies\n{UV}"),
    "git": ('[project]\ndependencies = ["a"]\n[tool.uv.sources]\na = { git = "https://x" }\n', (), (),
            f"pyproject.toml:4:5: this source of `a` is known to uv alone\n{UV}"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "extras", "groups", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, text: str, extras: tuple[str, ...], groups: tuple[str, ...], expected: str) -> None:
    said = refusal(lambda: read(tmp_path, text, extras=extras, groups=groups), tmp_path, InvalidDeclarationError)
    assert said == expected


def test_kinds_of_files(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(InvalidDeclarationError, match="unknown kind of declaration"):
        read_pypi_declaration(tmp_path / "a.json")
    with pytest.raises(InvalidDeclarationError, match="has neither extras nor groups"):
        read_pypi_declaration(tmp_path / "a.txt", extras=["x"])
