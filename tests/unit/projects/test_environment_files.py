"""Files of several kinds become one declaration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.debian.declarations.declaration import AptDeclaration
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.errors import InvalidDeclarationError
from docker_envs.projects.environment_files import EnvironmentDeclaration, merge_environment, read_environment_file
from tests.images import AMD64

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "apt.txt": "git=1:2.39*  # for pip\n\nlibgl1\n",
    "more/apt.txt": "libgl1\ncurl\n",
    "requirements.txt": "numpy\n",
    "environment.yml": "channels: [conda-forge]\ndependencies: [python]\n",
}


def declared(folder: Path, *names: str) -> EnvironmentDeclaration:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(FILES[name])
    return merge_environment(
        [
            read_environment_file(folder / name, platform=AMD64, environment="default", categories=("main",))
            for name in names
        ]
    )


def test_files_of_all_kinds_go_together(tmp_path: Path) -> None:
    found = declared(tmp_path, "apt.txt", "requirements.txt", "environment.yml")
    assert found.apt is not None
    assert found.pypi is not None
    assert found.conda is not None
    assert [str(each) for each in found.apt.requests] == ["git=1:2.39*", "libgl1"]
    assert found.conda.specs == ("python",)


def test_several_lists_are_merged(tmp_path: Path) -> None:
    found = declared(tmp_path, "apt.txt", "more/apt.txt").apt
    assert found is not None
    assert [str(each) for each in found.requests] == ["git=1:2.39*", "libgl1", "curl"]


def test_where_packages_come_from_is_left_open(tmp_path: Path) -> None:
    requests = (PackageRequest("git", version="1:2.39*"), PackageRequest("libgl1"))
    source = str(tmp_path / "apt.txt")
    assert declared(tmp_path, "apt.txt") == EnvironmentDeclaration(apt=AptDeclaration(requests, source=source))


@pytest.mark.parametrize("name", ["requirements.txt", "environment.yml"])
def test_other_files_say_nothing_of_debian(tmp_path: Path, name: str) -> None:
    assert declared(tmp_path, name).apt is None


def test_a_malformed_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "apt.txt").write_text("git\nGit!\n")
    with pytest.raises(InvalidDeclarationError, match=r"apt\.txt:2: 'Git!' does not name a Debian package"):
        read_environment_file(tmp_path / "apt.txt", platform=AMD64, environment="default", categories=())
