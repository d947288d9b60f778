"""Files of this host as entries of a layer, with a filter in `tarfile`'s manner."""

from __future__ import annotations

import os
import stat
import tarfile
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeAlias

from docker_envs.archive.entry import DIRECTORY_MODE, DIRECTORY_MTIME, Entry, Kind
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.paths import image_path
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Filter: TypeAlias = Callable[[tarfile.TarInfo], tarfile.TarInfo | None]

#: Directories that are not 0755 in any distribution; an entry for one in a layer replaces what the base says.
WELL_KNOWN_MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}

_TAR_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


def landing_path(host_path: Path, arcpath: str | None) -> str:
    """Where a host path lands in an image: `arcpath`, or the path itself without its leading slash.

    Raises:
        InvalidInputError: That is outside of the image.
    """
    text = str(host_path) if arcpath is None else arcpath
    try:
        return image_path(text.lstrip("/"), source="add_layer_path")
    except FormatError as error:
        raise InvalidInputError(
            f"{text!r} is no place in an image", hint="say where it shall land with `arcpath`"
        ) from error


def iter_host_entries(host_path: Path, path: str, accept: Filter | None = None) -> Iterator[Entry]:
    """A file, or a directory and all below it, in sorted order.

    Links are kept as links, sockets are left out. The owner is 0:0, modes and mtimes (whole seconds) are the host's.

    Args:
        host_path: The file or directory; not followed when it is a symbolic link.
        path: Canonical path in the image; empty for the root, for which there is no entry.
        accept: Gets each entry's header, and returns it, changed or not, or None to leave the entry out, with all
            below it.

    Raises:
        StorageError: Something cannot be read.
        PathEscapeError: The filter returned a path outside of the image.
    """
    return _HostTree(accept).entries(host_path, path)


def copying_filter(
    path: str, *, exclude: Sequence[str] = (), owner: tuple[int, int] = (0, 0), latest: int | None = None
) -> Filter:
    """A filter for copying a directory or file to a place in an image.

    The directory at the place itself gets mode 0755 and a constant mtime, as it may be one that other layers share.

    Args:
        path: The place, canonical.
        exclude: Patterns, with which a name or a whole path below `path` is left out.
        owner: Numbers of user and group.
        latest: Upper bound for every mtime, in seconds since 1970 UTC.
    """
    patterns = [pattern.strip("/") for pattern in exclude]

    def accept(header: tarfile.TarInfo) -> tarfile.TarInfo | None:
        inside = header.name[len(path) :].lstrip("/")
        names = (inside, inside.rpartition("/")[2])
        if inside and any(fnmatchcase(name, pattern) for pattern in patterns for name in names):
            return None
        header.uid, header.gid = owner
        if latest is not None:
            header.mtime = min(header.mtime, latest)
        if not inside and header.isdir():
            header.mode, header.mtime = WELL_KNOWN_MODES.get(path, DIRECTORY_MODE), DIRECTORY_MTIME
            if path in WELL_KNOWN_MODES:
                header.uid = header.gid = 0
        return header

    return accept


@dataclass
class _HostTree:
    accept: Filter | None
    #: Where the first of several hard links went, by device and inode.
    links: dict[tuple[int, int], str] = field(default_factory=dict)

    def entries(self, host_path: Path, path: str) -> Iterator[Entry]:
        with storage_errors("read", host_path):
            status = host_path.lstat()
            is_directory = stat.S_ISDIR(status.st_mode)
            names = sorted(child.name for child in host_path.iterdir()) if is_directory else []
        if path:
            entry = self._entry(host_path, path, status)
            if entry is None:
                return
            yield entry
        elif not is_directory:
            raise InvalidInputError(f"`{host_path}` is a file, and cannot be the root of an image")
        for name in names:
            yield from self.entries(host_path / name, f"{path}/{name}" if path else name)

    def _entry(self, host_path: Path, path: str, status: os.stat_result) -> Entry | None:
        header = self._header(host_path, path, status)
        if header is None or (self.accept and (header := self.accept(header)) is None):
            return None
        entry = _to_entry(header)
        if entry.kind is Kind.FILE:
            self.links.setdefault((status.st_dev, status.st_ino), entry.path)
            entry.size = status.st_size
            entry.content = _iter_file(host_path)
        return entry

    def _header(self, host_path: Path, path: str, status: os.stat_result) -> tarfile.TarInfo | None:
        header = tarfile.TarInfo(path)
        kind = _TAR_TYPES.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return None
        header.type = kind
        header.mode = stat.S_IMODE(status.st_mode)
        header.mtime = int(status.st_mtime)
        if kind == tarfile.SYMTYPE:
            header.linkname = os.readlink(host_path)  # noqa: PTH115 - a `Path` would change `./target`
        elif kind == tarfile.REGTYPE and (first := self.links.get((status.st_dev, status.st_ino))):
            header.type, header.linkname = tarfile.LNKTYPE, first
        elif kind == tarfile.REGTYPE:
            header.size = status.st_size
        elif kind in (tarfile.CHRTYPE, tarfile.BLKTYPE):
            header.devmajor, header.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
        return header


def _to_entry(header: tarfile.TarInfo) -> Entry:
    path = image_path(header.name, source="filter")
    kind = Kind(header.type.decode())
    device = (header.devmajor, header.devminor)
    mode = header.mode & 0o7777
    mtime = max(0, int(header.mtime))
    return Entry(path, kind, mode, mtime, link=header.linkname, uid=header.uid, gid=header.gid, device=device)


def _iter_file(host_path: Path) -> Iterator[bytes]:
    with storage_errors("read", host_path), host_path.open("rb") as file:
        yield from iter(lambda: file.read(CHUNK_SIZE), b"")
