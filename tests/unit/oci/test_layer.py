from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import Compression
from docker_envs.archive.entry import file_entry
from docker_envs.archive.reader import iter_entries
from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, DockerEnvsError, SizeMismatchError
from docker_envs.oci.layer import Layer, file_layer
from tests.unit.images import make_layer, text_layer

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.streams import ByteSource


def never() -> ByteSource:
    raise AssertionError("a fact must not open the layer")


def with_blob(layer: Layer, blob: bytes) -> Layer:
    return dataclasses.replace(layer, opener=lambda: io.BytesIO(blob))


def test_facts_open_nothing() -> None:
    layer = dataclasses.replace(text_layer("a"), opener=never)
    other = layer.with_media_type("application/x")
    assert (other.digest, other.size, other.media_type) == (layer.digest, layer.size, "application/x")
    assert layer == dataclasses.replace(text_layer("a"), opener=never)
    assert "never" not in repr(layer)


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD, Compression.NONE])
def test_blob_and_tar(compression: Compression) -> None:
    layer = text_layer("a", "text", compression=compression)
    with layer.open_blob() as blob:
        assert Digest.of(blob.read()) == layer.digest
    with layer.open_tar() as tar:
        assert [(entry.path, entry.read()) for entry in iter_entries(tar, source="test")] == [("a", b"text")]
    with layer.open_tar() as tar:
        assert Digest.of(tar.read()) == layer.diff_id


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD, Compression.NONE])
def test_any_flipped_bit_is_noticed_by_who_reads_entries(compression: Compression) -> None:
    layer = text_layer("a", "text", compression=compression)
    with layer.open_blob() as stream:
        blob = stream.read()
    for position in range(len(blob)):
        damaged = bytearray(blob)
        damaged[position] ^= 4
        with pytest.raises(DockerEnvsError), with_blob(layer, bytes(damaged)).open_tar() as tar:
            list(iter_entries(tar, source="test"))


def test_wrong_diff_id() -> None:
    layer = dataclasses.replace(text_layer("a"), diff_id=Digest.of(b"other"))
    with pytest.raises(DigestMismatchError, match=r"layer [0-9a-f]{12} \(uncompressed\): wrong digest"):
        layer.open_tar().read()


@pytest.mark.parametrize("change", [b"", b"x"], ids=["short", "long"])
def test_wrong_size(change: bytes) -> None:
    layer = text_layer("a")
    with layer.open_blob() as stream:
        blob = stream.read()
    with pytest.raises(SizeMismatchError):
        with_blob(layer, blob + change if change else blob[:-1]).open_blob().read()


def test_streams_are_closed(tmp_path: Path) -> None:
    layer = make_layer(file_entry("a", b"text", mtime=0))
    path = tmp_path / "blob"
    with layer.open_blob() as stream:
        path.write_bytes(stream.read())
    stored = file_layer(layer.descriptor, layer.diff_id, path)
    assert stored == layer
    assert stored.host_path == path
    opened: list[ByteSource] = []

    def open_and_note() -> ByteSource:
        opened.append(path.open("rb"))
        return opened[-1]

    with dataclasses.replace(stored, opener=open_and_note).open_tar() as tar:
        tar.read(1)
    assert [stream.closed for stream in opened if isinstance(stream, io.IOBase)] == [True]
