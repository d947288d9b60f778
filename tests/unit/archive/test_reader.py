from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docker_envs.archive import tar_header
from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.archive.reader import iter_entries
from docker_envs.errors import DockerEnvsError, FormatError, PathEscapeError
from tests.unit.archive.entries import Facts, content, entry_lists, pack, tarfile_facts, unpack
from tests.unit.memory import peak_memory

if TYPE_CHECKING:
    from docker_envs.streams import ByteSource


def tar_by_tarfile(items: list[Entry], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for entry in items:
            member = tarfile.TarInfo(entry.path)
            member.type = entry.kind.value.encode()
            member.mode, member.mtime, member.size = entry.mode, entry.mtime, entry.size
            member.uid, member.gid, member.linkname = entry.uid, entry.gid, entry.link
            member.devmajor, member.devminor = entry.device
            if form == tarfile.PAX_FORMAT:
                member.pax_headers = {
                    f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
                    for name, value in entry.xattrs.items()
                }
            try:
                archive.addfile(member, io.BytesIO(entry.read()) if entry.kind is Kind.FILE else None)
            except (ValueError, UnicodeEncodeError):
                continue  # what this format cannot hold
    return out.getvalue()


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@given(items=entry_lists())
def test_reads_what_tarfile_wrote(items: list[Entry], form: int) -> None:
    archive = tar_by_tarfile(items, form)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", errorlevel=2) as expected:
        assert unpack(archive) == tarfile_facts(expected)


class Dripping(io.BytesIO):
    """Gives a few bytes at a time, as sockets may."""

    def __init__(self, archive: bytes, step: int) -> None:
        super().__init__(archive)
        self.step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(self.step, size) if size is not None and size >= 0 else self.step)


@given(entry_lists(), st.integers(100, 5000))
def test_cuts_of_the_stream_do_not_matter(items: list[Entry], step: int) -> None:
    archive = pack(items)
    found = [entry.path for entry in iter_entries(Dripping(archive, step), source="test")]
    assert found == [entry.path for entry in unpack(archive)]


@given(entry_lists(), st.sets(st.integers(0, 8)))
def test_contents_may_be_left_unread(items: list[Entry], read: set[int]) -> None:
    archive = pack(items)
    expected = unpack(archive)
    for index, entry in enumerate(iter_entries(io.BytesIO(archive), source="test")):
        if index in read:
            assert entry.read() == expected[index].content
        assert entry.path == expected[index].path


def test_padding_behind_the_end_is_read_to_the_end() -> None:
    stream = io.BytesIO(pack([]) + bytes(1 << 20) + b"anything")
    assert list(iter_entries(stream, source="test")) == []
    assert stream.read() == b""


SAMPLE = pack([
    file_entry("a/b", b"hello", mtime=1), file_entry("é" * 80, content(1200), mtime=2),
    Entry("a/link", Kind.HARDLINK, 0o644, 0, link="a/b"), Entry("s", Kind.SYMLINK, 0o777, -5, link="x" * 200),
])  # fmt: skip


def unpack_or(archive: bytes, message: str = "") -> list[Facts] | None:
    """What the reader says, None for an error of ours with `message`; all others fail the test."""
    try:
        return unpack(archive)
    except DockerEnvsError as error:
        if message not in str(error):
            raise
        return None


def test_truncated_anywhere() -> None:
    whole = unpack(SAMPLE)
    for length in range(len(SAMPLE) - 1024):
        found = unpack_or(SAMPLE[:length], "test: truncated tar archive")
        # The end mark may be missing, as `tarfile` and Go allow; no entry may be cut.
        assert found is None or found == whole[: len(found)], length
        assert not found or len(found) < len(whole), length


@settings(max_examples=500)
@given(st.integers(0, len(SAMPLE) - 1), st.integers(1, 255))
def test_flipped_bytes_give_no_foreign_error(position: int, flip: int) -> None:
    damaged = bytearray(SAMPLE)
    damaged[position] ^= flip
    unpack_or(bytes(damaged))


def header(**changes: bytes) -> bytes:
    """A header block with fields replaced and a right checksum."""
    block = bytearray(tar_header.encode(Entry("name", Kind.FILE, 0o644, 0)))
    places = {"name": 0, "mode": 100, "uid": 108, "size": 124, "mtime": 136, "flag": 156, "link": 157, "device": 329}
    for field, value in changes.items():
        block[places[field] : places[field] + len(value)] = value
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 256)
    return bytes(block)


@settings(max_examples=500)
@given(st.integers(0, 511).filter(lambda position: not 148 <= position < 156), st.binary(min_size=1, max_size=12))
def test_odd_fields_under_a_right_checksum_give_no_foreign_error(position: int, value: bytes) -> None:
    block = bytearray(header())
    block[position : min(512, position + len(value))] = value[: 512 - position]
    if position < 148:
        del block[512:]
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 256)
    unpack_or(bytes(block) + bytes(2048))


def pax(records: bytes, *, flag: bytes = b"x") -> bytes:
    return header(flag=flag, size=b"%011o" % len(records)) + records + tar_header.padding(len(records))


