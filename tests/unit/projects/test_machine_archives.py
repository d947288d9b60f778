"""Which archives of a machine are proposed for images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.projects.machine_archives import machine_archives

if TYPE_CHECKING:
    from pathlib import Path

KEYS = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"
MIRROR = f"deb [{KEYS}] https://mirror.example.org/debian trixie main\n"
OWN = (
    "deb http://deb.debian.org/debian trixie main\n"
    "deb http://security.debian.org/debian-security trixie-security main\n"
)
OTHER = "deb https://download.example.com/linux/debian trixie stable\ndeb http://ppa.example.org/tool ./\n"
PROPOSED = AptSource("https://mirror.example.org/debian", ("trixie",), ("main",))
DEBIAN = AptSource("http://deb.debian.org/debian", ("trixie",), ("main",))


def machine(root: Path, sources: str | None, release: str | None = 'PRETTY_NAME="Debian"\nID=debian\n') -> Path:
    (root / "etc/apt").mkdir(parents=True)
    if sources is not None:
        (root / "etc/apt/sources.list").write_text(sources)
    if release is not None:
        (root / "etc/os-release").write_text(release)
    return root


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param(MIRROR, (PROPOSED,), id="a mirror"),
        pytest.param(MIRROR + OTHER, (PROPOSED,), id="a mirror, and others' packages"),
        pytest.param(MIRROR + OWN.splitlines()[0], (PROPOSED, DEBIAN), id="a mirror and Debian's own"),
        pytest.param(OWN, (), id="Debian's own"),
        pytest.param(OWN + OTHER, (), id="others' packages"),
        pytest.param("nonsense\n", (), id="malformed"),
        pytest.param(None, (), id="none"),
    ],
)
def test_what_is_proposed(tmp_path: Path, sources: str | None, expected: tuple[AptSource, ...]) -> None:
    assert machine_archives(machine(tmp_path, sources)) == expected


@pytest.mark.parametrize("release", ["ID=ubuntu\nID_LIKE=debian\n", "", None])
def test_other_distributions(tmp_path: Path, release: str | None) -> None:
    assert machine_archives(machine(tmp_path, MIRROR, release)) == ()


def test_keys_of_its_own_are_kept(tmp_path: Path) -> None:
    root = machine(tmp_path, MIRROR.replace(KEYS, "signed-by=/etc/apt/keyrings/own.gpg"))
    (source,) = machine_archives(root)
    assert source.signed_by == "/etc/apt/keyrings/own.gpg"
