from __future__ import annotations

import bz2
import gc
import gzip
import io
import lzma
import os
import resource
import sys
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import DockerEnvsError, FormatError, PathEscapeError, StorageError
from docker_envs.transports.files import archive_files
from docker_envs.transports.files.archive_files import DirectoryFiles, TarFiles, read_small_file
from tests.packages.build import Directory, File, Hardlink, Node, Symlink, tar_bytes
from tests.unit.archive.entries import PATHS

if TYPE_CHECKING:
    from collections.abc import Callable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

BIG = bytes(range(256)) * 5000
MEMBERS: list[tuple[str, Node]] = [
    ("blobs", Directory()),
    ("blobs/one", File(b"one")),
    ("./two", File(BIG)),
    ("empty", File(b"")),
    ("sub/link", Symlink("../blobs/one")),
    ("sub/again", Symlink("link")),
    ("hard", Hardlink("blobs/one")),
]


def read(files: TarFiles, path: str) -> bytes:
    with files.open(path) as stream:
        return stream.read()


def tar_files(*members: tuple[str, Node]) -> TarFiles:
    return TarFiles(io.BytesIO(tar_bytes(members)))


def test_members_are_read_by_name() -> None:
    files = tar_files(*MEMBERS)
    assert [read(files, path) for path in ("blobs/one", "two", "empty")] == [b"one", BIG, b""]
    assert files.size("two") == len(BIG)
    assert files.has("two")
    assert not files.has("three")


def test_links_lead_to_members() -> None:
    files = tar_files(*MEMBERS)
    assert [read(files, path) for path in ("sub/link", "sub/again", "hard")] == [b"one"] * 3
    assert files.size("sub/again") == 3


def test_streams_are_independent() -> None:
    files = tar_files(*MEMBERS)
    with files.open("two") as first, files.open("two") as second:
        assert first.read(300) == BIG[:300]
        assert second.read(100) == BIG[:100]
        assert first.read() == BIG[300:]
        assert io.BufferedReader(cast("io.RawIOBase", second)).read() == BIG[100:]


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_in_every_format(tar_format: int) -> None:
    # ustar splits names at a slash, the others need headers of their own.
    name = f"{'a' * 90}/{'b' * 90}"
    files = TarFiles(io.BytesIO(tar_bytes([(name, File(b"x")), ("after", File(b"y"))], tar_format)))
    assert [read(files, name), read(files, "after")] == [b"x", b"y"]


