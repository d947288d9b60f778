"""What apt in an image is told of archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.debian.declarations.source import AptSource, debian_sources
from docker_envs.environments.debian.system.apt_sources import apt_files
from docker_envs.environments.debian.system.base import BaseSystem
from docker_envs.errors import InvalidInputError
from tests.packages.debian_archive import Signer

if TYPE_CHECKING:
    from pathlib import Path

PLACE = "etc/apt/sources.list.d/docker-envs.sources"


def test_debian_is_checked_with_the_keys_of_its_package() -> None:
    files = apt_files(debian_sources("bookworm"), ["apt", "debian-archive-keyring"], BaseSystem())
    assert files.keys() == {PLACE}
    assert files[PLACE].decode().split("\n\n")[0] == (
        "Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm bookworm-updates\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
    )
    assert b"Signed-By" not in apt_files(debian_sources("bookworm"), ["apt"], BaseSystem())[PLACE]


def test_keys_of_others_come_along_once(tmp_path: Path) -> None:
    signer = Signer()
    (tmp_path / "key.asc").write_text(signer.public)
    sources = [
        AptSource("https://one.example.org/debian", ("a",), ("main",), str(tmp_path / "key.asc")),
        AptSource("https://two.example.org/debian", ("./b/",), (), signer.public, check_valid_until=False),
        AptSource("https://three.example.org/debian", ("c",), ("main",), "ABCD" * 10),
    ]
    files = apt_files(sources, ["apt"], BaseSystem())
    key = "etc/apt/keyrings/docker-envs-1.gpg"
    assert files == {PLACE: files[PLACE], key: bytes(signer.key.extract_certificate())}
    one, two, three = files[PLACE].decode().split("\n\n")
    assert one.endswith(f"Signed-By: /{key}")
    assert (
        two
        == f"Types: deb\nURIs: https://two.example.org/debian\nSuites: ./b/\nCheck-Valid-Until: no\nSigned-By: /{key}"
    )
    assert three.strip().endswith(f"Signed-By: {'ABCD' * 10}")
    assert str(tmp_path) not in files[PLACE].decode()


@pytest.mark.parametrize(
    ("names", "contents"),
    [
        (["git"], {}),
        (["apt"], {"etc/apt/sources.list": b"deb http://x y main\n"}),
        (["apt"], {"etc/apt/sources.list.d/debian.sources": b"Types: deb\n"}),
    ],
    ids=["no apt", "list", "sources"],
)
def test_nothing_is_said_where_it_is_not_wanted(names: list[str], contents: dict[str, bytes]) -> None:
    assert apt_files(debian_sources(), names, BaseSystem((), contents)) == {}


def test_a_base_with_apt_and_an_empty_list_is_told() -> None:
    contents = {
        "var/lib/dpkg/status": b"Package: apt\nVersion: 1\nStatus: install ok installed\n",
        "etc/apt/sources.list": b"\n",
    }
    assert PLACE in apt_files(debian_sources(), ["git"], BaseSystem((), contents))


def test_folders_of_this_machine_mean_nothing(tmp_path: Path) -> None:
    assert apt_files([AptSource(tmp_path.as_uri(), ("a",), ("main",))], ["apt"], BaseSystem()) == {}


def test_a_keyring_that_is_not_there_is_an_error() -> None:
    source = AptSource("https://one.example.org/debian", ("a",), ("main",), "/nowhere/key.gpg")
    with pytest.raises(InvalidInputError, match=r"`/nowhere/key\.gpg` cannot be read"):
        apt_files([source], ["apt"], BaseSystem())
