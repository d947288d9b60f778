from __future__ import annotations

import hashlib
import io
import random
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.archive.compression import BLOCK_SIZES, Compression, CompressionSetting, open_decompressed
from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.archive.layer_writer import LayerFacts, LayerWriter, write_layer
from docker_envs.digest import Digest
from docker_envs.errors import BuildError
from tests.unit.archive.entries import entry_lists, pack
from tests.unit.memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTINGS = ["gzip:1", "zstd:1", "none"]
# 3 MiB, half of it noise; the shape of it must never change, see `test_golden_digests`.
INPUT = b"".join(hashlib.sha256(b"%d" % index).digest() + b"%032d" % index for index in range(3 << 14))


def write(pieces: list[bytes], compression: str, threads: int = 0) -> tuple[bytes, LayerFacts]:
    out = io.BytesIO()
    setting = CompressionSetting.parse(compression)
    if not threads:
        return _write(LayerWriter(out, compression=setting), pieces, out)
    with ThreadPoolExecutor(threads) as executor:
        return _write(LayerWriter(out, compression=setting, executor=executor), pieces, out)


def _write(writer: LayerWriter, pieces: list[bytes], out: io.BytesIO) -> tuple[bytes, LayerFacts]:
    for piece in pieces:
        writer.write(piece)
    facts = writer.close()
    return out.getvalue(), facts


def decompress(blob: bytes) -> bytes:
    with open_decompressed(io.BytesIO(blob), source="test") as stream:
        return stream.read()


@pytest.mark.parametrize(
    ("compression", "digest"),
    [
        ("gzip:1", "sha256:e7740c41a4c3977f52152f95d808a252a98516b19491508917c0c408443631f3"),
        ("zstd:1", "sha256:e19abc16a440c11a76d3accde07fe6544de7b27ae3822b52f1ff1b166ad114ea"),
        ("none", "sha256:2b326b3077f49061eea15bef1abd13e2d71427a76eadb08d7950cd4604cf4703"),
    ],
)
def test_golden_digests(compression: str, digest: str) -> None:
    """The bytes that we write for one input, fixed.

    When this fails, the bytes of every layer have changed (a new release of `deflate` or of zstd, another block size
    or level): raise `DIGEST_FORMAT` in `version.py`, so that no store mixes two generations, write the new digests
    here, and say so in the changelog. `none` depends on nothing but the input.
    """
    blob, facts = write([INPUT], compression)
    assert facts.digest == Digest.of(blob) == digest
    assert facts.diff_id == Digest.of(INPUT)


@pytest.mark.parametrize("compression", SETTINGS)
@given(cuts=st.lists(st.integers(0, len(INPUT)), max_size=8), threads=st.sampled_from([0, 1, 2, 7]))
def test_neither_cuts_nor_threads_change_the_bytes(compression: str, cuts: list[int], threads: int) -> None:
    ends = [*sorted(cuts), len(INPUT)]
    pieces = [INPUT[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert write(pieces, compression, threads) == _whole(compression)


_WHOLE: dict[str, tuple[bytes, LayerFacts]] = {}


def _whole(compression: str) -> tuple[bytes, LayerFacts]:
    return _WHOLE.setdefault(compression, write([INPUT], compression))


@pytest.mark.parametrize("compression", SETTINGS)
@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_blocks(compression: str, difference: int) -> None:
    size = BLOCK_SIZES[CompressionSetting.parse(compression).kind]
    text = random.Random(2).randbytes(64) * (2 * size // 64) + b"x"
    text = text[: 2 * size + difference]
    blob, facts = write([text], compression)
    assert decompress(blob) == text
    assert (facts.size, facts.tar_size) == (len(blob), len(text))
    if compression == "gzip:1":
        members = 3 if difference == 1 else 2
        assert blob.count(b"\x1f\x8b\x08\0\0\0\0\0") == members


@pytest.mark.parametrize("compression", SETTINGS)
def test_empty_layer(compression: str) -> None:
    blob, facts = write([], compression)
    assert decompress(blob) == b""
    assert facts == LayerFacts(Digest.of(blob), len(blob), Digest.of(b""), 0)
    # Nothing at all would be no gzip and no zstd stream.
    assert (blob == b"") is (compression == "none")


@pytest.mark.parametrize("compression", SETTINGS)
@given(items=entry_lists())
def test_facts_equal_what_the_bytes_say(compression: str, items: list[Entry]) -> None:
    out = io.BytesIO()
    facts = write_layer(items, out, source="test", compression=CompressionSetting.parse(compression))
    tar = pack(items)
    assert decompress(out.getvalue()) == tar
    blob = out.getvalue()
    assert facts == LayerFacts(Digest.of(blob), len(blob), Digest.of(tar), len(tar))


def noise(count: int) -> Iterator[bytes]:
    generator = random.Random(3)
    for _ in range(count):
        yield generator.randbytes(1 << 16)


class _Forgetting:
    def write(self, content: object, /) -> None:
        pass


@pytest.mark.parametrize("compression", SETTINGS)
def test_memory_is_bounded_by_a_few_blocks(compression: str) -> None:
    count = 1 << 10
    entry = Entry("big", Kind.FILE, 0o644, 0, size=count << 16, content=noise(count))
    setting = CompressionSetting.parse(compression)

    def write_all() -> None:
        with ThreadPoolExecutor(2) as executor:
            write_layer([entry], _Forgetting(), source="test", compression=setting, executor=executor)

    assert peak_memory(write_all) < 14 * BLOCK_SIZES[setting.kind]


class _Full:
    """A sink on a full disk."""

    def write(self, content: object, /) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("threads", [False, True])
def test_failure_of_the_sink_comes_out(threads: bool) -> None:
    items = [file_entry("big", INPUT, mtime=0)]
    with ThreadPoolExecutor(2) as executor, pytest.raises(OSError, match="No space left"):
        write_layer(items, _Full(), source="test", executor=executor if threads else None)


def test_failure_of_an_entry_leaves_no_work_behind() -> None:
    big = file_entry("big", INPUT * 2, mtime=0)
    with ThreadPoolExecutor(2) as executor, pytest.raises(BuildError, match="two entries share the path `big`"):
        write_layer([big, big], io.BytesIO(), source="test", executor=executor)


def test_default_is_gzip() -> None:
    out = io.BytesIO()
    write_layer([file_entry("a", b"text", mtime=0)], out, source="test")
    assert (
        out.getvalue()
        == write([pack([file_entry("a", b"text", mtime=0)])], str(CompressionSetting(Compression.GZIP)))[0]
    )
