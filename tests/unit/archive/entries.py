"""Strategies for tar entries, and what `tarfile` says about the same bytes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from docker_envs.archive.entry import Entry, Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.archive.writer import TarWriter

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterable

BIG_NUMBERS = st.sampled_from([0, 1, 0o7777777, 0o7777777 + 1, 4294967294])
TIMES = st.one_of(st.integers(0, 2**34), st.sampled_from([-1, -(2**31), 8**11 - 1, 8**11]))
# Around the limits of a block, of the reader's buffer, and of what comes as one chunk.
SIZES = st.one_of(st.integers(0, 2000), st.sampled_from([511, 512, 513, 1 << 18, (1 << 18) + 1, 600_001]))
# No surrogates, and no NUL and `/`, which no name can hold.
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0/")
NAMES = st.one_of(
    st.text(CHARACTERS, min_size=1, max_size=20),
    st.text("abc .-", min_size=80, max_size=180),
    st.sampled_from(
        ["é" * 60, "ñ" * 130, "a" * 99, "a" * 100, "a" * 101, "a" * 155, "a" * 256, "tab\tnew\nline", "b\\c"]
    ),
).filter(lambda name: name not in (".", "..") and not name.startswith(".wh."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
XATTRS = st.dictionaries(
    st.sampled_from(["user.a", "security.capability", "user.é"]), st.binary(min_size=1, max_size=30), max_size=2
)


def content(size: int) -> bytes:
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


@st.composite
def entries(draw: st.DrawFn, path: str) -> Entry:
    kind = draw(st.sampled_from(Kind))
    entry = Entry(
        path,
        kind,
        draw(st.integers(0, 0o7777)),
        draw(TIMES),
        uid=draw(BIG_NUMBERS),
        gid=draw(BIG_NUMBERS),
        xattrs=draw(XATTRS),
    )
    if kind is Kind.FILE:
        entry.size = draw(SIZES)
        entry.content = (content(entry.size),)
    elif kind in (Kind.SYMLINK, Kind.HARDLINK):
        entry.link = draw(PATHS)
    elif kind in (Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE):
        entry.device = (draw(st.integers(0, 4095)), draw(st.integers(0, 0o7777777)))
    return entry


@st.composite
def entry_lists(draw: st.DrawFn) -> list[Entry]:
    """Entries that one archive can hold: every path once, and only directories above others."""
    found: list[Entry] = []
    for path in draw(st.lists(PATHS, max_size=5, unique=True)):
        if all(_compatible(other, path) for other in found):
            found.append(draw(entries(path)))
    return found


def _compatible(other: Entry, path: str) -> bool:
    below = path.startswith(f"{other.path}/") and other.kind is not Kind.DIRECTORY
    return not below and path != other.path and not other.path.startswith(f"{path}/")


class Facts(NamedTuple):
    """All that an archive says of a member."""

    path: str
    kind: str
    mode: int
    mtime: int
    size: int
    content: bytes
    link: str
    owner: tuple[int, int]
    device: tuple[int, int]
    xattrs: dict[str, bytes]


def facts(entry: Entry) -> Facts:
    return Facts(
        entry.path,
        entry.kind.value,
        entry.mode,
        entry.mtime,
        entry.size,
        entry.read(),
        entry.link,
        (entry.uid, entry.gid),
        entry.device,
        entry.xattrs,
    )


def tarfile_facts(archive: tarfile.TarFile) -> list[Facts]:
    """What `tarfile` reads, in the same form."""
    found = []
    for member in archive:
        kind = Kind(member.type.decode())
        file = archive.extractfile(member) if kind is Kind.FILE else None
        xattrs = {
            name.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape")
            for name, value in member.pax_headers.items()
            if name.startswith("SCHILY.xattr.")
        }
        found.append(
            Facts(
                member.name,
                kind.value,
                member.mode,
                int(member.mtime),
                member.size,
                file.read() if file else b"",
                member.linkname,
                (member.uid, member.gid),
                (member.devmajor, member.devminor) if kind in (Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE) else (0, 0),
                xattrs,
            )
        )
    return found


def pack(items: Iterable[Entry]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write, source="test")
    for entry in items:
        writer.add(entry)
    writer.close()
    return out.getvalue()


def unpack(archive: bytes) -> list[Facts]:
    return [facts(entry) for entry in iter_entries(io.BytesIO(archive), source="test")]
