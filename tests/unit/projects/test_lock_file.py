"""Locks: read as they were written, a line for each package, without anything secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.errors import FormatError, NotFoundError
from docker_envs.projects.lock_file import (
    LockedBase,
    LockedImage,
    make_lock,
    read_lock_file,
    write_lock_file,
)
from docker_envs.projects.lock_inputs import LockInputs
from docker_envs.projects.locked_packages import conda_packages, locked_packages

FOLDER = Path("/home/me/project")
SHA256 = "0" * 64


def package(name: str, url: str) -> CondaPackage:
    return CondaPackage.from_url(f"{url}/linux-64/{name}-1.0-h_0.conda", sha256=SHA256)


PACKAGES = [
    package("zlib", "https://user:secret@conda.example/t/token/channel"),
    package("alpha", "file:///home/me/project/channel"),
    package("beta", "file:///somewhere/else"),
]
CHANNELS = ["https://user:secret@conda.example/t/token/channel", "conda-forge"]
INPUTS = LockInputs(base="debian:12", channels=("conda-forge",), specs=("alpha", "zlib"))


def image(**fields: object) -> LockedImage:
    base = LockedBase(name="debian:12", digest=f"sha256:{SHA256}")
    locked = locked_packages(PACKAGES, FOLDER)
    return LockedImage(declaration=str(INPUTS.digest), inputs=INPUTS, base=base, packages=locked)


LOCK = make_lock({"app": {"linux/amd64": image(), "linux/arm64": image()}, "": {"linux/amd64": image()}})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_lock_file(LOCK, tmp_path / "docker-env.lock")
    assert read_lock_file(tmp_path / "docker-env.lock") == LOCK
    assert json.loads(LOCK.to_text())["images"]["app"]["linux/amd64"]["base"]["name"] == "debian:12"


def test_a_line_for_each_package_sorted() -> None:
    lines = [line.strip() for line in make_lock({"app": {"linux/amd64": image()}}).to_text().splitlines()]
    names = [json.loads(line.rstrip(","))["name"] for line in lines if '"kind"' in line or '"sha256"' in line]
    assert names == ["alpha", "beta", "zlib"]


def test_empty_images() -> None:
    nothing = make_lock({"": {"linux/amd64": LockedImage(declaration="x", inputs=LockInputs())}})
    assert json.loads(nothing.to_text()) == {
        "version": 1,
        "images": {"": {"linux/amd64": {"declaration": "x", "inputs": {}}}},
    }


def test_addresses() -> None:
    urls = {each.name: each.url for each in image().packages}
    assert urls == {
        "zlib": "https://conda.example/channel/linux-64/zlib-1.0-h_0.conda",
        "alpha": "channel/linux-64/alpha-1.0-h_0.conda",
        "beta": "file:///somewhere/else/linux-64/beta-1.0-h_0.conda",
    }
    assert "secret" not in LOCK.to_text()
    assert "token" not in LOCK.to_text()
    found = {each.name: each.url for each in conda_packages(image().packages, FOLDER, CHANNELS)}
    assert found == {each.name: each.url for each in PACKAGES}
    moved = conda_packages(image().packages, Path("/other"), [])
    assert [each.url for each in moved if each.name == "alpha"] == [
        "file:///other/channel/linux-64/alpha-1.0-h_0.conda"
    ]


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        (LockInputs(base="debian:12", channels=("conda-forge",), specs=("alpha", "zlib")), []),
        (
            LockInputs(base="debian:13", channels=("bioconda", "conda-forge"), specs=("alpha", "numpy")),
            [
                "the base is `debian:13` instead of `debian:12`",
                "the channel `bioconda` is new",
                "the spec `numpy` is new",
                "the spec `zlib` is gone",
            ],
        ),
        (
            LockInputs(
                base="debian:12",
                channels=("conda-forge",),
                specs=("zlib", "alpha"),
                settings={"strategy": "lowest"},
                packages="sha256:1",
            ),
            [
                "the specs are in another order",
                "it is solved in another way",
                "the lock that it names has other packages",
            ],
        ),
    ],
)
def test_what_changed(now: LockInputs, changes: list[str]) -> None:
    assert INPUTS.changes(now) == changes


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"version": 1, "images": []}', b"\xff", b"<<<<<<< HEAD\n", b"[" * 100_000]
)
def test_no_lock(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "docker-env.lock").write_bytes(content)
    with pytest.raises(FormatError, match="no lock"):
        read_lock_file(tmp_path / "docker-env.lock")


def test_a_later_version(tmp_path: Path) -> None:
    (tmp_path / "docker-env.lock").write_text('{"version": 2, "images": {}}')
    with pytest.raises(FormatError, match="version 2"):
        read_lock_file(tmp_path / "docker-env.lock")


def test_a_lock_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no lock is at"):
        read_lock_file(tmp_path / "docker-env.lock")
