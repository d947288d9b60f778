"""Wheels as entries: what is installed, and what is refused."""

from __future__ import annotations

import stat
import subprocess
import sys
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.environments.pypi.installation import Installation
from docker_envs.environments.pypi.package import PypiPackage
from docker_envs.environments.pypi.planned import read_wheel
from docker_envs.environments.pypi.target import PypiTarget
from docker_envs.environments.pypi.wheel import Wheel
from docker_envs.errors import DockerEnvsError, FormatError, VerificationError
from docker_envs.oci.descriptor import Platform
from tests.packages.wheel import WHEEL, write_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

TARGET = Installation("/opt/conda", "3.11", "lib/python3.11/site-packages", 7)
SITE = "opt/conda/lib/python3.11/site-packages"
INFO = "demo-1.0.dist-info"
FULL = {
    "demo/__init__.py": b"def main(): ...\n",
    "demo/tool.sh": b"#!/bin/sh\n",
    "demo-1.0.data/purelib/pure.py": b"p",
    "demo-1.0.data/platlib/plat.py": b"q",
    "demo-1.0.data/headers/demo.h": b"h",
    "demo-1.0.data/data/share/demo/x.txt": b"x",
    "demo-1.0.data/scripts/old": b"#!python -u\nprint()\n",
    "demo-1.0.data/scripts/shell": b"#!/bin/sh\n#!python\n",
    f"{INFO}/entry_points.txt": b"[console_scripts]\nDemo-X = demo:main\nsub=demo.cli : App.run [extra]\n[x]\na = b\n",
    f"{INFO}/INSTALLER": b"somebody\n",
    f"{INFO}/direct_url.json": b'{"url": "file:///home/me"}',
}


def entries(path: Path, **options: Any) -> dict[str, tuple[bytes, int]]:
    with Wheel(path) as wheel:
        found = wheel.entries(TARGET, **options)
        assert [entry.path for entry in found] == sorted(
            (entry.path for entry in found), key=lambda path: path.split("/")
        )
        assert {(entry.mtime, entry.uid, entry.gid) for entry in found} == {(7, 0, 0)}
        result = {}
        for entry in found:
            content = entry.read()
            assert len(content) == entry.size
            result[entry.path] = (content, entry.mode)
        return result


def test_everything_goes_where_an_installer_puts_it(tmp_path: Path) -> None:
    found = entries(write_wheel(tmp_path, FULL, modes={"demo/tool.sh": 0o775}), requested=True)
    assert {path.removeprefix("opt/conda/"): mode for path, (_, mode) in found.items()} == {
        "bin/Demo-X": 0o755,
        "bin/old": 0o755,
        "bin/shell": 0o755,
        "bin/sub": 0o755,
        "include/python3.11/demo/demo.h": 0o644,
        "lib/python3.11/site-packages/demo/__init__.py": 0o644,
        "lib/python3.11/site-packages/demo/tool.sh": 0o755,
        "lib/python3.11/site-packages/pure.py": 0o644,
        "lib/python3.11/site-packages/plat.py": 0o644,
        "share/demo/x.txt": 0o644,
        **{
            f"lib/python3.11/site-packages/{INFO}/{name}": 0o644
            for name in ("METADATA", "WHEEL", "entry_points.txt", "INSTALLER", "REQUESTED", "RECORD")
        },
    }
    assert found[f"{SITE}/{INFO}/INSTALLER"][0] == b"docker-envs\n"
    assert found["opt/conda/bin/old"][0] == b"#!/opt/conda/bin/python3.11\nprint()\n"
    assert found["opt/conda/bin/shell"][0] == b"#!/bin/sh\n#!python\n"
    script = found["opt/conda/bin/sub"][0].decode()
    assert script.startswith("#!/opt/conda/bin/python3.11\n")
    assert "from demo.cli import App\n" in script
    assert "sys.exit(App.run())" in script