@given(
    st.dictionaries(PATHS, st.binary(max_size=1500), max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_every_member_is_what_tarfile_wrote(contents: dict[str, bytes], tar_format: int) -> None:
    # Paths like `a//b/.` have one canonical form, so several names may stand for one member: the last one counts.
    expected = {
        "/".join(part for part in path.split("/") if part not in ("", ".")): content
        for path, content in contents.items()
    }
    expected.pop("", None)
    members = [(path, File(content)) for path, content in contents.items()]
    files = TarFiles(io.BytesIO(tar_bytes(members, tar_format)))
    assert {path: read(files, path) for path in expected} == expected


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


def fill(pipe: int, content: bytes) -> None:
    with os.fdopen(pipe, "wb") as end:
        end.write(content)


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("kind", ["path", "file", "memory", "moved", "pipe"])
def test_any_file_compressed_or_not(tmp_path: Path, compression: str, kind: str) -> None:
    content = COMPRESS[compression](tar_bytes(MEMBERS))
    path = tmp_path / "file.tar"
    path.write_bytes(b"junk" + content if kind == "moved" else content)
    if kind == "path":
        files = TarFiles(path)
    elif kind == "pipe":
        descriptor, end = os.pipe()
        writer = threading.Thread(target=fill, args=(end, content))
        writer.start()
        with os.fdopen(descriptor, "rb") as stream:
            files = TarFiles(stream)
        writer.join()
    elif kind == "memory":
        files = TarFiles(io.BytesIO(content))
    else:
        with path.open("rb") as file:
            file.seek(4 if kind == "moved" else 0)
            files = TarFiles(file)
            assert not file.closed
    assert read(files, "two") == BIG


def test_a_plain_file_is_not_copied(tmp_path: Path) -> None:
    path = tmp_path / "file.tar"
    path.write_bytes(tar_bytes(MEMBERS))
    files = TarFiles(path)
    with files.open("two") as stream, path.open("r+b") as file:
        content = path.read_bytes()
        file.seek(content.index(BIG))
        file.write(b"changed")
        file.flush()
        assert stream.read(7) == b"changed"


def test_an_open_archive_may_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file.tar"
    path.write_bytes(tar_bytes(MEMBERS))
    files = TarFiles(path)
    path.unlink()
    assert read(files, "two") == BIG


def test_the_descriptor_is_closed_with_the_last_stream() -> None:
    gc.collect()  # what other tests left
    before = set(Path("/dev/fd").iterdir())
    files = tar_files(*MEMBERS)
    stream = files.open("two")
    del files
    gc.collect()
    assert stream.read(4) == BIG[:4]
    del stream
    gc.collect()
    assert set(Path("/dev/fd").iterdir()) == before


@pytest.mark.parametrize(
    ("members", "path", "message"),
    [
        pytest.param([], "gone", "`gone` is missing", id="missing"),
        pytest.param([("a", Symlink("gone"))], "a", "`a` -> `gone` is missing", id="missing target"),
        pytest.param(
            [("a", Symlink("b")), ("b", Symlink("a"))], "a", "`a` is a link that leads in circles", id="cycle"
        ),
        pytest.param([("a", Symlink("a"))], "a", "leads in circles", id="itself"),
        pytest.param([("a", Hardlink("a"))], "a", "leads in circles", id="hard link to itself"),
        pytest.param([("a", Directory())], "a", "`a` is no file", id="directory"),
        pytest.param([("a", Symlink("/etc/passwd"))], "a", "'a -> /etc/passwd' points outside", id="absolute target"),
        pytest.param([("d/a", Symlink("../../x"))], "d/a", "points outside", id="target above"),
        pytest.param([("a", Hardlink("../x"))], "a", "points outside", id="hard link above"),
    ],
)
def test_what_cannot_be_opened(members: list[tuple[str, Node]], path: str, message: str) -> None:
    files = tar_files(*members)
    with pytest.raises(FormatError, match=message.replace("(", r"\(")):
        files.open(path)
    with pytest.raises(FormatError):
        files.size(path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", ".."])
def test_names_outside_of_the_archive_are_refused(name: str) -> None:
    with pytest.raises(PathEscapeError, match="outside"):
        tar_files(("fine", File(b"")), (name, File(b"")))


def test_a_truncated_archive_names_the_member() -> None:
    content = tar_bytes(MEMBERS)
    cut = content[: content.index(BIG) + 1000]
    with pytest.raises(FormatError, match=r"truncated tar archive: `./two` has 1,280,000 bytes, only 1,000 are left"):
        TarFiles(io.BytesIO(cut))


def test_an_impossible_size_is_refused_before_anything_is_read() -> None:
    member = tarfile.TarInfo("huge")
    member.size = 1 << 60
    with pytest.raises(FormatError, match="`huge` has"):
        TarFiles(io.BytesIO(member.tobuf(tarfile.PAX_FORMAT)))


@pytest.mark.parametrize(
    "content",
    [
        b"no tar" * 200,
        b"short",
        gzip.compress(b"no tar" * 200),
        gzip.compress(tar_bytes(MEMBERS))[:-20],
        b"\x1f\x8bdamaged",
    ],
    ids=["text", "short", "compressed text", "truncated gzip", "damaged gzip"],
)
def test_what_is_no_archive(content: bytes) -> None:
    with pytest.raises(FormatError):
        TarFiles(io.BytesIO(content))


@given(st.binary(max_size=700), st.integers(0, 6000))
def test_damage_never_raises_anything_else(noise: bytes, position: int) -> None:
    content = bytearray(tar_bytes([(path, node) for path, node in MEMBERS if path != "./two"]))
    content[position : position + len(noise)] = noise
    try:
        files = TarFiles(io.BytesIO(content))
        for path in ("blobs/one", "sub/again", "hard"):
            read(files, path)
    except DockerEnvsError:
        pass


def test_the_number_of_members_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_files, "MAX_MEMBERS", 3)
    with pytest.raises(FormatError, match="more than 3 members"):
        tar_files(*MEMBERS)


def test_small_files_are_limited() -> None:
    files = tar_files(*MEMBERS)
    assert read_small_file(files, "two", len(BIG)) == BIG
    with pytest.raises(FormatError, match=r"`two` has 1,280,000 bytes, more than the limit of 1,000"):
        read_small_file(files, "two", 1000)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        TarFiles(tmp_path / "gone.tar")
    with pytest.raises(StorageError, match="is a directory"):
        TarFiles(tmp_path)


def test_a_disk_too_full_to_decompress(tmp_path: Path) -> None:
    path = tmp_path / "file.tar.gz"
    path.write_bytes(gzip.compress(tar_bytes(MEMBERS)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match=r"cannot unpack .*file\.tar\.gz"):
            TarFiles(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_files_below_a_directory(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/file").write_bytes(b"content")
    files = DirectoryFiles(tmp_path)
    assert files.has("sub/file")
    assert not files.has("sub")
    assert files.size("sub/file") == 7
    assert files.host_path("sub/file") == tmp_path / "sub/file"
    assert read_small_file(files, "sub/file", 7) == b"content"
    for method in (files.size, files.open, files.host_path):
        with pytest.raises(FormatError, match="`sub/gone` is missing"):
            cast("Callable[[str], BinaryIO]", method)("sub/gone")
