"""The kind of a declaration shows in its name and content; pixi's locks hold several environments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.read import read_declaration
from docker_envs.errors import InvalidDeclarationError
from docker_envs.oci.descriptor import Platform

if TYPE_CHECKING:
    from pathlib import Path

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
URL = "https://h/ch/{}/{}-1-0.conda"
PIXI = f"""\
version: 6
environments:
  default:
    channels:
    - url: https://h/ch/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {URL.format("linux-64", "x")}
      - conda: {URL.format("noarch", "a")}
      linux-aarch64:
      - conda: {URL.format("linux-aarch64", "x")}
  with-pypi:
    channels:
    - url: https://h/ch/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {URL.format("linux-64", "x")}
      - pypi: https://h/requests-2.0-py3-none-any.whl
packages:
- conda: {URL.format("linux-64", "x")}
  sha256: {"a" * 64}
  md5: {"b" * 32}
  size: 7
- conda: {URL.format("linux-aarch64", "x")}
  sha256: {"c" * 64}
- conda: {URL.format("noarch", "a")}
  sha256: {"d" * 64}
- pypi: https://h/requests-2.0-py3-none-any.whl
  name: requests
  version: '2.0'
  sha256: {"e" * 64}
"""


@pytest.fixture
def pixi(tmp_path: Path) -> Path:
    path = tmp_path / "pixi.lock"
    path.write_text(PIXI)
    return path


def test_a_pixi_lock(pixi: Path) -> None:
    declared = read_declaration(pixi, platform=AMD64)
    assert declared.specs == declared.channels == ()
    assert declared.packages is not None
    noarch, own = declared.packages
    assert (noarch.name, noarch.subdir, noarch.url) == ("a", "noarch", URL.format("noarch", "a"))
    assert (own.name, own.version, own.build, own.subdir) == ("x", "1", "0", "linux-64")
    assert (own.sha256, own.md5, own.size) == ("a" * 64, "b" * 32, 7)


def test_a_pixi_lock_for_another_platform(pixi: Path) -> None:
    packages = read_declaration(pixi, platform=ARM64).packages
    assert packages is not None
    assert [(each.subdir, each.sha256) for each in packages] == [("linux-aarch64", "c" * 64)]


def test_what_a_pixi_lock_lacks(pixi: Path) -> None:
    for environment, platform, message in (
        ("gpu", AMD64, f"{pixi}: has no environment `gpu`, only `default`, `with-pypi`"),
        ("with-pypi", ARM64, f"{pixi}: environment `with-pypi` is not locked for `linux-aarch64`, only `linux-64`"),
    ):
        with pytest.raises(InvalidDeclarationError) as caught:
            read_declaration(pixi, platform=platform, environment=environment)
        assert str(caught.value) == message


def test_packages_from_pypi_are_refused(pixi: Path) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        read_declaration(pixi, platform=AMD64, environment="with-pypi")
    expected = f"{pixi}: environment `with-pypi` holds packages from PyPI (`requests`), which are not supported yet"
    assert str(caught.value) == expected
    assert caught.value.hint == "move them to conda `dependencies`, most of PyPI is on conda-forge"


def test_a_damaged_pixi_lock(tmp_path: Path) -> None:
    path = tmp_path / "pixi.lock"
    path.write_text("version: 6\nenvironments: [\n")
    with pytest.raises(InvalidDeclarationError, match=f"^{path}: cannot read the lock file: "):
        read_declaration(path, platform=AMD64)


@pytest.mark.parametrize(
    ("name", "text", "is_lock"),
    [
        ("environment.yml", "dependencies: [a]", False),
        ("other.yaml", "dependencies: [a]", False),
        ("list.txt", f"@EXPLICIT\n{URL.format('noarch', 'a')}\n", True),
        ("list.yml", f"# comment\n  @EXPLICIT  \n{URL.format('noarch', 'a')}\n", True),
        ("other.lock", PIXI, True),
    ],
)
def test_kinds(tmp_path: Path, name: str, text: str, is_lock: bool) -> None:
    path = tmp_path / name
    path.write_text(text)
    declared = read_declaration(path, platform=AMD64)
    assert (declared.packages is not None) is is_lock
    assert declared.source == str(path)


@pytest.mark.parametrize("name", ["requirements.txt", "env.json", "some.lock"])
def test_unknown_kinds(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("numpy\n")
    with pytest.raises(InvalidDeclarationError) as caught:
        read_declaration(path, platform=AMD64)
    assert str(caught.value) == f"{path}: unknown kind of declaration"
    assert caught.value.hint == "use an `environment.yml`, an `@EXPLICIT` list or a `pixi.lock`"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "no.yml", tmp_path, tmp_path / "binary.yml"):
        with pytest.raises(InvalidDeclarationError) as caught:
            read_declaration(path, platform=AMD64)
        assert str(caught.value).startswith(f"{path}: ")
