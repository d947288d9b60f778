"""What a base has, and what an upgrade of its packages leaves of it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import directory_entry, file_entry
from docker_envs.environments.debian.system.base import NEEDED, BaseSystem
from docker_envs.environments.debian.system.model import Diversion
from docker_envs.errors import FormatError
from tests.packages.build import text
from tests.unit.environments.debian.systems import package, script, system

if TYPE_CHECKING:
    from pathlib import Path

MINE = hashlib.md5(b"shipped\n").hexdigest()
STATUS = f"""\
Package: demo
Status: install ok installed
Version: 0.9-1
Architecture: amd64
Conffiles:
 /etc/demo.conf {MINE}
 /etc/obsolete {MINE}

Package: gone
Status: deinstall ok config-files
Version: 1
Architecture: amd64

Package: other
Status: hold ok installed
Version: 2
Architecture: all
"""
CONTENTS = {
    "var/lib/dpkg/status": STATUS.encode(),
    "var/lib/dpkg/info/demo.list": (
        b"/.\n/usr\n/usr/bin/old\n/bin/moved\n/etc/demo.conf\n/etc/obsolete\n/usr/share/both\n"
    ),
    "var/lib/dpkg/info/other:amd64.list": b"/.\n/usr/share/both\n",
    "var/lib/dpkg/diversions": b"/bin/sh\n/bin/sh.distrib\ndash\n/etc/x\n/etc/x.real\n:\n",
    "usr/lib/os-release": b'ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian GNU/Linux 12"\n# comment\n',
    "etc/demo.conf": b"shipped\n",
}
FILES = ("usr/bin/old", "usr/bin/moved", "etc/demo.conf", "etc/obsolete", "usr/share/both", *CONTENTS)


def base(**contents: bytes) -> BaseSystem:
    known = {**CONTENTS, **{name.replace("__", "/"): content for name, content in contents.items()}}
    entries = [file_entry(path, b"x", mtime=1) for path in FILES]
    return BaseSystem((directory_entry("usr"), *entries), known)


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("var/lib/dpkg/status", True),
        ("var/lib/dpkg/info/demo.list", True),
        ("var/lib/dpkg/info/demo.postinst", False),
        ("etc/passwd", True),
        ("etc/ssl/certs/a.pem", False),
        ("usr/lib/os-release", True),
        ("usr/share/keyrings/debian.gpg", True),
        ("usr/share/keyrings/deep/debian.gpg", False),
        ("usr/bin/python3", False),
        ("root/etc/passwd", False),
    ],
)
def test_which_contents_are_needed(path: str, needed: bool) -> None:
    assert (NEEDED.match(path) is not None) is needed


def test_a_base_tells_what_it_has() -> None:
    found = base()
    assert found.versions == {"demo": "0.9-1", "other": "2"}
    assert [(each.name, each.held) for each in found.installed("amd64")] == [("demo", False), ("other", True)]
    assert found.release["VERSION_CODENAME"] == "bookworm"
    assert found.release["PRETTY_NAME"] == "Debian GNU/Linux 12"
    assert found.diversions["/bin/sh"] == Diversion("/bin/sh", "/bin/sh.distrib", "dash")
    assert found.diversions["/etc/x"].package == ""


def test_a_base_without_dpkg_has_a_file_for_each_package() -> None:
    apart = {
        "var/lib/dpkg/status.d/one": b"Package: one\nVersion: 1\nArchitecture: amd64\n",
        "var/lib/dpkg/status.d/one.md5sums": b"0" * 32 + b"  usr/bin/one\n",
    }
    found = BaseSystem((file_entry("usr/bin/one", b"", mtime=1),), apart)
    assert found.versions == {"one": "1"}


def test_nothing_has_nothing() -> None:
    assert (BaseSystem().versions, BaseSystem().release, BaseSystem().diversions) == ({}, {}, {})


def test_a_damaged_list_is_an_error() -> None:
    with pytest.raises(FormatError, match="the base's list of packages"):
        _ = base(var__lib__dpkg__status=b"no field\n").versions


def test_another_version_removes_what_nobody_has_any_more(tmp_path: Path) -> None:
    newer = package(tmp_path, files={"usr/bin/new": text("n"), "bin/moved": text("m")})
    assert system(newer, base=base()).removed == ("usr/bin/old",)
    # Configuration stays; what another package lists as well stays; what is there again is not removed.
    first = package(tmp_path, name="fresh", files={"usr/bin/new": text("n")})
    assert system(first, base=base()).removed == ()


def test_configuration_that_is_as_it_was_shipped_is_replaced(tmp_path: Path) -> None:
    newer = package(tmp_path, files={"etc/demo.conf": text("2\n")}, controls={"conffiles": "/etc/demo.conf\n"})
    left_out = system(newer, base=base()).placements["demo"].left_out
    assert left_out == frozenset()
    changed = base(etc__demo__conf=b"").contents
    kept = BaseSystem(base().entries, {**changed, "etc/demo.conf": b"mine\n"})
    assert system(newer, base=kept).placements["demo"].left_out == {"etc/demo.conf"}


def test_scripts_know_that_it_is_an_upgrade(tmp_path: Path) -> None:
    lines = 'if [ -n "$2" ] && dpkg --compare-versions "$2" lt 1.0; then mkdir -p "/var/from-$2"; fi'
    newer = package(tmp_path, controls=script(lines))
    paths = {entry.path for entry in system(newer, base=base()).entries}
    assert "var/from-0.9-1" in paths
    assert not any(path.startswith("var/from") for path in {entry.path for entry in system(newer).entries})


def test_diversions_of_the_base_hold_for_new_packages(tmp_path: Path) -> None:
    shell = package(tmp_path, files={"bin/sh": text("another")})
    found = system(shell, base=base())
    assert found.placements["demo"].diversions == {"usr/bin/sh": "usr/bin/sh.distrib"}
    database = next(entry.read() for entry in found.entries if entry.path == "var/lib/dpkg/diversions")
    assert database == CONTENTS["var/lib/dpkg/diversions"]
