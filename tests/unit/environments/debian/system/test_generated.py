"""What the system layer has beside what scripts ask for: database, certificates, cache of libraries, shells, PAM."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Entry, Kind, directory_entry, file_entry
from docker_envs.environments.debian.system.base import BaseSystem
from docker_envs.environments.debian.system.dpkg_database import merged_status
from docker_envs.environments.debian.system.files import SystemFiles
from docker_envs.environments.debian.system.library_cache import library_cache
from docker_envs.environments.debian.system.subject_hash import subject_hash
from docker_envs.errors import FormatError
from tests.packages.build import File, Symlink, text
from tests.unit.environments.debian.systems import layer, package, script, shown, system

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node

#: ISRG Root X2, whose hash OpenSSL gives as 0b9bc432.
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIICGzCCAaGgAwIBAgIQQdKd0XLq7qeAwSxs6S+HUjAKBggqhkjOPQQDAzBPMQsw
CQYDVQQGEwJVUzEpMCcGA1UEChMgSW50ZXJuZXQgU2VjdXJpdHkgUmVzZWFyY2gg
R3JvdXAxFTATBgNVBAMTDElTUkcgUm9vdCBYMjAeFw0yMDA5MDQwMDAwMDBaFw00
MDA5MTcxNjAwMDBaME8xCzAJBgNVBAYTAlVTMSkwJwYDVQQKEyBJbnRlcm5ldCBT
ZWN1cml0eSBSZXNlYXJjaCBHcm91cDEVMBMGA1UEAxMMSVNSRyBSb290IFgyMHYw
EAYHKoZIzj0CAQYFK4EEACIDYgAEzZvVn4CDCuwJSvMWSj5cz3es3mcFDR0HttwW
+1qLFNvicWDEukWVEYmO6gbf9yoWHKS5xcUy4APgHoIYOIvXRdgKam7mAHf7AlF9
ItgKbppbd9/w+kHsOdx1ymgHDB/qo0IwQDAOBgNVHQ8BAf8EBAMCAQYwDwYDVR0T
AQH/BAUwAwEB/zAdBgNVHQ4EFgQUfEKWrt5LSDv6kviejM9ti6lyN5UwCgYIKoZI
zj0EAwMDaAAwZQIwe3lORlCEwkSHRhtFcP9Ymd70/aTSVaYgLXTWNLxBo1BfASdW
tL4ndQavEi51mI38AjEAi/V3bNTIZargCyzuFJ0nN6T5U6VR5CmD1/iQMVtCnwr1
/q4AaOeMSQ+2b1tbFfLn
-----END CERTIFICATE-----
"""
ELF = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00\x3e\x00" + bytes(44)


def status(name: str) -> str:
    return f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"


def test_hash_of_a_subject() -> None:
    assert subject_hash(CERTIFICATE.encode(), source="x") == "0b9bc432"


@pytest.mark.parametrize(
    "damaged",
    [b"", b"-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----", CERTIFICATE[:400].encode() + b"-----END "],
)
def test_what_is_no_certificate(damaged: bytes) -> None:
    with pytest.raises(FormatError, match="x: "):
        subject_hash(damaged, source="x")


def test_certificates(tmp_path: Path) -> None:
    files: dict[str, Node] = {
        "usr/share/ca-certificates/mozilla/ISRG (X2).crt": text(CERTIFICATE.rstrip()),
        "usr/share/ca-certificates/mozilla/Other.crt": text(CERTIFICATE),
    }
    made = system(package(tmp_path, "ca-certificates", files, controls=script("update-ca-certificates")))
    found = shown(made.entries)
    assert found["etc/ssl/certs/ca-certificates.crt"] == (CERTIFICATE * 2).encode()
    assert found["etc/ssl/certs/ISRG_=X2=.pem"] == "-> /usr/share/ca-certificates/mozilla/ISRG (X2).crt"
    assert {found[f"etc/ssl/certs/0b9bc432.{number}"] for number in (0, 1)} == {"-> ISRG_=X2=.pem", "-> Other.pem"}
    assert found["etc/ca-certificates.conf"].endswith(b"#\nmozilla/ISRG (X2).crt\nmozilla/Other.crt\n")


def test_cache_of_libraries() -> None:
    entries = [
        Entry("usr/lib/a/libx.so.1.9", Kind.FILE, 0o644, 0, size=64),
        Entry("usr/lib/a/liby.so.10", Kind.FILE, 0o644, 0, size=64),
        Entry("opt/l/libz.so", Kind.FILE, 0o644, 0, size=64),
        Entry("usr/lib/a/libx.so.1", Kind.SYMLINK, 0o777, 0, link="libx.so.1.9"),
        Entry("usr/lib/a/notes.so", Kind.FILE, 0o644, 0, size=64),
        Entry("usr/lib/a/lib32.so", Kind.FILE, 0o644, 0, size=64),
        Entry("lib", Kind.SYMLINK, 0o777, 0, link="usr/lib"),
        *(file_entry(path, b"x", mtime=0) for path in ("etc/ld.so.conf", "etc/ld.so.conf.d/a.conf")),
    ]
    contents = {"etc/ld.so.conf": b"include ld.so.conf.d/*.conf\n"}
    contents["etc/ld.so.conf.d/a.conf"] = b"# c\n/opt/l/\n/lib/a\n"
    machines = {entry.path: ELF[:20] for entry in entries if entry.size == 64}
    machines["usr/lib/a/lib32.so"] = b"\x7fELF\x01\x01" + bytes(12) + b"\x03\x00"
    cache = library_cache(SystemFiles([], entries, contents), machines, "amd64")
    assert cache is not None
    assert cache.startswith(b"glibc-ld.so.cache1.1")
    (count,) = struct.unpack_from("<I", cache, 20)
    found = []
    for number in range(count):
        flags, key, value, _, hardware = struct.unpack_from("<iIIIQ", cache, 48 + 24 * number)
        assert (flags, hardware) == (0x0303, 0)
        found.append(tuple(cache[at:].partition(b"\0")[0].decode() for at in (key, value)))
    assert found == [
        ("libz.so", "/opt/l/libz.so"),
        ("liby.so.10", "/lib/a/liby.so.10"),
        ("libx.so.1", "/lib/a/libx.so.1"),
    ]
    assert library_cache(SystemFiles([], [], {}), {}, "m68k") is None


