"""Archives: what is read of them, and what is refused."""

from __future__ import annotations

import hashlib
import tarfile
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import DIRECTORY_MTIME, Kind
from docker_envs.environments.debian.archives.deb_archive import DebArchive
from docker_envs.environments.debian.archives.entries import DebLayer, iter_deb_entries
from docker_envs.environments.debian.archives.metadata import read_control
from docker_envs.errors import FormatError, PathEscapeError
from tests.packages.build import EPOCH, Directory, File, Hardlink, Symlink, tar_bytes, text
from tests.packages.deb import COMPRESSORS, MAGIC, ar_member, control_text, deb_bytes, write_deb
from tests.unit.environments.debian.systems import package, shown

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node

FILES: dict[str, Node] = {
    "etc/demo.conf": text("a=1\n"),
    "usr/bin/demo": File(b"\x7fELF" + bytes(60), 0o755),
    "usr/bin/su": File(b"x", 0o4755),
    "usr/lib/libdemo.so.1.2": File(b"\x7fELF\x02\x01" + bytes(60)),
    "usr/share/demo/template": text("t"),
    "usr/bin/zz": Hardlink("./usr/bin/demo"),
    "usr/lib/libdemo.so.1": Symlink("libdemo.so.1.2"),
    "var/lib/demo": Directory(0o700),
}
CONTROLS = {
    "conffiles": "/etc/demo.conf\nremove-on-upgrade /etc/old.conf\n",
    "postinst": "#!/bin/sh\nexit 0\n",
    "triggers": "# comment\nactivate-noawait ldconfig\ninterest /usr/lib/demo\n",
}


@pytest.mark.parametrize("suffix", COMPRESSORS)
def test_metadata(tmp_path: Path, suffix: str) -> None:
    read = package(tmp_path, "demo", FILES, controls=CONTROLS, suffix=suffix, Multi_Arch="same").metadata
    assert (read.name, read.control.version, read.control.architecture) == ("demo", "1.0-1", "amd64")
    assert read.control.file_stem == "demo:amd64"
    assert read.conffiles == ("etc/demo.conf",)
    assert read.scripts == {"postinst": "#!/bin/sh\nexit 0\n"}
    assert read.triggers == [("activate-noawait", "ldconfig"), ("interest", "/usr/lib/demo")]
    assert [entry.path for entry in read.files if entry.kind is not Kind.DIRECTORY] == sorted(
        set(FILES) - {"var/lib/demo"}
    )
    assert all(not list(entry.content) for entry in read.files)
    assert read.contents == {"usr/share/demo/template": b"t"}
    assert read.machines == {"usr/lib/libdemo.so.1.2": b"\x7fELF\x02\x01" + bytes(14)}
    assert set(read.control_files) == {"conffiles", "postinst", "triggers", "md5sums"}


def test_sums_are_computed_where_a_package_has_none(tmp_path: Path) -> None:
    read = package(tmp_path, "demo", FILES, has_md5sums=False).metadata
    assert read.md5sums["usr/bin/su"] == hashlib.md5(b"x").hexdigest()
    assert set(read.md5sums) == {path for path, node in FILES.items() if isinstance(node, File)}


def test_conffiles_have_sums_though_the_list_leaves_them_out(tmp_path: Path) -> None:
    controls = {**CONTROLS, "md5sums": f"{'0' * 32}  usr/bin/su\n"}
    read = package(tmp_path, "demo", FILES, controls=controls, has_md5sums=False).metadata
    assert read.md5sums == {"usr/bin/su": "0" * 32, "etc/demo.conf": hashlib.md5(b"a=1\n").hexdigest()}


def test_entries_are_the_files(tmp_path: Path) -> None:
    fixture = package(tmp_path, "demo", FILES)
    entries = {}
    for entry in iter_deb_entries(fixture.archive, fixture.metadata, DebLayer()):
        entry.content = (entry.read(),)
        entries[entry.path] = entry
    assert {path: entry.mode for path, entry in entries.items() if path in ("usr/bin/su", "var/lib/demo")} == {
        "usr/bin/su": 0o4755,
        "var/lib/demo": 0o700,
    }
    assert entries["usr/bin/zz"].link == "usr/bin/demo"
    assert {entry.mtime for entry in entries.values() if entry.kind is not Kind.DIRECTORY} == {EPOCH}
    assert {entry.mtime for entry in entries.values() if entry.kind is Kind.DIRECTORY} == {DIRECTORY_MTIME}
    without = iter_deb_entries(fixture.archive, fixture.metadata, DebLayer(keeps_set_id=False))
    assert next(entry.mode for entry in without if entry.path == "usr/bin/su") == 0o755


