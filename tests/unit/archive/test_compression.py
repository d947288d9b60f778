from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import random
import sys
import zlib
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_envs.archive.compression import (
    Compression,
    CompressionSetting,
    DecompressedReader,
    detect,
    open_decompressed,
)
from docker_envs.errors import DockerEnvsError, FormatError, InvalidInputError
from docker_envs.streams import copy_stream
from tests.unit.memory import peak_memory

if TYPE_CHECKING:
    from typing_extensions import Buffer

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSED = [Compression.GZIP, Compression.ZSTD, Compression.BZIP2, Compression.XZ]
TEXT = random.Random(1).randbytes(70_000) + b"text " * 60_000


def compress(kind: Compression, content: bytes) -> bytes:
    if kind is Compression.GZIP:
        return gzip.compress(content, 6, mtime=0)
    if kind is Compression.ZSTD:
        return zstd.compress(content)
    if kind is Compression.BZIP2:
        return bz2.compress(content)
    return lzma.compress(content) if kind is Compression.XZ else content


def decompress(archive: bytes) -> bytes:
    with open_decompressed(io.BytesIO(archive), source="test") as stream:
        return stream.read()


@pytest.mark.parametrize("kind", Compression)
@given(content=st.one_of(st.binary(max_size=2000), st.sampled_from([b"", TEXT])))
def test_round_trip(kind: Compression, content: bytes) -> None:
    assert decompress(compress(kind, content)) == content


@pytest.mark.parametrize("kind", COMPRESSED)
def test_detected_by_first_bytes(kind: Compression) -> None:
    assert detect(compress(kind, b"")[:6]) is kind
    assert detect(compress(kind, TEXT)[:6]) is kind


@pytest.mark.parametrize("start", [b"", b"\x1f", b"BZhelp", b"BZh9xx", b"\xfd7zXZ", b"usr/bi"])
def test_plain_bytes_are_not_taken_for_compressed(start: bytes) -> None:
    assert detect(start) is Compression.NONE
    assert decompress(start) == start


@pytest.mark.parametrize("kind", COMPRESSED)
@given(parts=st.lists(st.sampled_from([b"", b"a", b"some text", TEXT]), min_size=1, max_size=4), step=st.integers(1, 9))
def test_members_follow_each_other(kind: Compression, parts: list[bytes], step: int) -> None:
    archive = b"".join(_member(kind, part) for part in parts)
    assert decompress(archive) == b"".join(parts)
    stream = DecompressedReader(_Dripping(archive, step * 1000), kind, source="test")
    assert stream.read() == b"".join(parts)


_member = cache(compress)


class _Dripping(io.BytesIO):
    def __init__(self, archive: bytes, step: int) -> None:
        super().__init__(archive)
        self.step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.step)


def test_skippable_zstd_frames_anywhere() -> None:
    skipped = b"\x5a\x2a\x4d\x18\x03\0\0\0abc"
    assert decompress(skipped + zstd.compress(b"one") + skipped + zstd.compress(b"two") + skipped) == b"onetwo"


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("zeros", [1, 4, 511, 1 << 17, 300_000])
def test_zeros_behind_members_are_padding(kind: Compression, zeros: int) -> None:
    member = compress(kind, b"text")
    assert decompress(member + bytes(zeros)) == b"text"
    assert decompress(member + bytes(zeros) + member + bytes(zeros)) == b"texttext"


@pytest.mark.parametrize("kind", COMPRESSED)
@pytest.mark.parametrize("zeros", [0, 5, 300_000])
def test_garbage_behind_members(kind: Compression, zeros: int) -> None:
    with pytest.raises(FormatError, match=f"test: (damaged|truncated) {kind} stream"):
        decompress(compress(kind, b"text") + bytes(zeros) + b"no member")


@pytest.mark.parametrize("kind", COMPRESSED)
def test_truncated_anywhere(kind: Compression) -> None:
    archive = compress(kind, TEXT[:1500])
    for length in range(6, len(archive)):
        with pytest.raises(FormatError, match=f"test: truncated {kind} stream"):
            decompress(archive[:length])


@pytest.mark.parametrize("kind", COMPRESSED)
@settings(max_examples=200)
@given(position=st.integers(0, 1500), flip=st.integers(1, 255))
def test_flipped_bytes_give_no_foreign_error(kind: Compression, position: int, flip: int) -> None:
    archive = bytearray(compress(kind, TEXT[:1500]))
    archive[position % len(archive)] ^= flip
    with contextlib.suppress(DockerEnvsError), DecompressedReader(io.BytesIO(archive), kind, source="test") as stream:
        stream.read()


