"""Records: what is written is read back, and what is damaged is refused."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import partial

import pytest

from docker_envs.archive.layer_writer import write_layer
from docker_envs.errors import DigestMismatchError, FormatError
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.edit import append_layer, with_config
from docker_envs.oci.image import Image, scratch
from docker_envs.oci.layer import Layer
from docker_envs.records.record import (
    RECORD_LABEL,
    Record,
    RecordedLayer,
    RecordedPackage,
    make_record,
    parse_record,
    read_records,
    record_entries,
    record_label,
)

PACKAGE = RecordedPackage(
    kind="conda",
    name="zlib",
    version="1.3.1",
    build="h_0",
    subdir="linux-64",
    url="https://conda.example/linux-64/zlib-1.3.1-h_0.conda",
    sha256="0" * 64,
    size=100,
    license="Zlib",
)
RECORD = make_record(
    digest_format=2,
    platform="linux/amd64",
    prefix="/opt/conda",
    packages=(PACKAGE,),
    layers=(RecordedLayer(diff_id="sha256:" + "1" * 64, packages=("zlib",)),),
)


def layer_of(record: Record) -> Layer:
    file = io.BytesIO()
    facts = write_layer(record_entries(record), file, source="record")
    descriptor = Descriptor(media_types.OCI_LAYER_GZIP, facts.digest, facts.size)
    return Layer(descriptor, partial(io.BytesIO, file.getvalue()), diff_id=facts.diff_id)


def with_record(image: Image, layer: Layer) -> Image:
    labels = record_label(image, layer)
    image = append_layer(image, layer, history={})
    return with_config(image, image.config.with_labels(labels))


def test_read_back() -> None:
    assert parse_record(RECORD.to_bytes(), source="test") == RECORD
    assert RECORD.to_bytes() == parse_record(RECORD.to_bytes(), source="test").to_bytes()


def test_records_of_an_image_lowest_first() -> None:
    second = make_record(digest_format=2, platform="linux/amd64", prefix="/opt/other")
    image = with_record(scratch(Platform("linux", "amd64")), layer_of(RECORD))
    assert [found.record for found in read_records(image)] == [RECORD]
    image = with_record(image, layer_of(second))
    assert [found.record for found in read_records(image)] == [RECORD, second]
    assert len(image.config.labels[RECORD_LABEL].split()) == 2


def test_only_layers_with_records_are_read() -> None:
    def fail() -> io.BytesIO:
        raise AssertionError("read")

    other = replace(layer_of(make_record(digest_format=1, platform="", prefix="/x")), opener=fail)
    image = with_record(append_layer(scratch(Platform("linux", "amd64")), other, history={}), layer_of(RECORD))
    assert [found.record for found in read_records(image)] == [RECORD]


def test_image_without_record() -> None:
    assert read_records(scratch(Platform("linux", "amd64"))) == []


def test_damaged_layer() -> None:
    layer = layer_of(RECORD)
    wrong = replace(layer, diff_id=layer_of(make_record(digest_format=1, platform="", prefix="/x")).diff_id)
    with pytest.raises(DigestMismatchError):
        read_records(with_record(scratch(Platform("linux", "amd64")), wrong))


def test_layer_without_record() -> None:
    file = io.BytesIO()
    facts = write_layer([], file, source="empty")
    descriptor = Descriptor(media_types.OCI_LAYER_GZIP, facts.digest, facts.size)
    layer = Layer(descriptor, partial(io.BytesIO, file.getvalue()), diff_id=facts.diff_id)
    with pytest.raises(FormatError, match="no record"):
        read_records(with_record(scratch(Platform("linux", "amd64")), layer))


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"version":"1"}', b"\xff", b"[" * 100_000])
def test_no_record(content: bytes) -> None:
    with pytest.raises(FormatError, match="no record"):
        parse_record(content, source="test")


def test_later_version() -> None:
    content = RECORD.to_bytes().replace(b'"version":1,', b'"version":2,').replace(b'"version":1}', b'"version":2}')
    with pytest.raises(FormatError, match="version 2"):
        parse_record(content, source="test")
