"""Package databases: what each says, and what is refused."""

from __future__ import annotations

import json

import pytest

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.records import databases
from docker_envs.records.databases import Database, InstalledPackage, read_database, reader_for

DPKG = b"""Package: libc6
Status: install ok installed
Architecture: amd64
Installed-Size: 13000
Version: 2.36-9
Description: GNU C Library
 Package: not-a-field

Package: gone
Status: deinstall ok config-files
Version: 1

Package: odd
Status: install ok installed
Installed-Size: many
"""
APK = b"""P:musl
V:1.2.5-r0
A:x86_64
S:400000
I:600000
L:MIT
F:lib
R:ld-musl-x86_64.so.1
F:usr/lib/python3.12/site-packages/x-1.dist-info
R:METADATA

P:busybox
V:1.36.1-r0
"""
METADATA = b"""Metadata-Version: 2.4
Name: Flask
Version: 3.1.0
License-Expression: BSD-3-Clause
License: UNKNOWN

Name: description
"""


def read(path: str, content: bytes) -> Database:
    found = read_database(file_entry(path, content, mtime=0))
    assert found is not None
    return found


def conda(**fields: object) -> bytes:
    return json.dumps({"name": "numpy", "version": "2.1.0", "build": "py_0", **fields}).encode()


def test_conda() -> None:
    record = conda(
        subdir="linux-64",
        size=100,
        license="BSD",
        url="https://user:secret@conda.example/t/token/x/numpy.conda?sig=1",
        sha256="ab",
        files=["lib/python3.12/site-packages/numpy-2.1.0.dist-info/METADATA", "lib/x"],
        paths_data={"paths": [{"size_in_bytes": 3}, {"_path": "x"}, {"size_in_bytes": 4}]},
        requested_spec=None,
    )
    found = read("opt/conda/conda-meta/numpy-2.1.0-py_0.json", record)
    assert found.packages == (
        InstalledPackage(
            kind="conda",
            name="numpy",
            version="2.1.0",
            build="py_0",
            architecture="linux-64",
            place="/opt/conda",
            size=100,
            installed_size=7,
            license="BSD",
            url="https://conda.example/t/<TOKEN>/x/numpy.conda?…",
            sha256="ab",
            source="/opt/conda/conda-meta/numpy-2.1.0-py_0.json",
        ),
    )
    assert found.owned == {"opt/conda/lib/python3.12/site-packages/numpy-2.1.0.dist-info/METADATA"}
    assert read("conda-meta/x.json", conda()).packages[0].place == "/"


def test_dpkg() -> None:
    libc, odd = read("var/lib/dpkg/status", DPKG).packages
    assert libc == InstalledPackage(
        kind="deb",
        name="libc6",
        version="2.36-9",
        architecture="amd64",
        installed_size=13000 << 10,
        source="/var/lib/dpkg/status",
    )
    assert (odd.name, odd.version, odd.installed_size) == ("odd", "", None)
    (single,) = read("var/lib/dpkg/status.d/libc6", b"Package: libc6\nVersion: 2\n").packages
    assert (single.name, single.version) == ("libc6", "2")
    listed = b"/.\n/usr\n/usr/lib/python3/dist-packages/x-1.egg-info/PKG-INFO\n"
    assert read("var/lib/dpkg/info/python3-x.list", listed) == Database(
        owned=frozenset(["usr/lib/python3/dist-packages/x-1.egg-info/PKG-INFO"])
    )


