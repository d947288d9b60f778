"""Which archives packages come from when nobody says."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_envs.builder.packages.apt_archives import base_sources
from docker_envs.environments.debian.declarations.source import AptSource, debian_sources
from docker_envs.environments.debian.system.base import BaseSystem
from docker_envs.errors import FormatError, InvalidInputError
from tests.packages.debian_archive import Signer

DEBIAN = b"ID=debian\nVERSION_CODENAME=bookworm\n"
UBUNTU = b'ID=ubuntu\nVERSION_CODENAME=noble\nPRETTY_NAME="Ubuntu 24.04 LTS"\n'
LISTED = (
    b"Types: deb\nURIs: http://mirror.example.org/debian\nSuites: bookworm\nComponents: main\n"
    b"Signed-By: /usr/share/keyrings/own.gpg\n"
)


def base(**contents: bytes) -> BaseSystem:
    places = {
        "release": "usr/lib/os-release",
        "sources": "etc/apt/sources.list.d/debian.sources",
        "list": "etc/apt/sources.list",
        "key": "usr/share/keyrings/own.gpg",
        "trusted": "etc/apt/trusted.gpg.d/own.gpg",
    }
    return BaseSystem((), {places[name]: content for name, content in contents.items()})


def test_without_a_base_it_is_debian(tmp_path: Path) -> None:
    assert base_sources(BaseSystem(), tmp_path) == debian_sources()


def test_a_base_of_debian_without_a_list_is_of_its_release(tmp_path: Path) -> None:
    assert base_sources(base(release=DEBIAN), tmp_path) == debian_sources("bookworm")


def test_a_base_knows_its_archives_and_their_keys(tmp_path: Path) -> None:
    key = bytes(Signer().key.extract_certificate())
    (source,) = base_sources(base(release=UBUNTU, sources=LISTED, key=key), tmp_path)
    assert (source.uri, source.suites) == ("http://mirror.example.org/debian", ("bookworm",))
    assert Path(source.signed_by) == tmp_path / "usr/share/keyrings/own.gpg"
    assert Path(source.signed_by).read_bytes() == key


def test_what_apt_trusts_counts_where_no_key_is_named(tmp_path: Path) -> None:
    line = b"deb https://mirror.example.org/debian bookworm main\ndeb file:/srv/debian bookworm main\n"
    (source,) = base_sources(base(list=line, trusted=b"key"), tmp_path)
    assert Path(source.signed_by).read_bytes() == b"key"
    other = tmp_path / "other"
    other.mkdir()
    assert base_sources(base(list=line), other) == (
        AptSource("https://mirror.example.org/debian", ("bookworm",), ("main",)),
    )


def test_another_distribution_must_say_where_its_packages_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"the base is `Ubuntu 24\.04 LTS`, and names no archives") as caught:
        base_sources(base(release=UBUNTU), tmp_path)
    assert caught.value.hint == "name them with `--apt-source`"


def test_a_malformed_list_is_that_of_the_base(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"base image: /etc/apt/sources.list:1: 'nonsense' does not name an archive"):
        base_sources(base(list=b"nonsense\n"), tmp_path)


@pytest.mark.parametrize("named", ["//etc/host.gpg", "/../../../etc/host.gpg", "../host.gpg", "host.gpg"])
def test_a_base_names_no_keyring_of_this_host(tmp_path: Path, named: str) -> None:
    sources = LISTED.replace(b"/usr/share/keyrings/own.gpg", named.encode())
    assert sources != LISTED
    try:
        found = base_sources(base(release=UBUNTU, sources=sources, key=b"key"), tmp_path)
    except FormatError:
        return
    assert [Path(source.signed_by) for source in found] == [tmp_path / "etc/host.gpg"]
