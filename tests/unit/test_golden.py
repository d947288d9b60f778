"""Digests that must not change: layers are shared by their bytes, between machines, releases and years.

When a test here fails, our bytes for the same input have changed, be it by our doing or by a new version of a codec.
That is allowed only together with a higher `DIGEST_FORMAT` (which makes new keys) and an entry in CHANGELOG.md; then
put the new digests here.
"""

from __future__ import annotations

import io
from functools import cache
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.archive.layer_writer import LayerFacts, write_layer
from docker_envs.version import DIGEST_FORMAT
from tests.builds import docker_envs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT = 2
DIFF_ID = "sha256:5933963880686262be22be09a8c16de7f475ab2d5b6d3c8ebdef44b4aaf89ce1"

LAYERS = {
    "none": "sha256:5933963880686262be22be09a8c16de7f475ab2d5b6d3c8ebdef44b4aaf89ce1",
    "gzip": "sha256:d96578127be22422bef11c9d7927a0cead68f1fde71fabdbc5b80a3ca14a40e5",
    "gzip:6": "sha256:fadf931c28784018c4ab015d21ceed214c1656eeb52e51d872a45024d387d3fd",
    "zstd": "sha256:0d14e4472b83ad097931fcbb5c3b253828d783fae39378b60c40a22196d1efdd",
    "zstd:9": "sha256:d2069789ef0b0de29cf91650cefa85db860905c14a622b8815b49994fa9a5788",
}

#: One package of the fixture channel whose archive is bzip2, which has only one encoder.
PACKAGE_LAYER = "sha256:950e590ff37573d61bb7efca97ca709ba5664446ec49a72564c92deb1cf7af1d"
PACKAGE_DIFF_ID = "sha256:601fddc3841f0ad1781fa04af67f499935862732955e26749a0ec9868b995db1"
PACKAGE_KEY = "sha256:0cb32df6192e7d9c215ef69c32e522482a904669e43624e90736c36872b10370"
RECORD_LAYER = "sha256:9b0f478288ca785e4297e327f50da5ad0b901ba108a0f7c954d5d4175140aafe"
IMAGE = "sha256:435252e74fa3881f19e72d08fe5897b540b9a3d95530cafdb0d6ac9a9aa29c1b"


@cache
def numbers(count: int) -> bytes:
    """Text like that of programs: it compresses, and is longer than any block."""
    return b"".join(b"value_%d = compute(%d, mode=%d)\n" % (n, n * n % 9973, n % 7) for n in range(count))


@cache
def noise(count: int) -> bytes:
    """Bytes that do not compress, from a generator that is written down here (Lehmer, 48271)."""
    state, out = 1, bytearray()
    for _ in range(count):
        state = state * 48271 % 2147483647
        out.append(state >> 8 & 0xFF)
    return bytes(out)


def entries() -> Iterator[Entry]:
    """One entry of every kind, and files that are empty, long, incompressible, and longer than a block."""
    yield Entry("bin", Kind.DIRECTORY, 0o755, 1_600_000_000)
    yield file_entry("bin/empty", b"", mtime=0)
    yield file_entry("bin/program", b"#!/bin/sh\n", mode=0o755, mtime=1_700_000_000)
    yield Entry("bin/link", Kind.SYMLINK, 0o777, 1_600_000_000, link="program")
    yield Entry("bin/same", Kind.HARDLINK, 0o755, 1_700_000_000, link="bin/program")
    yield Entry("dev/null", Kind.CHARACTER_DEVICE, 0o666, 0, device=(1, 3))
    yield Entry("run/pipe", Kind.FIFO, 0o600, 0, uid=1000, gid=100)
    yield file_entry(f"share/{'long-' * 30}name", b"long\n", mtime=1)
    yield file_entry("share/ünicode", b"name\n", mtime=1)
    yield Entry("share/xattr", Kind.FILE, 0o644, 1, size=1, content=(b"x",), xattrs={"user.a": b"b"})
    yield file_entry("share/numbers", numbers(200_000), mtime=2)
    yield file_entry("share/noise", noise(300_000), mtime=2)


def pack(setting: str) -> LayerFacts:
    return write_layer(entries(), io.BytesIO(), source="golden", compression=CompressionSetting.parse(setting))


def test_the_format_is_the_one_that_the_digests_are_for() -> None:
    assert DIGEST_FORMAT == FORMAT


@pytest.mark.parametrize("setting", LAYERS)
def test_layers(setting: str) -> None:
    facts = pack(setting)
    assert facts.diff_id == DIFF_ID
    assert facts.digest == LAYERS[setting]


def test_an_image_of_a_package(channel: Path, tmp_path: Path) -> None:
    # A channel's name, the end of its path, is in the records of its packages.
    named = tmp_path / "golden"
    named.symlink_to(channel)
    wanted = ("--base", "scratch", "--platform", "linux/amd64", "-c", named.as_uri(), "legacy", "--json")
    (planned,) = docker_envs("plan", *wanted, cache=tmp_path / "cache").document["layers"]
    assert planned["key"] == PACKAGE_KEY
    built = docker_envs("build", *wanted, "-o", tmp_path / "image.tar", cache=tmp_path / "cache").document
    layer, record = built["layers"]
    assert layer["diff_id"] == PACKAGE_DIFF_ID
    assert layer["digest"] == PACKAGE_LAYER
    assert record["digest"] == RECORD_LAYER
    assert built["digest"] == IMAGE
