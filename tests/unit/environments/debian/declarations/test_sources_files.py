from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.environments.debian.declarations.sources_files import host_sources, read_sources
from docker_envs.environments.debian.indexing.keyring import open_keyring
from docker_envs.errors import InvalidDeclarationError
from tests.packages.debian_archive import Signer

if TYPE_CHECKING:
    from pathlib import Path

STANZAS = """\
# made by somebody
Types: deb deb-src
URIs: http://host/debian https://other/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/a.gpg
# a comment inside
Architectures: amd64 arm64
Check-Valid-Until: no

Types: deb
URIs: http://off
Suites: x
Components: main
Enabled: no

Types: deb-src
URIs: http://source
Suites: x
Components: main
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_stanzas(tmp_path: Path) -> None:
    expected = [
        AptSource(uri, ("bookworm", "bookworm-updates"), ("main", "contrib"), "/usr/share/keyrings/a.gpg",
                  ("amd64", "arm64"), check_valid_until=False)
        for uri in ("http://host/debian", "https://other/debian")
    ]  # fmt: skip
    assert list(read_sources(write(tmp_path, "x.sources", STANZAS))) == expected


def test_lines(tmp_path: Path) -> None:
    text = """\
# comment
deb http://host/debian bookworm main contrib # behind
deb-src http://host/debian bookworm main
deb [ arch=amd64,arm64 signed-by=/k.gpg check-valid-until=no ] https://host/x ./
deb cdrom:[Debian]/ bookworm main
deb copy:/media/debian bookworm main
"""
    assert read_sources(write(tmp_path, "x.list", text)) == (
        AptSource("http://host/debian", ("bookworm",), ("main", "contrib")),
        AptSource("https://host/x", ("./",), (), "/k.gpg", ("amd64", "arm64"), check_valid_until=False),
        AptSource("file:/media/debian", ("bookworm",), ("main",)),
    )


def test_keys_in_stanzas(tmp_path: Path) -> None:
    signer = Signer()
    key = "\n".join(f" {line}" if line else " ." for line in signer.public.splitlines())
    text = f"Types: deb\nURIs: http://host\nSuites: x\nComponents: main\nSigned-By:\n{key}\n"
    (source,) = read_sources(write(tmp_path, "x.sources", text))
    assert [each.fingerprint for each in open_keyring(source.signed_by).certificates] == [signer.fingerprint]


def test_all_of_a_host_each_once(tmp_path: Path) -> None:
    write(tmp_path, "sources.list", "deb http://one x main\n")
    write(tmp_path, "sources.list.d/b.list", "deb http://one x main\ndeb http://three x main\n")
    write(tmp_path, "sources.list.d/a.sources", "Types: deb\nURIs: http://two\nSuites: x\nComponents: main\n")
    write(tmp_path, "sources.list.d/c.list.bak", "nonsense")
    assert [source.uri for source in host_sources(tmp_path)] == ["http://one", "http://two", "http://three"]
    assert host_sources(tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.list", "deb http://host\n", "x.list:1: 'deb http://host' does not name an archive"),
        ("x.list", "\ndeb ftp://host x main\n", "x.list:2: `ftp://host` is not the address of an archive"),
        ("x.list", "deb http://me:secret@host x y z ../..\n", "neither a suite nor a component"),
        ("x.sources", "Types: deb\nURIs: http://x\n", "x.sources: stanza 1: has no field `Suites`"),
        ("x.sources", "nonsense\n", "x.sources: line 'nonsense' is not a field"),
    ],
)
def test_malformed(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        read_sources(write(tmp_path, name, text))
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