def record(name: str, value: bytes) -> bytes:
    body = b" " + name.encode() + b"=" + value + b"\n"
    length = len(body) + 1
    while length != len(body) + len(str(length)):
        length += 1
    return b"%d" % length + body


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (header(name=b"../x\0"), "path '../x' points outside of the root"),
        (header(name=b"a/../../x\0"), "path 'a/../../x' points outside of the root"),
        (header(name=b"/etc/passwd\0"), "path '/etc/passwd' points outside of the root"),
        (header(name=b"./\0\0\0"), None),
        (header(name=b"\0\0\0\0"), "path '' points outside of the root"),
        (header(name=b".\0\0\0"), "path '' points outside of the root"),
        (header(flag=b"1", link=b"../x"), "path '../x' points outside of the root"),
        (header(flag=b"1", link=b"/x"), "path '/x' points outside of the root"),
        (header(flag=b"1"), "path '' points outside of the root"),
        (pax(record("path", b"a\0b")) + header(), "damaged pax header (path=b'a\\x00b')"),
        (pax(record("path", b"/abs")) + header(), "path '/abs' points outside of the root"),
        (pax(record("linkpath", b"../up")) + header(flag=b"1"), "path '../up' points outside of the root"),
        (pax(record("linkpath", b"a\0b")) + header(flag=b"2"), "damaged pax header (linkpath=b'a\\x00b')"),
    ],
    ids=["dotdot", "dotdot-inside", "absolute", "root-directory", "empty", "root-file", "hardlink-dotdot",
         "hardlink-absolute", "hardlink-empty", "pax-nul", "pax-absolute", "pax-hardlink", "pax-link-nul"],
)  # fmt: skip
def test_names_that_leave_the_root(archive: bytes, message: str | None) -> None:
    if message is None:
        assert unpack(archive + bytes(1024)) == []
        return
    with pytest.raises((PathEscapeError, FormatError)) as caught:
        unpack(archive + bytes(1024))
    assert str(caught.value) == f"test: {message}"


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"x" * 512, "damaged tar header (no number: b'xxxxxxxx')"),
        (header()[:100] + b"1" + header()[101:], "no tar archive, or a damaged one (wrong header checksum)"),
        (header(size=b"77777777777"), "truncated tar archive"),
        (header(size=b"\x80\0\0\0\x7f" + bytes(7)), "tar entry 'name' has an impossible size, owner or time"),
        (header(size=b"\xff" * 12), "tar entry 'name' has an impossible size, owner or time"),
        (header(size=b"-0000000001"), "damaged tar header (no number: b'-0000000001\\x00')"),
        (header(size=b"0_000000001"), "damaged tar header (no number: b'0_000000001\\x00')"),
        (header(size=b"0000000009\0"), "damaged tar header (no number: b'0000000009\\x00\\x00')"),
        (header(uid=b"\x81" + b"z" * 7), "damaged tar header (no number: b'\\x81zzzzzzz')"),
        (header(uid=b"\xff" * 8), "tar entry 'name' has an impossible size, owner or time"),
        (header(flag=b"S"), "tar entry 'name' has the unsupported type b'S'"),
        (header(flag=b"V"), "tar entry 'name' has the unsupported type b'V'"),
        (pax(record("GNU.sparse.major", b"1")) + header(), "tar entry 'name' is a sparse file, which is not supported"),
        (pax(record("size", b"-1")) + header(), "tar entry 'name' has an impossible size, owner or time"),
        (pax(record("size", b"1_0")) + header(), "damaged pax header (size=b'1_0')"),
        (pax(record("mtime", b"9" * 6000)) + header(), f"damaged pax header (mtime=b'{'9' * 40}')"),
        (pax(b"99 path=a\n") + header(), "damaged pax header"),
        (pax(b"-5 path=a\n") + header(), "damaged pax header"),
        (pax(b"1 path=a\n") + header(), "damaged pax header"),
        (pax(b"1_0 path=a\n") + header(), "damaged pax header"),
        (pax(b"10 path:a\n") + header(), "damaged pax header"),
        (pax(b"10 path=a\0") + header(), "damaged pax header"),
        (pax(b"5 =a\n") + header(), "damaged pax header"),
        (pax(b"path=a\n") + header(), "damaged pax header"),
        (pax(record("path", b"a")), "truncated tar archive"),
        (pax(record("path", b"a")) + bytes(1024), "truncated tar archive"),
        (header(flag=b"L", size=b"%011o" % (2 << 20)), "tar header extension of 2,097,152 bytes (limit 1,048,576)"),
        (header(name=b"d/\0\0", size=b"%011o" % 5), "tar entry 'd/' is a directory with content"),
    ],
)  # fmt: skip
def test_malformed(archive: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        unpack(archive)
    assert str(caught.value) == f"test: {message}"


def single(archive: bytes) -> Facts:
    (entry,) = unpack(archive + bytes(1024))
    return entry


def test_last_of_duplicate_pax_records_counts() -> None:
    assert single(pax(record("path", b"a") + record("path", b"b")) + header()).path == "b"
    assert single(pax(record("path", b"a")) + pax(record("path", b"b")) + header()).path == "b"


def test_empty_pax_record_leaves_the_header_field() -> None:
    archive = pax(record("path", b"g"), flag=b"g") + pax(record("path", b"")) + header()
    assert single(archive).path == "name"


def test_global_pax_header_holds_for_all_that_follow() -> None:
    archive = pax(record("uid", b"77"), flag=b"g") + header(name=b"a\0\0\0") + pax(record("uid", b"5")) + header()
    assert [entry.owner[0] for entry in unpack(archive + header(name=b"z\0\0\0"))] == [77, 5, 77]


def test_global_pax_header_alone_is_an_archive() -> None:
    assert unpack(pax(record("comment", b"x"), flag=b"g") + bytes(1024)) == []


def test_long_name_that_is_cut_behind_a_slash_is_no_directory() -> None:
    name = "d" * 99 + "/file"
    archive = tar_by_tarfile([file_entry(name, b"text", mtime=0)], tarfile.GNU_FORMAT)
    assert single(archive).content == b"text"


def test_directories_and_links_have_no_content_whatever_size_they_state() -> None:
    stated = b"".join(
        header(name=name, flag=flag, link=b"t", size=b"%011o" % 512)
        for name, flag in [(b"d\0\0\0", b"5"), (b"h\0\0\0", b"1"), (b"s\0\0\0", b"2")]
    )
    found = unpack(stated + header(name=b"f\0\0\0") + bytes(1024))
    assert [(entry.path, entry.kind, entry.size) for entry in found] == [
        ("d", "5", 0), ("h", "1", 0), ("s", "2", 0), ("f", "0", 0),
    ]  # fmt: skip


def test_number_forms_of_old_writers() -> None:
    entry = single(header(mode=b"   644 \0", uid=b"\0\0\0\x0017\0x", mtime=b"\xff" * 11 + b"\xfe"))
    assert (entry.mode, entry.owner[0], entry.mtime) == (0o644, 0o17, -2)


def test_sums_of_signed_characters_are_accepted() -> None:
    block = bytearray(header(name="é".encode("latin-1")))
    signed = sum(byte - 256 * (byte > 127) for byte in block[:148] + block[156:]) + 256
    block[148:156] = b"%06o\0 " % signed
    assert single(bytes(block)).path == "\udce9ame"


class Endless(io.RawIOBase):
    """Blocks without end, made on the fly."""

    def __init__(self, start: bytes, repeat: bytes = bytes(1 << 16), count: int = 1 << 12) -> None:
        super().__init__()
        self._next = start
        self._repeat = repeat
        self._count = count

    def read(self, size: int = -1, /) -> bytes:
        if not self._next and self._count:
            self._next, self._count = self._repeat, self._count - 1
        chunk, self._next = self._next[:size], self._next[size:]
        return chunk


def hostile_streams() -> dict[str, ByteSource]:
    distinct = b"".join(pax(record(f"k{index}", b"v" * 500_000)) for index in range(40))
    shared = b"".join(pax(record(f"k{index}", b"v" * 500_000), flag=b"g") + header() for index in range(40))
    return {
        "huge-file": Endless(header(size=b"77777777777")),
        "huge-base-256": Endless(header(size=b"\x80" + bytes(4) + b"\x7f" + bytes(6))),
        "huge-pax-size": Endless(pax(record("size", b"4" * 18)) + header()),
        "many-pax-headers": io.BytesIO(distinct),
        "many-global-pax-headers": io.BytesIO(shared),
    }


@pytest.mark.parametrize("name", sorted(hostile_streams()))
def test_hostile_sizes_are_read_in_bounded_memory(name: str) -> None:
    stream = hostile_streams()[name]

    def read_all() -> None:
        with pytest.raises(FormatError, match=r"truncated|limit"):
            sum(len(chunk) for entry in iter_entries(stream, source="test") for chunk in entry.content)

    assert peak_memory(read_all) < 8 << 20


@pytest.mark.parametrize("kind", [Kind.FILE, Kind.HARDLINK])
def test_paths_that_no_system_has(kind: Kind) -> None:
    deep = "a/" * 3000 + "a"
    entry = Entry(deep, Kind.FILE, 0o644, 0) if kind is Kind.FILE else Entry("x", kind, 0o644, 0, link=deep)
    with pytest.raises(FormatError, match=r"tar entry with a (path|linkpath) of 6,001 bytes \(limit 4,096\)"):
        list(iter_entries(io.BytesIO(tar_header.encode(entry) + bytes(1024)), source="test"))


def test_many_attributes_cost_linear_time() -> None:
    records = [record(f"SCHILY.xattr.{index:x}", b"v") for index in range(40_000)]
    assert len(single(pax(b"".join(records[:1024])) + header()).xattrs) == 1024
    with pytest.raises(FormatError, match=r"extensions of 40,000 records \(limit 1,024\)"):
        single(pax(b"".join(records)) + header())
