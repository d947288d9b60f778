"""Files of this host as entries of a layer."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MODE, DIRECTORY_MTIME, Entry, Kind
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.paths import image_path
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeAlias

    #: Gets each entry without its content, and returns it, changed or not, or None to leave it out with all below it.
    Change: TypeAlias = Callable[[Entry], Entry | None]

#: Directories that are not 0755 in any distribution; an entry for one in a layer replaces what the base says.
WELL_KNOWN_MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFCHR: Kind.CHARACTER_DEVICE,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
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


def iter_host_entries(host_path: Path, path: str, change: Change | None = None) -> Iterator[Entry]:
    """A file, or a directory and all below it, in sorted order.

    Links are kept as links, sockets are left out. The owner is 0:0, modes and mtimes (whole seconds) are the host's.

    Args:
        host_path: The file or directory; not followed when it is a symbolic link.
        path: Canonical path in the image; empty for the root, for which there is no entry.
        change: See `Change`.

    Raises:
        StorageError: Something cannot be read.
    """
    return _HostTree(change).entries(host_path, path)


def copying_change(
    path: str, *, exclude: Sequence[str] = (), owner: tuple[int, int] = (0, 0), latest: int | None = None
) -> Change:
    """What happens to entries that are copied to a place in an image.

    The directory at the place itself gets mode 0755 and a constant mtime, as it may be one that other layers share.

    Args:
        path: The place, canonical.
        exclude: Patterns, with which a name or a whole path below `path` is left out.
        owner: Numbers of user and group.
        latest: Upper bound for every mtime, in seconds since 1970 UTC.
    """
    patterns = [pattern.strip("/") for pattern in exclude]
    start = len(path) + 1 if path else 0

    def change(entry: Entry) -> Entry | None:
        inside = entry.path[start:]
        if inside and patterns:
            names = (inside, inside.rpartition("/")[2])
            if any(fnmatchcase(name, pattern) for pattern in patterns for name in names):
                return None
        entry.uid, entry.gid = owner
        if latest is not None:
            entry.mtime = min(entry.mtime, latest)
        if not inside and entry.kind is Kind.DIRECTORY:
            entry.mode, entry.mtime = WELL_KNOWN_MODES.get(path, DIRECTORY_MODE), DIRECTORY_MTIME
            if path in WELL_KNOWN_MODES:
                entry.uid = entry.gid = 0
        return entry

    return change


@dataclass
class _HostTree:
    """A walk over a tree; its cost for each file is most of that of packing small ones, so its paths are strings."""

    change: Change | None
    #: Where the first of several hard links went, by device and inode.
    links: dict[tuple[int, int], str] = field(default_factory=dict)

    def entries(self, host_path: Path, path: str) -> Iterator[Entry]:
        with storage_errors("read", host_path):
            status = host_path.lstat()
        if not path and not stat.S_ISDIR(status.st_mode):
            raise InvalidInputError(f"`{host_path}` is a file, and cannot be the root of an image")
        # The last one comes next: a directory's children in reverse order, instead of generators in one another.
        waiting: list[tuple[str, str, os.stat_result]] = [(str(host_path), path, status)]
        while waiting:
            name, inside, status = waiting.pop()
            if inside:
                entry = self._entry(name, inside, status)
                if entry is None:
                    continue
                yield entry
            if stat.S_ISDIR(status.st_mode):
                waiting += _children(name, inside)

    def _entry(self, name: str, path: str, status: os.stat_result) -> Entry | None:
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            return None
        entry = Entry(path, kind, stat.S_IMODE(status.st_mode), max(0, int(status.st_mtime)))
        if kind is Kind.FILE:
            if status.st_nlink > 1 and (first := self.links.get((status.st_dev, status.st_ino))):
                entry.kind, entry.link = Kind.HARDLINK, first
            else:
                entry.size = status.st_size
        elif kind is Kind.SYMLINK:
            with _reading(name):
                entry.link = os.readlink(name)  # noqa: PTH115 - a `Path` would change `./target`
        elif kind in (Kind.CHARACTER_DEVICE, Kind.BLOCK_DEVICE):
            entry.device = (os.major(status.st_rdev), os.minor(status.st_rdev))
        changed = entry if self.change is None else self.change(entry)
        if changed is not None and changed.kind is Kind.FILE:
            if status.st_nlink > 1:
                self.links.setdefault((status.st_dev, status.st_ino), changed.path)
            changed.size, changed.content = status.st_size, _iter_file(name, status.st_size)
        return changed


def _children(name: str, path: str) -> list[tuple[str, str, os.stat_result]]:
    with _reading(name), os.scandir(name) as found:
        children = sorted(found, key=lambda child: child.name, reverse=True)
        prefix = f"{path}/" if path else ""
        return [(child.path, prefix + child.name, child.stat(follow_symlinks=False)) for child in children]


def _reading(name: str) -> contextlib.AbstractContextManager[None]:
    return storage_errors("read", Path(name))


def _iter_file(name: str, size: int) -> Iterable[bytes]:
    """The content of a file; one more byte is asked for than it should have, so that growth shows."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            while chunk := os.read(descriptor, min(CHUNK_SIZE, size + 1)):
                yield chunk
                size -= len(chunk)
        finally:
            os.close(descriptor)
    except OSError:
        with _reading(name):
            raise
