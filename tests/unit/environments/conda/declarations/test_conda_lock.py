"""`conda-lock.yml`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.declarations.read import read_declaration
from docker_envs.errors import InvalidDeclarationError
from tests.declared import PACKAGES, write_declarations
from tests.unit.environments.conda.support import AMD64, ARM64, names, read, refusal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lock(tmp_path: Path, channel: Path) -> Path:
    return write_declarations(tmp_path / "declared", channel) / "conda-lock.yml"


def test_the_platform_is_chosen(lock: Path) -> None:
    assert names(read(lock).packages or ()) == list(PACKAGES)
    (package,) = read(lock, platform=ARM64).packages or ()
    assert (package.display_name, package.subdir) == ("greeting-1.1-0", "linux-aarch64")


def test_categories_are_chosen(lock: Path) -> None:
    def chosen(*categories: str) -> list[str]:
        return names(read_declaration(lock, platform=AMD64, categories=categories).packages or ())

    assert chosen("dev") == ["generic-1.0-h0_0"]
    assert chosen("main", "dev") == sorted([*PACKAGES, "generic-1.0-h0_0"])
    with pytest.raises(InvalidDeclarationError) as caught:
        chosen("main", "test")
    assert str(caught.value) == f"{lock}: has no category `test`"
    assert caught.value.hint == "known are `dev`, `docs`, `main`"
    with pytest.raises(InvalidDeclarationError) as caught:
        chosen("docs")
    assert str(caught.value) == f"{lock}: holds packages from PyPI (`links`), which are not supported yet"
    assert caught.value.hint == "name their conda packages instead, most of PyPI is on conda-forge"


def test_a_package_of_several_categories_is_there_once(tmp_path: Path) -> None:
    path = tmp_path / "conda-lock.yml"
    entry = ENTRY.replace("category: main", "categories: [main, dev]")
    path.write_text(HEAD + entry + ENTRY.replace("category: main", "category: dev"))
    found = read_declaration(path, platform=AMD64, categories=("main", "dev")).packages or ()
    assert names(found) == ["a-1.0-0"]


HEAD = "version: 1\nmetadata:\n  platforms: [linux-64]\npackage:\n"
ENTRY = f"""- name: a
  version: '1.0'
  manager: conda
  platform: linux-64
  url: https://h/c/linux-64/a-1.0-0.conda
  hash: {{md5: {"0a" * 16}, sha256: null}}
  category: main
"""
LOCK = HEAD + ENTRY

REFUSED = {
    "version": (LOCK.replace("version: 1\n", "version: 2\n"), "conda-lock.yml: version: cannot read version 2, only 1"),
    "platform": (
        LOCK.replace("[linux-64]", "[osx-64]"),
        "conda-lock.yml: is not locked for `linux-64`, only for `osx-64`",
    ),
    "hash": (LOCK.replace("0a" * 16, "xyz"), "conda-lock.yml: package[0].hash.md5: `xyz` is no md5 digest"),
    "no hash": (LOCK.replace("hash:", "hush:"), "conda-lock.yml: package[0].hash: missing, expected dict"),
    "manager": (
        LOCK.replace("manager: conda", "manager: apt"),
        "conda-lock.yml: package[0].manager: expected conda or pip, got apt",
    ),
    "another package": (
        LOCK.replace("a-1.0-0", "b-1.0-0"),
        "conda-lock.yml: package[0].url: is that of `b-1.0-0`, not of `a`",
    ),
    "a number": (LOCK.replace("'1.0'", "1.0"), "conda-lock.yml: package[0].version: expected str, got float"),
    "two of a name": (
        LOCK + ENTRY.replace("a-1.0-0", "a-1.0-1"),
        "conda-lock.yml: package[1].url: another package of the name `a` is wanted as well",
    ),
    "deep": (f"metadata: {'[' * 60}\npackage: 1\n", "conda-lock.yml:1:60: nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, case: str) -> None:
    text, message = REFUSED[case]
    assert refusal(tmp_path, "conda-lock.yml", text) == message


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    """libyaml's composer would overflow the stack; some versions of it refuse sooner, at a place further on."""
    found = refusal(tmp_path, "conda-lock.yml", f"metadata: {'[' * 300_000}\npackage: 1\n")
    assert re.fullmatch(r"conda-lock\.yml:1:\d+: nested too deeply", found)


def test_a_syntax_error_is_refused_with_its_place(tmp_path: Path) -> None:
    """What the error is called depends on whether libyaml is there."""
    found = refusal(tmp_path, "conda-lock.yml", LOCK + "}")
    assert found.startswith("conda-lock.yml:12:1: not valid YAML: ")


def test_what_comes_from_pypi_is_handed_on_to_who_wants_it(tmp_path: Path) -> None:
    path = tmp_path / "conda-lock.yml"
    digest = "a" * 64
    path.write_text(
        "version: 1\nmetadata:\n  platforms: [linux-64]\npackage:\n"
        "- name: flask\n  version: '3'\n  manager: pip\n  platform: linux-64\n"
        "  url: https://host/flask-3-py3-none-any.whl#x\n  category: main\n"
        f"  hash:\n    sha256: {digest}\n"
    )
    found = read_declaration(path, platform=AMD64, with_pip=True)
    assert found.packages == ()
    assert [line.text for line in found.pip] == [
        f"flask @ https://host/flask-3-py3-none-any.whl --hash=sha256:{digest}"
    ]