@pytest.mark.parametrize("path", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_apk(path: str) -> None:
    found = read(path, APK)
    musl, busybox = found.packages
    assert (musl.name, musl.version, musl.architecture, musl.license) == ("musl", "1.2.5-r0", "x86_64", "MIT")
    assert (musl.size, musl.installed_size, musl.source) == (400000, 600000, f"/{path}")
    assert (busybox.name, busybox.size) == ("busybox", None)
    assert found.owned == {"usr/lib/python3.12/site-packages/x-1.dist-info/METADATA"}


def test_distributions() -> None:
    place = "usr/lib/python3.12/site-packages/flask-3.1.0.dist-info"
    (flask,) = read(f"{place}/METADATA", METADATA).packages
    assert (flask.kind, flask.name, flask.version, flask.license) == ("pypi", "Flask", "3.1.0", "BSD-3-Clause")
    assert flask.place == "/usr/lib/python3.12/site-packages"
    sizes = b'a.py,sha256=x,12\n"b,c.py",sha256=x,30\nMETADATA,,\nwrong,x,-1\nshort\n'
    assert read(f"{place}/RECORD", sizes).installed_size == 42


def test_a_hard_link_says_what_its_directory_is_called() -> None:
    path = "x/site-packages/typing_extensions-4.16.0.dist-info/METADATA"
    found = read_database(Entry(path, Kind.HARDLINK, 0o644, 0, link="cache/METADATA"))
    assert found is not None
    (package,) = found.packages
    assert (package.name, package.version) == ("typing_extensions", "4.16.0")
    assert read_database(Entry("x/conda-meta/x.json", Kind.HARDLINK, 0o644, 0, link="y")) is None


@pytest.mark.parametrize(
    "path",
    [
        "opt/conda/pkgs/flask-3-0/site-packages/flask-3.dist-info/METADATA",
        "opt/conda/pkgs/numpy-2-0/lib/python3.12/site-packages/numpy-2.dist-info/METADATA",
        "x/site-packages/setuptools/_vendor/wheel-1.dist-info/METADATA",
        "x/site-packages/flask-3.dist-info/RECORD.txt",
        "conda-meta/history",
        "conda-meta/x/y.json",
        "my-conda-meta/y.json",
        "home/var/lib/dpkg/status",
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/status.d/libc6.md5sums",
        "var/lib/dpkg/info/libc6.md5sums",
        "",
    ],
)
def test_what_is_no_database(path: str) -> None:
    assert reader_for(path) is None


@pytest.mark.parametrize("kind", [Kind.SYMLINK, Kind.FIFO, Kind.DIRECTORY])
def test_what_is_no_file(kind: Kind) -> None:
    assert read_database(Entry("var/lib/dpkg/status", kind, 0o644, 0, link="x")) is None


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("conda-meta/x.json", b"", "no record of conda"),
        ("conda-meta/x.json", b"[]", "no record of conda"),
        ("conda-meta/x.json", b'{"name": "x", "version": 1}', "no record of conda"),
        ("conda-meta/x.json", b"\xff", "no record of conda"),
        ("conda-meta/x.json", b'{"name":"x","version":"1","y":' + b"[" * 100_000, "no record of conda"),
        ("x/site-packages/x.dist-info/METADATA", b"Name: x\n\nVersion: 1\n", "names no distribution"),
        ("x/site-packages/x.dist-info/METADATA", b"\xff\0", "names no distribution"),
        ("x/site-packages/x.dist-info/RECORD", b"a" * 200_000, "no list of files"),
    ],
)
def test_damaged(path: str, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(path, content)


@pytest.mark.parametrize("path", ["conda-meta/x.json", "var/lib/dpkg/status", "lib/apk/db/installed"])
def test_too_large(path: str) -> None:
    def fail() -> bytes:
        raise AssertionError("read")

    entry = Entry(path, Kind.FILE, 0o644, 0, size=(64 << 20) + 1, content=iter(fail, b""))
    with pytest.raises(ValueError, match=r"67,108,865 bytes, more than"):
        read_database(entry)


def test_too_many_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "_MAX_PACKAGES", 3)
    read("var/lib/dpkg/status", b"Package: x\n\n" * 3)
    for path, content in (("var/lib/dpkg/status", b"Package: x\n\n"), ("lib/apk/db/installed", b"P:x\n\n")):
        with pytest.raises(ValueError, match="more than 3 packages"):
            read(path, content * 5)


def test_of_large_metadata_only_the_head_is_read() -> None:
    def chunks() -> object:
        yield METADATA.rstrip()[:-18]
        for _ in range(1 << 20):
            yield b"x" * (1 << 18)

    entry = Entry("x/site-packages/x.dist-info/METADATA", Kind.FILE, 0o644, 0, size=1 << 40, content=chunks())  # type: ignore[arg-type]
    found = read_database(entry)
    assert found is not None
    assert found.packages[0].name == "Flask"


def test_long_texts_are_cut() -> None:
    (package,) = read("conda-meta/x.json", conda(license="x" * 10_000, size=1 << 60)).packages
    assert len(package.license) == 1000
    assert package.size is None