def test_the_record_is_that_of_what_is_installed(tmp_path: Path) -> None:
    """Checked by Python's own reader: every file is there with its hash and size, and none is missing."""
    found = entries(write_wheel(tmp_path, FULL))
    for path, (content, _) in found.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    code = (
        "import base64, hashlib, importlib.metadata as m, sys\n"
        "d = m.Distribution.at(sys.argv[1])\n"
        "for f in d.files:\n"
        "    content = f.locate().read_bytes()\n"
        "    if f.hash:\n"
        "        digest = base64.urlsafe_b64encode(hashlib.new(f.hash.mode, content).digest()).rstrip(b'=').decode()\n"
        "        assert (digest, len(content)) == (f.hash.value, f.size), f\n"
        "    print(f.locate().resolve())\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / SITE / INFO)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert listed == [str(tmp_path / path) for path in sorted(found, key=_relative)]


def _relative(path: str) -> str:
    inside = path.removeprefix(f"{SITE}/")
    return inside if inside != path else f"../../../{path.removeprefix('opt/conda/')}"


def test_where_it_came_from_and_what_is_left_out(tmp_path: Path) -> None:
    """A file that another package brings is in no layer and in no `RECORD`."""
    path = write_wheel(tmp_path, FULL)
    left_out = ("opt/conda/bin/sub", "opt/conda/share/demo/x.txt")
    found = entries(path, direct_url=b"{}", omitted=left_out)
    assert found[f"{SITE}/{INFO}/direct_url.json"] == (b"{}", 0o644)
    whole = entries(path)
    assert whole.keys() - found.keys() == set(left_out)
    record = found[f"{SITE}/{INFO}/RECORD"][0].decode()
    assert f"{INFO}/direct_url.json,sha256=RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o,2\n" in record
    assert "bin/Demo-X" in record
    assert "bin/sub" not in record
    assert "x.txt" not in record


def test_a_python_that_is_elsewhere(tmp_path: Path) -> None:
    target = Installation("/usr/local", "3.11", "lib/python3.11/dist-packages", 7, program="/usr/bin/python3.11")
    with Wheel(write_wheel(tmp_path, FULL)) as wheel:
        found = {entry.path: entry.read() for entry in wheel.entries(target)}
    assert found["usr/local/bin/sub"].startswith(b"#!/usr/bin/python3.11\n")
    assert found["usr/local/bin/old"].startswith(b"#!/usr/bin/python3.11\n")
    assert "usr/local/lib/python3.11/dist-packages/demo/__init__.py" in found
    assert "usr/local/include/python3.11/demo/demo.h" in found


def test_the_same_wheel_built_at_another_time_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shuffled = dict(sorted(FULL.items(), reverse=True))
    umask = dict.fromkeys(FULL, 0o664)
    assert entries(write_wheel(tmp_path / "a", FULL)) == entries(write_wheel(tmp_path / "b", shuffled, modes=umask))


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "a//b", "./a", "a\\b", "demo-1.0.data/x", "demo-1.0.data/y/z"]
)
def test_hostile_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(FormatError):
        entries(write_wheel(tmp_path, {name: b""}))


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"a": b"x"}, {"recorded": {"a": ""}}, "does not list `a`"),
        ({}, {"recorded": {"b": "b,sha256=AAAA,0"}}, "lists `b`, which is not there"),
        ({"a": b"x"}, {"recorded": {"a": "a,,"}}, "no hash of `a`"),
        ({"a": b"x"}, {"recorded": {"a": "a,md5=AAAA,1"}}, "no hash of `a`"),
        ({"a": b"x"}, {"recorded": {"a": "a,sha256=AAAA"}}, "malformed or repeated"),
        ({"a": b"x"}, {"recorded": {"a": "a,sha256=AAAA,1", "again": "a,sha256=AAAA,1"}}, "malformed or repeated"),
        ({"a": b"x"}, {"recorded": {"a": "a,sha256=AAAA,1"}}, "wrong digest"),
        ({"a": b"x"}, {"recorded": {"a": "a,sha256=AAAA,2"}}, "wrong size"),
        ({f"{INFO}/RECORD": b"\xff"}, {}, "no `RECORD`"),
        ({f"{INFO}/WHEEL": b"Wheel-Version: 2.0\n"}, {}, "version '2.0'"),
        ({f"{INFO}/WHEEL": b""}, {}, "version ''"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\n../x = a:b\n"}, {}, "unsafe"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\nx = a:b; import os\n"}, {}, "unsafe"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\nx = a\n"}, {}, "unsafe"),
        ({f"{INFO}/entry_points.txt": b"x"}, {}, "no entry points"),
        ({f"{INFO}/entry_points.txt": b"[console_scripts]\nx = a:b\n", "demo-1.0.data/scripts/x": b""}, {}, "one path"),
        ({"other-2.dist-info/METADATA": b""}, {}, "one `.dist-info`"),
        ({"a": b"/etc/passwd"}, {"modes": {"a": stat.S_IFLNK | 0o777}}, "no regular file"),
        ({}, {"name": "other-1.0-py3-none-any.whl"}, "one `.dist-info`"),
        ({}, {"name": "demo.whl"}, "no wheel"),
    ],
)
def test_what_is_no_wheel(tmp_path: Path, files: Mapping[str, bytes], options: dict[str, Any], message: str) -> None:
    with pytest.raises(DockerEnvsError, match=message) as caught:
        entries(write_wheel(tmp_path, files, **options))
    assert isinstance(caught.value, (FormatError, VerificationError))


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_damage(tmp_path: Path, damage: str) -> None:
    path = write_wheel(tmp_path, {"a": bytes(range(256)) * 40})
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[40] ^= 0xFF
    damaged = {"truncated": content[: len(content) // 2], "flipped": content, "empty": bytearray()}
    path.write_bytes(damaged[damage])
    with pytest.raises(DockerEnvsError) as caught:
        entries(path)
    assert isinstance(caught.value, (FormatError, VerificationError))


def test_what_it_says_about_itself(tmp_path: Path) -> None:
    with Wheel(write_wheel(tmp_path, {f"{INFO}/WHEEL": WHEEL})) as wheel:
        assert (wheel.name, wheel.version, list(map(str, wheel.tags))) == ("demo", "1.0", ["py3-none-any"])
        assert wheel.metadata["Name"] == "demo"


def damaged_names(path: Path, *, everywhere: bool) -> Path:
    """Write a wheel whose name of a file is no UTF-8: in all places, or only where the file begins."""
    old, new = "éé.py".encode(), b"\xff\xff\xff\xff.py"
    content = write_wheel(path, {"éé.py": b"x"}).read_bytes()
    wheel = path / "demo-1.0-py3-none-any.whl"
    wheel.write_bytes(content.replace(old, new) if everywhere else content.replace(old, new, 1))
    return wheel


def damaged_content(path: Path, method: int, skipped: int) -> Path:
    """Write a wheel with a compressed file of which some bytes differ."""
    with zipfile.ZipFile(write_wheel(path, {"a.py": b"x" * 3000})) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    wheel = path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", method) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        info = archive.getinfo("a.py")
    spoiled = bytearray(wheel.read_bytes())
    start = info.header_offset + 30 + len("a.py")
    for place in range(start + skipped, start + info.compress_size):
        spoiled[place] ^= 0x5A
    wheel.write_bytes(spoiled)
    return wheel


@pytest.mark.parametrize(
    "write",
    [
        partial(damaged_names, everywhere=True),
        partial(damaged_names, everywhere=False),
        partial(damaged_content, method=zipfile.ZIP_DEFLATED, skipped=0),
        partial(damaged_content, method=zipfile.ZIP_BZIP2, skipped=0),
        partial(damaged_content, method=zipfile.ZIP_LZMA, skipped=9),
        lambda path: write_wheel(path, {f"{INFO}/WHEEL": b"Wheel-Version: \xff\n"}),
        lambda path: write_wheel(path, {"a.py": b"x"}, recorded={"a.py": "a.py,sha256=xx," + "9" * 5000}),
    ],
    ids=["names", "name of a file", "deflate", "bzip2", "lzma", "version", "size"],
)
def test_damage_of_any_kind_is_an_error_of_the_wheel(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    with pytest.raises(FormatError, match=r"^demo-1\.0-py3-none-any\.whl: "):
        entries(write(tmp_path))


def test_requirements_that_nobody_understands_are_left_out(tmp_path: Path) -> None:
    lines = ["a; os_name ~= 'posix'", "b; 'x' in extras", "c; os_name == 'posix'", "d"]
    metadata = "Name: demo\nVersion: 1.0\n" + "".join(f"Requires-Dist: {line}\n" for line in lines)
    path = write_wheel(tmp_path, {f"{INFO}/METADATA": metadata.encode()})
    package = PypiPackage.from_url(path.as_uri())
    environment = PypiTarget(Platform("linux", "amd64"), "3.11").environment
    assert read_wheel(path, package, TARGET, sha256="0" * 64, size=1, environment=environment).requires == ("c", "d")
