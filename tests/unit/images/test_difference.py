"""The first difference of two layers, whatever it is."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.archive.layer_writer import write_layer
from docker_envs.images.difference import Difference, first_difference
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable


def layer(entries: Iterable[Entry]) -> Layer:
    file = io.BytesIO()
    facts = write_layer(entries, file, source="test")
    descriptor = Descriptor(media_types.OCI_LAYER_GZIP, facts.digest, facts.size)
    return Layer(descriptor, partial(io.BytesIO, file.getvalue()), diff_id=facts.diff_id)


def entries(**changes: Any) -> list[Entry]:
    changed = msgspec.structs.replace(file_entry("a/b", b"content", mtime=7), **changes)
    return [Entry("a", Kind.DIRECTORY, 0o755, 1), changed, file_entry("a/c", b"last", mtime=7)]


def test_same_layers() -> None:
    assert first_difference(layer(entries()), layer(entries())) is None


@pytest.mark.parametrize(
    ("changes", "field", "expected", "found"),
    [
        ({"mode": 0o600}, "mode", "0o644", "0o600"),
        ({"mtime": 8}, "mtime", "7", "8"),
        ({"uid": 1}, "uid", "0", "1"),
        ({"gid": 2}, "gid", "0", "2"),
        ({"size": 8, "content": (b"content!",)}, "size", "7", "8"),
        ({"kind": Kind.SYMLINK, "size": 0, "content": (), "link": "x"}, "kind", "0", "2"),
        ({"xattrs": {"user.a": b"b"}}, "xattrs", "{}", "{'user.a': b'b'}"),
    ],
)
def test_a_field(changes: dict[str, Any], field: str, expected: str, found: str) -> None:
    difference = first_difference(layer(entries()), layer(entries(**changes)))
    assert difference == Difference("a/b", field, expected, found)
    assert str(difference) == f"`a/b`: {field} is {found} instead of {expected}"


def test_content() -> None:
    difference = first_difference(layer(entries()), layer(entries(content=(b"contenT",))))
    assert difference is not None
    assert (difference.path, difference.field) == ("a/b", "content")
    assert difference.expected.startswith("sha256:ed7002b4")


def test_entries_that_are_missing_or_elsewhere() -> None:
    everything = layer(entries())
    assert str(first_difference(everything, layer(entries()[:2]))) == "the next entry is missing instead of `a/c`"
    assert str(first_difference(layer(entries()[:2]), everything)) == "the next entry is `a/c` instead of missing"
    assert (
        str(first_difference(everything, layer([entries()[0], entries()[2]])))
        == "the next entry is `a/c` instead of `a/b`"
    )
