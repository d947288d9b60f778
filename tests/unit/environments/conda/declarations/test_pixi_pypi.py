"""What a manifest of pixi wants from PyPI, handed on as lines for pip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.declarations.read import read_declaration
from docker_envs.errors import InvalidDeclarationError
from tests.unit.environments.conda.support import AMD64

if TYPE_CHECKING:
    from pathlib import Path

WORKSPACE = '[workspace]\nchannels = ["c"]\nplatforms = ["linux-64"]\n'
MANIFEST = f"""{WORKSPACE}
[pypi-options]
index-url = "https://one/simple"
extra-index-urls = ["https://two"]
find-links = [{{ path = "wheels" }}, {{ url = "https://three" }}]
[dependencies]
python = "3.11.*"
[pypi-dependencies]
b = "*"
a = ">=1,<2"
c = {{ version = "==2", extras = ["x", "y"], env-markers = "sys_platform == 'linux'" }}
[target.osx-64.pypi-dependencies]
mac = "*"
[target.linux-64.pypi-dependencies]
b = "<9"
[feature.more.pypi-dependencies]
near = {{ path = "lib", editable = true }}
far = {{ url = "https://host/far-1-py3-none-any.whl" }}
code = {{ git = "https://host/code.git" }}
[environments]
more = ["more"]
"""


def lines(folder: Path, text: str, environment: str = "default", name: str = "pixi.toml") -> list[str]:
    path = folder / name
    path.write_text(text)
    found = read_declaration(path, platform=AMD64, environment=environment, with_pip=True)
    assert {line.directory for line in found.pip} <= {folder}
    return [line.text for line in found.pip]


def test_dependencies_and_options(tmp_path: Path) -> None:
    options = [
        "--index-url https://one/simple",
        "--extra-index-url https://two",
        "--find-links wheels",
        "--find-links https://three",
    ]
    default = ["a >=1,<2", "b <9", "c[x,y] ==2 ; sys_platform == 'linux'"]
    assert lines(tmp_path, MANIFEST) == [*options, *default]
    assert lines(tmp_path, MANIFEST, "more") == [
        *options,
        *default,
        "code @ git+https://host/code.git",
        "far @ https://host/far-1-py3-none-any.whl",
        f"near @ {(tmp_path / 'lib').as_uri()}",
    ]


def test_options_alone_are_nothing(tmp_path: Path) -> None:
    assert lines(tmp_path, f'{WORKSPACE}[pypi-options]\nindex-url = "https://one"\n') == []


def test_a_python_project(tmp_path: Path) -> None:
    text = (
        '[project]\nname = "x"\nrequires-python = ">=3.9"\ndependencies = ["flask"]\n'
        '[dependency-groups]\ntest = ["pytest", { include-group = "lint" }]\nlint = ["ruff"]\n'
        '[tool.pixi.workspace]\nchannels = ["c"]\nplatforms = ["linux-64"]\n'
        '[tool.pixi.pypi-dependencies]\nx = { path = ".", editable = true }\n'
        '[tool.pixi.environments]\ntest = ["test"]\n'
    )
    own = f"x @ {tmp_path.as_uri()}"
    assert lines(tmp_path, text, name="pyproject.toml") == [own, "flask"]
    assert lines(tmp_path, text, "test", name="pyproject.toml") == [own, "pytest", "ruff", "flask"]


def test_places(tmp_path: Path) -> None:
    path = tmp_path / "pixi.toml"
    path.write_text(MANIFEST)
    found = read_declaration(path, platform=AMD64, environment="more", with_pip=True)
    assert [line.place for line in found.pip if line.text.startswith(("--find", "a", "near"))] == [
        f"{path}: pypi-options",
        f"{path}: pypi-options",
        f"{path}: pypi-dependencies.a",
        f"{path}: feature.more.pypi-dependencies.near",
    ]


PYTHON = "https://host/channel/linux-64/python-3.11.7-0.conda"
FLASK = "https://host/flask-3.1.3-py3-none-any.whl"
LOCK = f"""\
version: 6
environments:
  default:
    channels:
    - url: https://host/channel/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {PYTHON}
      - pypi: {FLASK}
      - pypi: ./lib
packages:
- conda: {PYTHON}
  sha256: {"0" * 64}
- pypi: {FLASK}
  name: flask
  version: 3.1.3
  sha256: {"a" * 64}
- pypi: ./lib
  name: lib
  version: '0.1'
  sha256: {"b" * 64}
  editable: true
"""


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ('Flask = ">=3"\nlib = { path = "lib" }\nno = { env-markers = "os_name == \'nt\'" }\n', None),
        ('flask = "<3"\n', "nothing from PyPI in it satisfies `flask <3`"),
        ('flask = "*"\nrich = "*"\n', "nothing from PyPI in it satisfies `rich`"),
        ('flask = "three"\n', "`flask three` cannot be understood"),
    ],
)
def test_the_lock_beside_it(tmp_path: Path, wanted: str, reason: str | None) -> None:
    (tmp_path / "pixi.lock").write_text(LOCK)
    path = tmp_path / "pixi.toml"
    text = '[workspace]\nchannels = ["https://host/channel"]\nplatforms = ["linux-64"]\n'
    path.write_text(f'{text}[dependencies]\npython = "*"\n[pypi-dependencies]\n{wanted}')
    found = read_declaration(path, platform=AMD64, with_pip=True)
    lock = tmp_path / "pixi.lock"
    if reason is not None:
        assert found.packages is None
        assert found.notes == (f"`{lock}` does not fit `pixi.toml`, so it is not used: {reason}",)
        return
    assert [package.name for package in found.packages or ()] == ["python"]
    assert [line.text for line in found.pip] == [
        f"flask @ {FLASK} --hash=sha256:{'a' * 64}",
        f"lib @ {(tmp_path / 'lib').as_uri()}",
    ]
    assert read_declaration(lock, platform=AMD64, with_pip=True).pip == found.pip


@pytest.mark.parametrize(
    ("dependency", "message"),
    [
        ('a = { index = "https://x" }', r"pypi-dependencies\.a\.index: single packages cannot have"),
        ('a = { verion = "1" }', r"unknown key `pypi-dependencies\.a\.verion`"),
        ("a = 3", r"pypi-dependencies\.a: expected dict"),
        ("a = { extras = [1] }", r"pypi-dependencies\.a\.extras\[0\]: expected str"),
    ],
)
def test_refused(tmp_path: Path, dependency: str, message: str) -> None:
    with pytest.raises(InvalidDeclarationError, match=message):
        lines(tmp_path, f"{WORKSPACE}[pypi-dependencies]\n{dependency}\n")
