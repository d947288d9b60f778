"""`pixi.lock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from tests.declared import write_declarations
from tests.unit.environments.conda.support import AMD64, ARM64, names, read, refusal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, channel: Path) -> Path:
    return write_declarations(tmp_path / "declared", channel)


@pytest.mark.parametrize("file", ["pixi.lock", "version-7.lock"])
def test_environment_and_platform_are_chosen(folder: Path, file: str) -> None:
    assert names(read(folder / file, "small").packages or ()) == ["greeting-1.1-0"]
    (package,) = read(folder / file, platform=ARM64).packages or ()
    assert package.subdir == "linux-aarch64"
    assert package.sha256 is not None
    assert package.size is not None


def test_the_target_of_a_lock_is_known(folder: Path) -> None:
    assert read(folder / "version-7.lock").virtual_packages == (VirtualPackage("__glibc", "2.34"),)


def test_platforms_may_have_names_of_their_own(folder: Path, tmp_path: Path) -> None:
    text = (folder / "version-7.lock").read_text()
    renamed = text.replace("- name: linux-64\n", "- name: server\n  subdir: linux-64\n").replace(
        "      linux-64:\n", "      server:\n"
    )
    path = tmp_path / "pixi.lock"
    path.write_text(renamed)
    assert names(read(path, "small").packages or ()) == ["greeting-1.1-0"]
    several = renamed.replace("- name: linux-aarch64\n", "- name: linux-aarch64\n- name: gpu\n  subdir: linux-64\n")
    first, second = several.split("  small:\n")
    block = "      gpu:\n" + second.split("      server:\n")[1].split("packages:\n")[0]
    twice = first + "  small:\n" + second.replace("packages:\n- conda", f"{block}packages:\n- conda")
    assert refusal(tmp_path, "pixi.lock", twice, "small") == (
        "pixi.lock: environment `small` is locked for `linux-64` in several ways: `gpu`, `server`"
    )


SOURCE = """version: 6
environments:
  default:
    channels: [{url: 'https://h/c/'}]
    packages:
      linux-64:
      - conda: mine
packages:
- conda: mine
  name: mine
  version: 0.1.0
  build: h_0
  subdir: linux-64
"""
PYPI = """version: 6
environments:
  default:
    channels: [{url: 'https://h/c/'}]
    packages:
      linux-64:
      - pypi: https://files.pythonhosted.org/packages/x/requests-2.0-py3-none-any.whl
packages:
- pypi: https://files.pythonhosted.org/packages/x/requests-2.0-py3-none-any.whl
  name: requests
  version: '2.0'
  sha256: 5f1b2d2a7d3b6c5e0d5e2f3a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e
"""

REFUSED = {
    "source": (SOURCE, "default", AMD64,
        ("pixi.lock: environment `default` holds `mine`, which has to be built from its source\n"
        "hint: build it, put it into a channel, and depend on it there")),
    "pypi": (PYPI, "default", AMD64,
        ("pixi.lock: environment `default` holds packages from PyPI (`requests`), which are not supported yet\n"
        "hint: name their conda packages instead, most of PyPI is on conda-forge")),
    "environment": (PYPI, "defualt", AMD64,
        "pixi.lock: has no environment `defualt`\nhint: did you mean `default`?"),
    "platform": (PYPI, "default", ARM64,
        "pixi.lock: environment `default` is not locked for `linux-aarch64`, only for `linux-64`"),
    "syntax": ("version: [6\n", "default", AMD64, "pixi.lock: cannot read the lock file: "),
    "version": ("version: 99\n", "default", AMD64, "pixi.lock: cannot read the lock file: "),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused(tmp_path: Path, case: str) -> None:
    text, environment, platform, message = REFUSED[case]
    found = refusal(tmp_path, "pixi.lock", text, environment, platform)
    # The rest is rattler's.
    assert found.startswith(message) if message.endswith(": ") else found == message


def test_packages_beside_the_lock_are_found(folder: Path, tmp_path: Path, channel: Path) -> None:
    text = (folder / "pixi.lock").read_text().replace(f"conda: {channel.as_uri()}", "conda: ./chan")
    path = tmp_path / "pixi.lock"
    path.write_text(text)
    (package,) = read(path, "small").packages or ()
    assert package.url == (tmp_path / "chan/linux-64/greeting-1.1-0.conda").as_uri()