def test_what_a_base_has_in_its_cache_stays() -> None:
    library = Entry("opt/l/libz.so.1", Kind.FILE, 0o644, 0, size=64)
    config = file_entry("etc/ld.so.conf", b"/opt/l\n", mtime=0)
    contents = {"etc/ld.so.conf": b"/opt/l\n"}
    old = library_cache(SystemFiles([], [library, config], contents), {library.path: ELF[:20]}, "amd64")
    assert old is not None
    place = file_entry("etc/ld.so.cache", old, mtime=0)
    kept = SystemFiles([library, config, place], [], {**contents, "etc/ld.so.cache": old})
    assert library_cache(kept, {}, "amd64") == old
    gone = SystemFiles([config, place], [], {**contents, "etc/ld.so.cache": old})
    assert b"libz" not in (library_cache(gone, {}, "amd64") or b"")
    damaged = SystemFiles([library, place], [], {"etc/ld.so.cache": old[:60]})
    assert b"libz" not in (library_cache(damaged, {}, "amd64") or b"")


def test_a_base_from_before_the_merge_keeps_its_directories(tmp_path: Path) -> None:
    demo = package(tmp_path, "demo", {"bin/demo": text(""), "sbin/demo": text("")})
    made = system(demo, base=BaseSystem([directory_entry("bin"), directory_entry("usr")]))
    assert {path for path in layer(demo, made) if path.endswith("bin/demo")} == {"bin/demo", "usr/sbin/demo"}


def test_database(tmp_path: Path) -> None:
    dpkg = package(tmp_path, "dpkg", {"etc/dpkg.cfg": text("")}, controls={"conffiles": "/etc/dpkg.cfg\n"})
    files: dict[str, Node] = {"bin/x": File(b"x", 0o755), "bin/y": Symlink("x")}
    triggers = {"triggers": "interest-noawait /usr/lib/x\ninterest y\n"}
    other = package(tmp_path, "other", files, controls=triggers, Multi_Arch="same")
    made = system(dpkg, other)
    found = shown(made.entries)
    assert found["var/lib/dpkg/info/other:amd64.list"] == b"/.\n/bin\n/bin/x\n/bin/y\n"
    assert found["var/lib/dpkg/triggers/File"] == b"/usr/lib/x other:amd64/noawait\n"
    assert found["var/lib/dpkg/triggers/y"] == b"other:amd64\n"
    assert found["var/lib/dpkg/arch"] == b"amd64\n"
    paragraphs = found["var/lib/dpkg/status"].decode().split("\n\n")
    assert paragraphs[0].endswith(
        "Status: install ok installed\nMaintainer: Nobody <nobody@example.org>\nArchitecture: amd64\nVersion: 1.0-1\n"
        "Conffiles:\n /etc/dpkg.cfg d41d8cd98f00b204e9800998ecf8427e\nDescription: a fixture"
    )
    assert not [path for path in layer(other, made) if path.startswith("var/")]


def test_packages_on_a_base(tmp_path: Path) -> None:
    """Its database and accounts are gone on with, its links followed, and what it has not overwritten."""
    installed = "\n".join(map(status, ("base", "demo", "zlib")))
    known = {"var/lib/dpkg/status": installed.encode(), "etc/passwd": b"root:x:0:0:::\n"}
    entries = [file_entry(path, content, mtime=0) for path, content in known.items()]
    links = [Entry(name, Kind.SYMLINK, 0o777, 0, link=f"usr/{name}") for name in ("bin", "lib", "sbin")]
    text_of_script = "[ -e /etc/passwd ] || exit 1\nadduser --system --no-create-home x\nchmod 600 /etc/motd"
    entries.append(file_entry("etc/motd", b"hello", mtime=0))
    demo = package(tmp_path, "demo", {"bin/demo": text("")}, controls=script(text_of_script))
    made = system(demo, base=BaseSystem([*entries, *links], known))
    found = shown(made.entries)
    assert re.findall(r"Package: (\w+)", found["var/lib/dpkg/status"].decode()) == ["base", "demo", "zlib"]
    assert found["var/lib/dpkg/status"].decode().count("Version: 1.0-1") == 1
    assert found["etc/passwd"] == b"root:x:0:0:::\nx:x:100:65534::/home/x:/usr/sbin/nologin\n"
    assert "bin" not in found
    assert [finding.command for finding in made.findings] == ["chmod 600 /etc/motd"]


def test_a_damaged_status_of_the_base() -> None:
    with pytest.raises(FormatError, match=r"the base's `/var/lib/dpkg/status`: line .* is not a field"):
        merged_status("nothing\n", [])


def test_nothing_depends_on_the_order_given(tmp_path: Path) -> None:
    names = ("cc", "aa", "bb")
    many = [package(tmp_path, name, controls=script(f"useradd -r {name}")) for name in names]
    assert shown(system(*many).entries) == shown(system(*reversed(many)).entries)
