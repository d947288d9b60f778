"""What compiled files expect of the system, seen while they pass by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.environments.pypi.needed_libraries import SYSTEM_LIBRARIES, needed_library, with_needs

if TYPE_CHECKING:
    from collections.abc import Iterable

STRINGS = b"\x7fELF\0libstdc++.so.6\0libc.so.6\0"


def needs(*entries: Entry) -> list[Finding]:
    findings: list[Finding] = []
    read = [entry.read() for entry in with_needs(entries, package="demo", findings=findings)]
    assert len(read) == len(entries)
    return findings


def chunked(path: str, chunks: Iterable[bytes]) -> Entry:
    listed = list(chunks)
    return Entry(path, Kind.FILE, 0o644, 1, sum(map(len, listed)), listed)


def test_libraries_are_found_once_with_a_file_that_needs_them() -> None:
    found = needs(file_entry("a/one.so", STRINGS, mtime=1), file_entry("a/two.cpython-311.so", STRINGS, mtime=1))
    assert found == [Finding(FindingKind.NEEDED_LIBRARY, "demo", "a/one.so", "needs `libstdc++.so.6`")]
    assert SYSTEM_LIBRARIES[needed_library(found[0])] == "libstdc++6"


@pytest.mark.parametrize("cut", range(len(STRINGS)))
def test_names_are_found_wherever_chunks_end(cut: int) -> None:
    assert len(needs(chunked("a.so.1.2", [STRINGS[:cut], STRINGS[cut:]]))) == 1


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("a.py", STRINGS),
        ("a.so.txt", STRINGS),
        ("a.so", b"\0libstdc++-1a2b.so.6.0.30\0"),
        ("a.so", b"\0/opt/libstdc++.so.6\0"),
        ("a.so", b"\0libc.so.6\0"),
    ],
    ids=["text", "other suffix", "brought along", "a path", "the C library"],
)
def test_nothing_else_counts(path: str, content: bytes) -> None:
    assert needs(file_entry(path, content, mtime=1)) == []


def test_contents_pass_unchanged() -> None:
    chunks = [b"a" * 100, b"", b"b" * 5, STRINGS]
    (entry,) = with_needs([chunked("x.so", chunks)], package="demo", findings=[])
    assert entry.read() == b"".join(chunks)
