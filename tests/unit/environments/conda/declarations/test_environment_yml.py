"""`environment.yml`: what it may hold, and exactly what is said about what it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.base import PipLine
from docker_envs.environments.conda.declarations.declaration import merge_declarations
from docker_envs.environments.conda.declarations.read import read_declaration
from docker_envs.errors import InvalidDeclarationError, SolveError
from tests.unit.environments.conda.support import AMD64, packages, read, refusal

if TYPE_CHECKING:
    from pathlib import Path

PYPI_HINT = "hint: name their conda packages instead, most of PyPI is on conda-forge"

REFUSED = {
    "syntax": (
        "channels:\n  - a\n dependencies: []\n",
        "environment.yml:3:2: not valid YAML: expected <block end>, but found '<block mapping start>'",
    ),
    "tab": (
        "channels:\n\t- a\n",
        ("environment.yml:2:1: not valid YAML: found character '\\t' that cannot start any token\n"
        "hint: indent with spaces"),
    ),
    "unclosed": (
        "channels: [a, b\ndependencies: []\n",
        "environment.yml:2:13: not valid YAML: expected ',' or ']', but got ':'",
    ),
    "deep": ("[" * 5000, "environment.yml: nested too deeply"),
    "unknown key": (
        "channels: []\ndependancies: []\n",
        "environment.yml:2:1: unknown key `dependancies`\nhint: did you mean `dependencies`?",
    ),
    "far key": (
        "xyz: 1\n",
        ("environment.yml:1:1: unknown key `xyz`\nhint: known are `category`, `channels`, `dependencies`, `name`, "
        "`platforms`, `prefix`, `variables`"),
    ),
    "key twice": (
        "dependencies: []\nchannels: []\ndependencies: []\n",
        "environment.yml:3:1: the key `dependencies` is there twice",
    ),
    "a list": (
        "- numpy\n",
        "environment.yml:1:1: expected a mapping with `channels` and `dependencies`, got a list",
    ),
    "text": (
        "numpy\n",
        "environment.yml:1:1: expected a mapping with `channels` and `dependencies`, got text (`numpy`)",
    ),
    "dependencies": (
        "dependencies: numpy\n",
        "environment.yml:1:15: expected a list of match specs, got text (`numpy`)",
    ),
    "a number": (
        "dependencies:\n  - 3.10\n",
        'environment.yml:2:5: expected a match spec, got a number (`3.10`)\nhint: write it in quotes: "3.10"',
    ),
    "a mapping": (
        "dependencies:\n  - numpy: 2\n",
        "environment.yml:2:5: expected a match spec, got a mapping with `numpy`\nhint: write it as `numpy=VERSION`",
    ),
    "pip": (
        "dependencies:\n  - python\n  - pip:\n    - requests\n",
        f"environment.yml:3:5: `pip:` packages are not supported yet\n{PYPI_HINT}",
    ),
    "match spec": (
        "dependencies:\n  - python\n  - numpy >=2.\n",
        ("environment.yml:3:5: invalid match spec 'numpy >=2.': malformed version string '2.': encountered more "
        "characters but expected none"),
    ),
    "defaults as a spec": (
        "dependencies: [defaults::numpy]\n",
        ("environment.yml:1:16: invalid match spec 'defaults::numpy': `defaults` stands for several channels\n"
        "hint: name one, such as `https://repo.anaconda.com/pkgs/main::`"),
    ),
    "channel": ("channels: [1]\n", ('environment.yml:1:12: expected the name or URL of a channel, got a number (`1`)\n'
        'hint: write it in quotes: "1"')),
    "variable of a channel": (
        "channels:\n  - https://x/t/${NO_SUCH_TOKEN}/y\n",
        "environment.yml:2:5: the environment variable `NO_SUCH_TOKEN` is not set",
    ),
    "platform": (
        "platforms: [linux-46]\n",
        "environment.yml:1:13: unknown platform `linux-46`\nhint: did you mean `linux-64`?",
    ),
    "variables": ("variables: [A]\n", "environment.yml:1:12: expected a mapping of variables, got a list"),
    "name of a variable": (
        "variables:\n  A-B: 1\n",
        "environment.yml:2:8: `A-B` is no name of an environment variable",
    ),
    "value of a variable": (
        "variables:\n  A: [1]\n",
        "environment.yml:2:6: expected the value of `A`, got a list",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_understood_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    assert refusal(tmp_path, "environment.yml", text) == message


def test_a_file_without_packages_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("name: nothing\ndependencies:\n")
    assert read(path).specs == ()


def test_channels_may_be_beside_the_file_or_in_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "t0ken")
    path = tmp_path / "environment.yml"
    path.write_text("channels: [./mine, ../other, 'https://h/t/$A_TOKEN/x', conda-forge/label/rc, nodefaults]\n")
    assert read(path).channels == (
        (tmp_path / "mine").as_uri(),
        (tmp_path.parent / "other").as_uri(),
        "https://h/t/t0ken/x",
        "conda-forge/label/rc",
        "nodefaults",
    )


def test_variables_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("variables: {A: 010, B: yes, C: 1.10, D:, E: ~, F: 'a b', G: 2024-01-01}\n")
    assert read(path).variables == {
        "A": "010", "B": "yes", "C": "1.10", "D": "", "E": "", "F": "a b", "G": "2024-01-01",
    }  # fmt: skip


def test_an_unsatisfiable_environment_is_explained(tmp_path: Path, channel: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text(f"channels: ['{channel.as_uri()}']\ndependencies: [hello-sh, greeting <1]\n")
    with pytest.raises(SolveError) as caught:
        packages(read(path), tmp_path / "cache")
    assert str(caught.value) == (
        "no set of packages for `linux/amd64` fits the specs:\n"
        "Cannot solve the request because of: No candidates were found for greeting <1.\n"
    ).rstrip("\n")


def test_what_comes_from_pypi_is_handed_on_to_who_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("dependencies:\n  - python\n  - pip:\n    - requests>=2\n    - -r more.txt\n  - pip\n")
    found = read_declaration(path, platform=AMD64, with_pip=True)
    assert found.specs == ("python", "pip")
    assert found.pip == (
        PipLine("requests>=2", f"{path}:4:7", tmp_path),
        PipLine("-r more.txt", f"{path}:5:7", tmp_path),
    )
    assert merge_declarations([found, found]).pip == (*found.pip, *found.pip)


@pytest.mark.parametrize("section", ["pip: 3", "pip: [1]", "{pip: [a], b: c}"])
def test_a_section_that_is_none(tmp_path: Path, section: str) -> None:
    path = tmp_path / "environment.yml"
    path.write_text(f"dependencies:\n  - {section}\n")
    with pytest.raises(InvalidDeclarationError, match=r"environment\.yml:2:"):
        read_declaration(path, platform=AMD64, with_pip=True)
