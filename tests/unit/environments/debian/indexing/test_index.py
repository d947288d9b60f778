from __future__ import annotations

import pytest

from docker_envs.environments.debian.indexing.index import AvailablePackage
from docker_envs.environments.debian.indexing.indexed_package import IndexedPackage
from docker_envs.environments.debian.indexing.packages import decode_table, encode_table, parse_packages
from docker_envs.errors import FormatError

STANZA = "Package: x\nVersion: 1\nArchitecture: all\nFilename: pool/x.deb\nSHA256: a\nSize: 1\n"


def available(file_name: str, sha256: str = "0" * 64, size: str = "7") -> AvailablePackage:
    values = ["x", "1", "all", file_name, sha256, size, *[""] * 12]
    return AvailablePackage(IndexedPackage(*values), "http://host/debian/", ("suite",), automatic=True)


@pytest.mark.parametrize("path", ["pool/main/g/g++_1%2b2.deb", "./x.deb", "a..b/x.deb"])
def test_paths(path: str) -> None:
    assert available(path).chosen().url == f"http://host/debian/{path.removeprefix('./')}"


@pytest.mark.parametrize(
    "path",
    ["../x.deb", "pool/../../x.deb", "/etc/x.deb", "http://evil/x.deb", "pool//x.deb", "x", "a b.deb", "a\\b.deb"],
)
def test_paths_that_lead_elsewhere(path: str) -> None:
    with pytest.raises(FormatError, match="is not the path of a package"):
        available(path).chosen()


@pytest.mark.parametrize(
    ("sha256", "size"), [("", "7"), ("0" * 63, "7"), ("0" * 64, ""), ("0" * 64, "-1"), ("0" * 64, "9" * 5000)]
)
def test_packages_that_nothing_proves(sha256: str, size: str) -> None:
    with pytest.raises(FormatError, match="has no SHA-256 digest or no size"):
        available("x.deb", sha256, size).chosen()


def test_stanzas_that_go_on() -> None:
    table = parse_packages(f"{STANZA}Depends: a,\n b\n\n\n{STANZA}Essential: yes\n".encode(), source="x")
    assert (list(table.packages), table.essential, table.required) == (["x"], ["x"], [])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (STANZA.replace("Size: 1\n", "").encode(), "Packages: the stanza of `x` has no field `Size`"),
        (b"\xff", "Packages: not UTF-8 text"),
        (b"nonsense", "Packages: the stanza of `nonsense` has no field `Package`"),
        (f"{STANZA}Provides: a b\n".encode(), "is not a relation"),
    ],
)
def test_malformed(content: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_packages(content, source="Packages")
    assert message in str(caught.value)


def test_kept_tables() -> None:
    table = parse_packages(f"{STANZA}Provides: y\nPriority: required\n".encode(), source="x")
    content = encode_table(table)
    kept = decode_table(content)
    assert kept is not None
    assert (list(kept.packages), kept.providers, kept.required) == (["x"], {"y": ["x"]}, ["x"])
    assert decode_table(content[:-1]) is None
    assert decode_table(b"") is None
