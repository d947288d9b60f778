"""Both formats of packages, whole and damaged."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.environments.conda.metadata import read_metadata
from docker_envs.errors import DockerEnvsError, FormatError
from tests.packages.build import File, Hardlink, PackageSpec, Symlink, archive_bytes, tar_bytes, text
from tests.unit.environments.conda.archives import compress_zstd, write_bytes, write_spec, write_zip

if TYPE_CHECKING:
    from docker_envs.environments.conda.package_archive import PackageArchive

SPEC = PackageSpec(
    "made",
    files={
        "a": text("a\n"),
        "b/c": File(bytes(range(256)) * 3),
        "d": Symlink("a"),
        "e": Hardlink("a"),
        "f": Hardlink("e"),
    },
)
ARCHIVES = {suffix: archive_bytes(SPEC, suffix) for suffix in (".conda", ".tar.bz2")}


def read_all(archive: PackageArchive) -> dict[str, bytes]:
    read_metadata(archive)
    return {entry.path: entry.read() for entry in archive.iter_entries()}


@pytest.mark.parametrize("suffix", ARCHIVES)
def test_both_formats_hold_the_same(tmp_path: Path, suffix: str) -> None:
    archive = write_spec(tmp_path, SPEC, suffix).archive
    assert read_all(archive) == {"a": b"a\n", "b/c": bytes(range(256)) * 3, "d": b"", "e": b"", "f": b""}
    assert [entry.path for entry in read_metadata(archive).paths] == ["a", "b/c", "d", "e", "f"]


@pytest.mark.parametrize("suffix", ARCHIVES)
@pytest.mark.parametrize("path", ["a", "e", "f"])
def test_one_file_hard_links_followed(tmp_path: Path, suffix: str, path: str) -> None:
    assert write_spec(tmp_path, SPEC, suffix).archive.read_content(path, limit=2) == b"a\n"


@pytest.mark.parametrize(
    ("path", "limit", "message"),
    [
        ("no", 9, "made-1.0-0.conda: hard link to `no`, which is not in the package"),
        ("a", 1, "made-1.0-0.conda: `a` has 2 bytes (limit 1)"),
    ],
)
def test_one_file_that_cannot_be_had(tmp_path: Path, path: str, limit: int, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        write_spec(tmp_path, SPEC).archive.read_content(path, limit=limit)
    assert str(caught.value) == message


def test_hard_links_in_a_circle(tmp_path: Path) -> None:
    tar = compress_zstd(tar_bytes([("a", Hardlink("b")), ("b", Hardlink("a"))]))
    archive = write_zip(tmp_path, {"pkg-made-1.0-0.tar.zst": tar, "info-made-1.0-0.tar.zst": tar}).archive
    with pytest.raises(FormatError, match="too many hard links lead to `a`"):
        archive.read_content("a", limit=9)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "expected one member `info-….tar.zst`, found 0"),
        ({"metadata.json": b"{}"}, "expected one member `info-….tar.zst`, found 0"),
        ({"info-a.tar.zst": b"", "info-b.tar.zst": b""}, "expected one member `info-….tar.zst`, found 2"),
    ],
)
def test_zip_files_that_are_no_packages(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        write_zip(tmp_path, members).archive.read_metadata()
    assert str(caught.value) == f"made-1.0-0.conda: {message}"


@pytest.mark.parametrize("name", ["made-1.0-0.conda", "made-1.0-0.tar.bz2"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"], ids=["empty", "a page"])
def test_files_that_are_no_archives(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        write_bytes(tmp_path, name, content).archive.read_metadata()
    assert str(caught.value).startswith(f"{name}: ")


def check_damaged(suffix: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = write_bytes(Path(folder), f"made-1.0-0{suffix}", content).archive
        read_all(archive)


@pytest.mark.parametrize("suffix", ARCHIVES)
@given(fraction=st.floats(0, 1, exclude_max=True))
def test_no_truncated_archive_passes(suffix: str, fraction: float) -> None:
    content = ARCHIVES[suffix]
    with pytest.raises(FormatError):
        check_damaged(suffix, content[: int(len(content) * fraction)])


@pytest.mark.parametrize("suffix", ARCHIVES)
@pytest.mark.parametrize("bits", [0x01, 0xFF])
def test_damaged_bytes_are_our_own_errors(tmp_path: Path, suffix: str, bits: int) -> None:
    """Whatever byte is wrong: the archive is read, or refused in our own words."""
    refused = []
    for position in range(len(ARCHIVES[suffix])):
        content = bytearray(ARCHIVES[suffix])
        content[position] ^= bits
        archive = write_bytes(tmp_path, f"made-1.0-0{suffix}", bytes(content)).archive
        try:
            read_all(archive)
        except DockerEnvsError as error:
            refused.append(str(error))
    assert all("made-1.0-0" in message for message in refused)
    assert len(refused) > len(ARCHIVES[suffix]) / 3
