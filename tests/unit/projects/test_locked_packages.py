"""Packages of all kinds as a lock has them, and locks that somebody damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docker_envs.environments.debian.package import DebianPackage
from docker_envs.environments.pypi.package import PypiPackage, PypiSdist
from docker_envs.errors import FormatError
from docker_envs.projects.lock_file import LockedImage, make_lock, read_lock_file
from docker_envs.projects.lock_inputs import LockInputs
from docker_envs.projects.locked_packages import (
    LockedPackage,
    debian_packages,
    locked_packages,
    pypi_packages,
)

FOLDER = Path("/home/me/project")
SHA256 = "ab" * 32
WHEEL = "flask-3.0-py3-none-any.whl"

FLASK = PypiPackage.from_url(f"https://user:secret@index.example/f/{WHEEL}?token=secret", sha256=SHA256, size=7)
HIDDEN = PypiPackage.from_url(
    "https://index.example/download", file_name="other-1.0-py3-none-any.whl", sha256=SHA256, direct=True
).as_requested()
LOCAL = PypiPackage.from_url("file:///home/me/project/dist/own-1.0-py3-none-any.whl", sha256=SHA256)
SOURCE = PypiSdist("pure", "1.0", "https://index.example/pure-1.0.tar.gz", "pure-1.0.tar.gz", sha256=SHA256)
GIT = DebianPackage(
    *("git", "1:2.39-1", "amd64", "https://user:secret@apt.example/debian/pool/git_2.39-1_amd64.deb", SHA256, 9),
    requested=True,
)


def test_each_kind_is_written_with_what_it_needs() -> None:
    written = {each.qualified_name: each for each in locked_packages([FLASK, HIDDEN, LOCAL, SOURCE, GIT], FOLDER)}
    lines = {name: json.loads(_line(each)) for name, each in written.items()}
    assert lines["pypi:flask"] == {
        "kind": "pypi",
        "name": "flask",
        "version": "3.0",
        "url": f"https://index.example/f/{WHEEL}",
        "sha256": SHA256,
        "size": 7,
    }
    assert lines["pypi:other"]["file_name"] == "other-1.0-py3-none-any.whl"
    assert (lines["pypi:other"]["direct"], lines["pypi:other"]["requested"]) == (True, True)
    assert lines["pypi:own"]["url"] == "dist/own-1.0-py3-none-any.whl"
    assert lines["deb:git"] == {
        "kind": "deb",
        "name": "git",
        "version": "1:2.39-1",
        "architecture": "amd64",
        "url": "https://apt.example/debian/pool/git_2.39-1_amd64.deb",
        "sha256": SHA256,
        "size": 9,
        "requested": True,
    }
    assert "secret" not in repr(lines)


def _line(package: LockedPackage) -> str:
    image = LockedImage(declaration="x", inputs=LockInputs(), packages=(package,))
    (line,) = [each for each in make_lock({"": {"linux/amd64": image}}).to_text().splitlines() if '"url"' in each]
    return line


def test_what_was_written_is_read() -> None:
    written = locked_packages([FLASK, HIDDEN, LOCAL, SOURCE, GIT], FOLDER)
    found = {each.name: each for each in pypi_packages(written, FOLDER)}
    assert (found["other"], found["own"], found["pure"]) == (HIDDEN, LOCAL, SOURCE)
    assert found["flask"] == PypiPackage.from_url(f"https://index.example/f/{WHEEL}", sha256=SHA256, size=7)
    assert debian_packages(written, FOLDER, ["https://user:secret@apt.example/debian"]) == (GIT,)
    (public,) = debian_packages(written, FOLDER, ["https://apt.example/debian", "https://user@other.example"])
    assert public.url == GIT.public_url


def test_names_of_all_kinds() -> None:
    package = LockedPackage(kind="pypi", name="typing-extensions", version="1", url="u")
    assert package.is_among(["typing-extensions"])
    assert package.is_among(["other", "pypi:Typing_Extensions"])
    assert not package.is_among(["conda:typing-extensions", "deb:typing-extensions", "typing"])
    conda = LockedPackage(name="numpy", version="1", url="u")
    assert conda.is_among(["numpy"])
    assert conda.is_among(["conda:numpy"])
    assert not conda.is_among(["pypi:numpy"])


WHEEL_LINE = {"kind": "pypi", "name": "flask", "version": "3.0", "url": f"https://i.example/{WHEEL}", "sha256": SHA256}
DEB_LINE = {
    "kind": "deb",
    "name": "git",
    "version": "1",
    "architecture": "amd64",
    "url": "https://a.example/git_1_amd64.deb",
    "sha256": SHA256,
    "size": 1,
}


def write(folder: Path, *packages: dict[str, Any]) -> Path:
    image = {"declaration": "x", "inputs": {}, "packages": packages}
    path = folder / "docker-env.lock"
    path.write_text(json.dumps({"version": 1, "images": {"": {"linux/amd64": image}}}))
    return path


def test_lines_that_are_right(tmp_path: Path) -> None:
    lock = read_lock_file(write(tmp_path, WHEEL_LINE, DEB_LINE))
    assert [each.kind for each in lock.images[""]["linux/amd64"].packages] == ["pypi", "deb"]


@pytest.mark.parametrize(
    ("line", "changed", "message"),
    [
        (WHEEL_LINE, {"url": "https://i.example/download"}, "`flask` has no `file_name`"),
        (WHEEL_LINE, {"url": "https://i.example/flask.whl"}, "'flask.whl', which is not that of a wheel"),
        (WHEEL_LINE, {"file_name": "../flask-3.0-py3-none-any.whl"}, "`flask` has the file name"),
        (WHEEL_LINE, {"version": "3.1"}, "`flask` has the file name"),
        (WHEEL_LINE, {"sha256": None}, "`flask` has None for its `sha256`"),
        (DEB_LINE, {"sha256": "12"}, "`git` has '12' for its `sha256`, instead of 64 hexadecimal digits"),
        (DEB_LINE, {"sha256": "../" + SHA256[3:]}, "`git` has '../"),
        (DEB_LINE, {"size": None}, "`git` has no `architecture` or no `size`"),
        (DEB_LINE, {"size": -1}, "`git` has a size below zero"),
        (DEB_LINE, {"architecture": ""}, "`git` has no `architecture`"),
        (DEB_LINE, {"kind": "rpm"}, "`git` is of the kind 'rpm', which is not known"),
        (DEB_LINE, {"kind": "conda"}, "`git` has no `build` or no `subdir`"),
    ],
    ids=[
        "no file name",
        "no wheel",
        "a path",
        "another version",
        "no digest",
        "short digest",
        "a path for a digest",
        "no size",
        "negative size",
        "no architecture",
        "unknown kind",
        "no build",
    ],
)
def test_lines_that_are_wrong(tmp_path: Path, line: dict[str, Any], changed: dict[str, Any], message: str) -> None:
    path = write(tmp_path, {**line, **changed})
    with pytest.raises(FormatError) as caught:
        read_lock_file(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