def test_the_record_of_an_image_without_dpkg(tmp_path: Path) -> None:
    fixture = package(tmp_path, "demo", {"bin/demo": text("x")}, Multi_Arch="same")
    found = shown(iter_deb_entries(fixture.archive, fixture.metadata, DebLayer(has_status=True)))
    status = found["var/lib/dpkg/status.d/demo"].decode()
    assert status.startswith("Package: demo\nStatus: install ok installed\nVersion")
    digest = hashlib.md5(b"x").hexdigest()
    assert found["var/lib/dpkg/status.d/demo.md5sums"] == f"{digest}  usr/bin/demo\n".encode()


def with_data(*members: tuple[str, File | Symlink | Hardlink | Directory]) -> bytes:
    return wrapped(tar_bytes([("./control", text(control_text("demo")))]), tar_bytes(members))


def wrapped(control: bytes, data: bytes) -> bytes:
    return MAGIC + b"".join(map(ar_member, ("debian-binary", "control.tar", "data.tar"), (b"2.0\n", control, data)))


def controls(*members: tuple[str, str]) -> bytes:
    return wrapped(tar_bytes([(name, text(content)) for name, content in members]), tar_bytes([]))


def device() -> bytes:
    member = tarfile.TarInfo("./dev/null")
    member.type, member.devmajor, member.devminor = tarfile.CHRTYPE, 1, 3
    return wrapped(tar_bytes([("./control", text(control_text("demo")))]), member.tobuf() + bytes(1024))


WHOLE = deb_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no `ar` archive"),
        (b"PK\3\4", "no `ar` archive"),
        (MAGIC, "it has no `control.tar`"),
        (MAGIC + ar_member("control.tar", b""), "format 2"),
        (MAGIC + ar_member("debian-binary", b"3.0\n"), "format 2"),
        (MAGIC + ar_member("debian-binary", b"2.0\n") + ar_member("control.tar.lzma", b"x"), "unknown compression"),
        (MAGIC + ar_member("debian-binary", b"2.0\n") + 20 * ar_member("x", b""), "among its first 16 members"),
        (WHOLE[:100], "truncated"),
        (WHOLE[:-40], "truncated"),
        (WHOLE[:58] + b"xx" + WHOLE[60:], "damaged or truncated `ar`"),
        (controls(), "it has no `control`"),
        (controls(("control", "Package: demo\nVersion: 1\n")), "`Architecture` is missing"),
        (controls(("control", control_text("../demo"))), "`Package` is missing or invalid"),
        (controls(("control", control_text("demo", Version="1/../2"))), "`Version` is missing or invalid"),
        (controls(("control", "nothing\n")), "line 'nothing' is not a field"),
        (controls(("control", control_text("demo") + "version: 2\n")), "field `version` stands twice"),
        (controls(("control", control_text("demo")), ("a/b", "")), "is no control file"),
        (controls(("control", control_text("demo")), ("control", "")), "comes twice"),
        (controls(("control", control_text("demo")), ("md5sums", "nothing")), "in its `md5sums`"),
        (with_data(("../x", text(""))), "outside of the root"),
        (with_data(("/x", text(""))), "outside of the root"),
        (with_data(("./x", Hardlink("../../etc/passwd"))), "outside of the root"),
        (device(), "is a device"),
    ],
)
def test_what_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "demo.deb").write_bytes(content)
    archive = DebArchive(tmp_path / "demo.deb")
    with pytest.raises(FormatError, match=message) as refused:
        list(iter_deb_entries(archive, read_control(archive), DebLayer()))
    assert str(refused.value).startswith("demo.deb: ")


def test_conffiles_stay_in_the_root(tmp_path: Path) -> None:
    with pytest.raises(PathEscapeError):
        read_control(DebArchive(write_deb(tmp_path, controls={"conffiles": "/../etc/passwd\n"})))


def test_too_large_controls(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"control files of 16,777,3.. bytes"):
        read_control(DebArchive(write_deb(tmp_path, controls={"templates": "x" * ((16 << 20) + 1)})))
