"""Tar archives that are almost right, and compressed streams."""

from __future__ import annotations

import bz2
import gzip
import lzma
import sys
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.archive import tar_header
from docker_envs.archive.entry import Entry, Kind
from tests.fuzz.damage import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.fuzz.choices import Choices

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Where header fields are, and how long.
FIELDS = dict([
    *(("name", (0, 100)), ("mode", (100, 8)), ("uid", (108, 8)), ("gid", (116, 8)), ("size", (124, 12))),
    *(("mtime", (136, 12)), ("sum", (148, 8)), ("flag", (156, 1)), ("link", (157, 100)), ("magic", (257, 8))),
    *(("major", (329, 8)), ("prefix", (345, 155))),
])  # fmt: skip
NAMES = (
    *("a", "b", "a/b", "a/b/c", "./a", "a/", "a//b", "", ".", "/", "..", "../x", "a/../b", "/etc/passwd", "a\0b", "é"),
    *(".wh.a", ".wh..wh..opq", "a/.wh.b", ".wh.", "\udcff", "x" * 150, "d/" * 60 + "e", "x" * 5000, "a\nb", "\x1b[2J"),
)
NUMBERS = (
    *(b"0", b"7", b"\0", b" 12 ", b"-1", b"1_0", b"+1", b"9", b"77777777777", b"1\0" + b"2" * 9, b"0x10", b"\xd9\xa1"),
    *(b"\x80" + bytes(10) + b"\1", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"\xff" + bytes(11), b"\x80\0\0\0\x80"),
    *(b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7, b"\xc0\1", b"00000020000"),
)
FLAGS = b"0123456789xgLKSDVMNXA\0\xff"
PAX_NAMES = ("path", "linkpath", "size", "uid", "gid", "mtime", "GNU.sparse.major", "SCHILY.xattr.user.a", "hdrcharset")
PAX_VALUES = (
    *(b"", b"a", b"../x", b"a/b", b"0", b"-1", b"1.5", b"99999999999999999999", b"9" * 5000, b"1e9", b"\0", b"a\0b"),
    *(b"\xff", b"/", b"-", b"x" * 3000, b"4611686018427387904", b"0" * 19 + b"5", b" 1", b"\xd9\xa1"),
)


def header(kind: bytes = b"0", name: str = "a", size: int = 0, link: str = "") -> bytearray:
    entry = Entry(name if len(name) <= 100 and name.isascii() else "long", Kind.FILE, 0o644, 1, size=size)
    block = bytearray(tar_header.encode(entry)[-512:])
    block[156:157] = kind
    block[157 : 157 + len(link[:100])] = link[:100].encode("ascii", "replace")
    return summed(block)


def summed(block: bytearray) -> bytearray:
    """The header with the sum that it should have."""
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 256)
    return block


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def record(name: str, value: bytes) -> bytes:
    body = b" " + name.encode() + b"=" + value + b"\n"
    length = len(body) + 1
    while length != len(body) + len(str(length)):
        length += 1
    return b"%d" % length + body


def tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A right archive of files."""
    parts = [bytes(header(name=name, size=len(content))) + padded(content) for name, content in members]
    return b"".join(parts) + bytes(1024)


def odd_header(choices: Choices, *, size: int = 0) -> bytes:
    kind = FLAGS[(at := choices.number(len(FLAGS))) : at + 1]
    block = header(kind, choices.pick(NAMES), size, choices.pick(NAMES))
    for _ in range(choices.number(3)):
        place, length = FIELDS[choices.pick(list(FIELDS))]
        value = choices.pick(NUMBERS) if choices.number(4) else choices.some(12)
        block[place : place + min(length, len(value))] = value[:length]
    return bytes(block if choices.number(16) == 15 else summed(block))


def _pax(choices: Choices) -> bytes:
    records = b"".join(record(choices.pick(PAX_NAMES), choices.pick(PAX_VALUES)) for _ in range(choices.number(4)))
    if choices.number(4) == 3:
        records = damaged(records, choices)
    return bytes(header(choices.pick([b"x", b"g"]), size=len(records))) + padded(records)


def _long(choices: Choices) -> bytes:
    text = choices.pick(NAMES).encode("utf-8", "surrogateescape") + choices.pick([b"", b"\0", b"\0x"])
    return bytes(header(choices.pick([b"L", b"K"]), "././@LongLink", len(text))) + padded(text)


def odd_members(choices: Choices, *, most: int = 8) -> bytes:
    parts = []
    for _ in range(choices.number(most + 1)):
        match choices.number(4):
            case 0:
                parts.append(_pax(choices))
            case 1:
                parts.append(_long(choices))
            case 2:
                content = choices.some(20)
                parts.append(odd_header(choices, size=len(content)) + padded(content))
            case _:
                name, link = choices.pick(NAMES), choices.pick(NAMES)
                parts.append(bytes(header(choices.pick([b"0", b"5", b"2", b"1", b"6"]), name, 0, link)))
    return b"".join(parts)


def odd_tar(choices: Choices) -> bytes:
    """An archive of odd members, perhaps damaged as bytes, perhaps without its end."""
    content = odd_members(choices) + choices.pick([bytes(1024), b"", bytes(512), bytes(1024) + b"x"])
    return damaged(content, choices) if choices.number(8) == 7 else content


_CODECS: Sequence[Callable[[bytes], bytes]] = (
    # Without a clock in it.
    *(bytes, bytes, partial(gzip.compress, mtime=0), zstd.compress),
    *(bz2.compress, lzma.compress),
)


def compressed(content: bytes, choices: Choices) -> bytes:
    """Perhaps compressed, in one member or many, perhaps with something behind it or cut off."""
    codec = choices.pick(_CODECS)
    if codec is bytes:
        return content
    cut = choices.number(len(content) + 1)
    result = codec(content[:cut]) + codec(content[cut:])
    result += choices.pick([b"", b"", bytes(600), b"garbage", codec(b""), b"\x5a\x2a\x4d\x18\xff\xff\xff\xff"])
    return damaged(result, choices) if choices.number(4) == 3 else result
