from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.debian.declarations.apt_txt import read_apt_txt
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from pathlib import Path


def test_one_package_a_line(tmp_path: Path) -> None:
    path = tmp_path / "apt.txt"
    path.write_text("# tools\ngit=1:2.39*  # pinned\n\n  libgl1\r\n")
    declaration = read_apt_txt(path)
    assert [str(request) for request in declaration.requests] == ["git=1:2.39*", "libgl1"]
    assert declaration.source == str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("git curl\n", "apt.txt:1: 'git curl' is more than one package"),
        ("git\n--yes\n", "apt.txt:2: '--yes' does not name a Debian package"),
        ("# nothing\n", "apt.txt: lists no packages"),
    ],
)
def test_malformed(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "apt.txt"
    path.write_text(text)
    with pytest.raises(InvalidDeclarationError) as caught:
        read_apt_txt(path)
    assert str(caught.value).endswith(message)