def test_damaged_checksum_is_noticed() -> None:
    archive = bytearray(gzip.compress(b"text", mtime=0))
    archive[-6] ^= 1
    with pytest.raises(FormatError, match="damaged gzip stream"):
        decompress(bytes(archive))


def test_xz_stream_that_asks_for_too_much_memory() -> None:
    # LZMA2's dictionary size is one byte of the block header, which its checksum follows; 36 means 1 GiB.
    small = bytearray(lzma.compress(b"text", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]))
    small[16] = 36
    small[20:24] = _crc32(bytes(small[12:20]))
    with pytest.raises(FormatError, match=r"damaged xz stream .Memory usage limit"):
        decompress(bytes(small))


def _crc32(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "little")


class _Counting:
    """A sink that forgets what it takes."""

    def __init__(self) -> None:
        self.largest = 0

    def write(self, content: Buffer, /) -> None:
        self.largest = max(self.largest, memoryview(content).nbytes)


@pytest.mark.parametrize("kind", COMPRESSED)
def test_bomb_is_read_in_bounded_memory(kind: Compression) -> None:
    size = 64 << 20
    archive = compress(kind, bytes(size))
    assert len(archive) < size // 500
    sink = _Counting()

    def read_all() -> None:
        with open_decompressed(io.BytesIO(archive), source="test") as stream:
            assert copy_stream(stream, sink) == size

    assert peak_memory(read_all) < 16 << 20  # xz has a dictionary of 8 MiB
    assert 0 < sink.largest <= 1 << 18


@pytest.mark.parametrize("kind", Compression)
@given(sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_small_reads_give_the_same_bytes(kind: Compression, sizes: list[int]) -> None:
    with open_decompressed(io.BytesIO(compress(kind, TEXT[:50_000])), source="test") as stream:
        parts = [stream.read(size) for size in sizes]
        assert all(len(part) <= size for part, size in zip(parts, sizes, strict=True))
        assert stream.read(0) == b""
        assert b"".join([*parts, stream.read()]) == TEXT[:50_000]
        assert stream.read(1) == b""


def test_serves_buffered_readers_and_closes_what_is_underneath() -> None:
    below = io.BytesIO(gzip.compress(b"one\ntwo\n"))
    stream = open_decompressed(below, source="test")
    with io.BufferedReader(stream) as buffered:
        assert buffered.readlines() == [b"one\n", b"two\n"]
        assert not below.closed
    assert below.closed


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("gzip", "gzip:1"), ("gzip:12", "gzip:12"), ("zstd", "zstd:1"), ("zstd:19", "zstd:19"), ("none", "none")],
)
def test_settings(text: str, canonical: str) -> None:
    assert str(CompressionSetting.parse(text)) == canonical
    assert str(CompressionSetting.parse(canonical)) == canonical


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("lz4", "unknown compression 'lz4'", "use `gzip`, `zstd` or `none`, with a level as `gzip:6`"),
        ("gzip:", "unknown compression 'gzip:'", "use `gzip`, `zstd` or `none`, with a level as `gzip:6`"),
        ("gzip:-1", "unknown compression 'gzip:-1'", "use `gzip`, `zstd` or `none`, with a level as `gzip:6`"),
        ("gzip:0", "gzip has no level 0", "use a level from 1 to 12"),
        ("zstd:20", "zstd has no level 20", "use a level from 1 to 19"),
        ("none:1", "none has no level 1", "use a level from 0 to 0"),
        ("xz", "layers cannot be compressed with xz", "use `gzip`, `zstd` or `none`"),
    ],
)
def test_bad_settings(text: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        CompressionSetting.parse(text)
    assert str(caught.value) == message
    assert caught.value.hint == hint


@pytest.mark.parametrize("level", [1, 6, 12])
def test_gzip_header_says_nothing_of_the_host(level: int) -> None:
    header = bytes(CompressionSetting(Compression.GZIP, level).block_compressor()(b"text"))[:10]
    # RFC 1952, section 2.3.1: no flags (so no name), MTIME 0, and OS 255, unknown.
    assert (header[3], header[4:8], header[9]) == (0, bytes(4), 255)
