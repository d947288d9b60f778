from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.archive import tar_header
from docker_envs.archive.entry import DIRECTORY_MODE, DIRECTORY_MTIME, Entry, Kind, directory_entry, file_entry
from docker_envs.errors import BuildError
from tests.unit.archive.entries import Facts, entry_lists, facts, pack, tarfile_facts, unpack


def add_parents(items: list[Entry]) -> list[Facts]:
    """What the writer should write: the entries, and each missing parent once, before its first child."""
    written: dict[str, Facts] = {}
    for entry in items:
        parts = entry.path.split("/")
        for end in range(1, len(parts)):
            parent = directory_entry("/".join(parts[:end]))
            written.setdefault(parent.path, facts(parent))
        written.setdefault(entry.path, facts(entry))
    return list(written.values())


@given(entry_lists())
def test_tarfile_reads_what_was_written(items: list[Entry]) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(items)), mode="r:", errorlevel=2) as archive:
        assert tarfile_facts(archive) == add_parents(items)


@given(entry_lists())
def test_reader_reads_what_was_written(items: list[Entry]) -> None:
    archive = pack(items)
    assert unpack(archive) == add_parents(items)
    assert len(archive) % 512 == 0
    assert archive.endswith(bytes(1024))


@given(entry_lists())
def test_same_entries_give_same_bytes(items: list[Entry]) -> None:
    assert pack(items) == pack(items)


@given(entry_lists(), st.integers(1, 700))
def test_cuts_of_the_content_do_not_matter(items: list[Entry], step: int) -> None:
    whole = pack(items)
    for entry in items:
        text = entry.read()
        entry.content = [text[start : start + step] for start in range(0, len(text), step)]
    assert pack(items) == whole


def test_pax_headers_only_where_ustar_is_too_small() -> None:
    short = file_entry("d/" + "n" * 100, b"x", mtime=1)
    assert len(pack([short])) == (2 + 1 + 2) * 512
    assert b"PaxHeader" not in pack([short])
    assert b"PaxHeader" in pack([file_entry("d/" + "n" * 101, b"x", mtime=1)])
    assert b"PaxHeader" in pack([file_entry("é", b"x", mtime=1)])


@pytest.mark.parametrize("name", [1, 99, 100, 101])
@pytest.mark.parametrize("prefix", [98, 99, 100, 154, 155, 156, 157])
@pytest.mark.parametrize("kind", [Kind.FILE, Kind.DIRECTORY])
def test_limits_of_name_and_prefix(prefix: int, name: int, kind: Kind) -> None:
    """POSIX pax, "ustar Interchange Format": name 100, prefix 155 bytes, the slash between them in neither."""
    entry = Entry("p" * prefix + "/" + "n" * name, kind, 0o755, 0)
    archive = pack([entry])
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", errorlevel=2) as read:
        assert tarfile_facts(read) == add_parents([entry])
    assert unpack(archive) == add_parents([entry])


def test_size_beyond_octal_digits() -> None:
    entry = Entry("huge", Kind.FILE, 0o644, 0, size=8 << 30)
    with tarfile.open(fileobj=io.BytesIO(tar_header.encode(entry)), mode="r:") as archive:
        member = archive.next()
    assert member is not None
    assert member.size == 8 << 30


def test_parents_come_once_with_constant_attributes() -> None:
    items = [file_entry(path, b"", mtime=5) for path in ("a/b/one", "a/b/two", "a/three")]
    written = unpack(pack(items))
    assert [entry.path for entry in written] == ["a", "a/b", "a/b/one", "a/b/two", "a/three"]
    assert {(entry.mode, entry.mtime, entry.owner) for entry in written[:2]} == {
        (DIRECTORY_MODE, DIRECTORY_MTIME, (0, 0))
    }


def test_own_attributes_of_a_directory_that_comes_before_its_children() -> None:
    own = Entry("tmp", Kind.DIRECTORY, 0o1777, 7, uid=3)
    written = unpack(pack([own, file_entry("tmp/x", b"", mtime=5), directory_entry("tmp")]))
    assert [entry.path for entry in written] == ["tmp", "tmp/x"]
    assert written[0] == facts(own)


LINK = Entry("lib", Kind.SYMLINK, 0o777, 0, link="usr/lib")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([file_entry("a", b"", mtime=0), file_entry("a", b"", mtime=0)], "two entries share the path `a`"),
        ([file_entry("a/b", b"", mtime=0), file_entry("a", b"", mtime=0)], "two entries share the path `a`"),
        ([file_entry("a", b"", mtime=0), directory_entry("a")], "two entries share the path `a`"),
        ([file_entry("a", b"", mtime=0), file_entry("a/b", b"", mtime=0)],
         "`a/b` cannot be below `a`, which is no directory"),
        ([LINK, file_entry("lib/x/y", b"", mtime=0)], "`lib/x/y` cannot be below `lib`, which is no directory"),
        ([file_entry("d/.wh.x", b"", mtime=0)],
         "a layer cannot hold `d/.wh.x`: names that start with `.wh.` mean deletions there"),
        ([file_entry(".wh.d/x", b"", mtime=0)],
         "a layer cannot hold `.wh.d`: names that start with `.wh.` mean deletions there"),
        ([Entry("a", Kind.FILE, 0, 0, size=3, content=(b"ab",))], "`a` has 2 bytes instead of the declared 3"),
        ([Entry("a", Kind.FILE, 0, 0, size=3, content=(b"ab", b"cd"))], "`a` has 4 bytes instead of the declared 3"),
        ([Entry("a", Kind.BLOCK_DEVICE, 0, 0, device=(1 << 21, 0))],
         "a layer cannot hold the device number (2097152, 0)"),
    ],
    ids=["file-twice", "file-over-directory", "directory-over-file", "file-as-parent", "link-as-parent", "whiteout",
         "whiteout-parent", "content-short", "content-long", "device"],
)  # fmt: skip
def test_refused(items: list[Entry], message: str) -> None:
    with pytest.raises(BuildError) as caught:
        pack(items)
    assert str(caught.value).endswith(message)


def test_names_that_only_look_like_whiteouts() -> None:
    names = ["a.wh.b", "d.wh./x", "wh.x"]
    written = unpack(pack([file_entry(name, b"", mtime=0) for name in names]))
    assert [entry.path for entry in written if entry.kind == Kind.FILE.value] == names
