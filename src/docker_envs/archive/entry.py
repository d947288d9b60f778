"""One member of an archive, apart from any archive format."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

#: Mode of directories that exist only to hold what is below them.
DIRECTORY_MODE = 0o755

#: Modification time of such directories in every layer, 1980-01-01T00:00:00Z: the oldest of zip files.
#: Shared directories need one constant: the attributes of an upper layer's directory replace those of a lower one.
DIRECTORY_MTIME = 315532800


class Kind(StrEnum):
    """What an entry is; values are the type flags of POSIX ustar."""

    FILE = "0"
    HARDLINK = "1"
    SYMLINK = "2"
    CHARACTER_DEVICE = "3"
    BLOCK_DEVICE = "4"
    DIRECTORY = "5"
    FIFO = "6"


class Entry(msgspec.Struct):
    """One file, directory or link.

    Attributes:
        path: Canonical path relative to the root, see `paths.image_path`; no trailing slash.
        kind: What it is.
        mode: Permission bits, at most 0o7777.
        mtime: Seconds since 1970 UTC.
        size: Length of the content in bytes; 0 for all kinds but files.
        content: The content in chunks, to be read at most once, and only before the next entry is asked for.
        link: Target of a symbolic link as it stands, or canonical path of a hard link's target.
        uid: Owner.
        gid: Group.
        device: Major and minor number of a device.
        xattrs: Extended attributes by name.
        deletes: Whether it is a whiteout that was meant as one; other files must not be named like one.
    """

    path: str
    kind: Kind
    mode: int
    mtime: int
    size: int = 0
    content: Iterable[bytes] = ()
    link: str = ""
    uid: int = 0
    gid: int = 0
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = {}
    deletes: bool = False

    def read(self) -> bytes:
        """The whole content; only for entries whose size the caller has checked."""
        return b"".join(self.content)


def directory_entry(path: str) -> Entry:
    """A directory with the constant attributes that shared directories have in every layer."""
    return Entry(path, Kind.DIRECTORY, DIRECTORY_MODE, DIRECTORY_MTIME)


def file_entry(path: str, content: bytes, *, mode: int = 0o644, mtime: int) -> Entry:
    """A regular file whose content is at hand; `mtime` in seconds since 1970 UTC."""
    return Entry(path, Kind.FILE, mode, mtime, size=len(content), content=(content,))
