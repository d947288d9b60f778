"""Files of this host as entries of an application: the same for every checkout, whatever its times and umask."""

from __future__ import annotations

import contextlib
import os
import posixpath
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MODE, Entry, Kind
from docker_envs.errors import BuildError, InvalidInputError
from docker_envs.images.host_files import iter_host_entries
from docker_envs.images.ignore_patterns import IgnorePatterns
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.builder.application.contents import HostFiles

#: Beside the declaration, with patterns of what is left out.
IGNORE_FILE = ".dockerignore"


def host_source(files: HostFiles) -> Path:
    """Where the files of a declaration are; a symbolic link there is followed, as `COPY` does.

    Raises:
        InvalidInputError: Nothing is there, or a link leads out of the declaration's directory.
    """
    host_path = files.context / files.source
    if not host_path.exists():
        raise InvalidInputError(f"there is no `{files.source}` in `{files.context}`")
    if _is_inside(files.source) and not host_path.resolve().is_relative_to(files.context.resolve()):
        raise InvalidInputError(
            f"`{files.source}` leads out of `{files.context}`, to `{host_path.resolve()}`",
            hint="name the file or directory itself",
        )
    return host_path.resolve()


def iter_host_files(files: HostFiles, path: str, *, owner: tuple[int, int], mtime: int) -> Iterator[Entry]:
    """The files of a declaration, sorted, parents before children.

    Symbolic links stay as they are, hard links become files, sockets are left out. A directory that holds nothing but
    what is left out is not there either.

    Args:
        files: What was declared.
        path: Canonical path in the image; empty for the root.
        owner: Numbers of user and group.
        mtime: Of all entries, in seconds since 1970 UTC.

    Raises:
        InvalidInputError: Nothing is there, nothing is left, or a pattern is malformed.
        BuildError: A file is a device or a pipe.
        StorageError: Something cannot be read.
    """
    host_path = host_source(files)
    if files.path.endswith("/") and host_path.is_file():
        path = f"{path}/{posixpath.basename(files.source)}".lstrip("/")
    selection = _Selection(files, path, owner, mtime, is_file=host_path.is_file())
    waiting: list[Entry] = []
    count = 0
    for entry in iter_host_entries(host_path, path, selection.change):
        waiting = [each for each in waiting if entry.path.startswith(f"{each.path}/")]
        if entry.path in selection.held:
            waiting.append(entry)
            continue
        yield from waiting
        waiting = []
        count += entry.path != path or entry.kind is not Kind.DIRECTORY
        yield entry
    if not count and (selection.left_out or files.include):
        reason = f"is left out by {selection.left_out}" if selection.left_out else "has nothing that `include` matches"
        raise InvalidInputError(f"`{files.source}` in `{files.context}` {reason}")


def iter_host_paths(files: HostFiles) -> Iterator[os.DirEntry[str]]:
    """What `iter_host_files` looks at below a directory, without reading it; in no order.

    Raises:
        InvalidInputError: Nothing is there, or a pattern is malformed.
        StorageError: A `.dockerignore` cannot be read.
    """
    root = host_source(files)
    selection = _Selection(files, "", (0, 0), 0, is_file=root.is_file())
    waiting = [] if root.is_file() else [(str(root), "")]
    while waiting:
        folder, above = waiting.pop()
        # What is gone meanwhile is found out by whoever reads it.
        with contextlib.suppress(OSError), os.scandir(folder) as found:
            for each in found:
                inside = f"{above}{each.name}"
                is_directory = each.is_dir(follow_symlinks=False)
                choice = selection.choose(inside, is_directory=is_directory)
                if is_directory and choice is not _Choice.SKIP:
                    waiting.append((each.path, f"{inside}/"))
                if choice is _Choice.TAKE:
                    yield each


def _is_inside(source: str) -> bool:
    return not source.startswith("/") and posixpath.normpath(source).partition("/")[0] != ".."


class _Choice(Enum):
    """Of a path: it is taken, left out, or a directory that is there only when something in it is."""

    TAKE = auto()
    HOLD = auto()
    SKIP = auto()


@dataclass
class _Selection:
    """What of a tree is taken, and as what."""

    files: HostFiles
    path: str
    owner: tuple[int, int]
    mtime: int
    is_file: bool
    #: Directories that are there only when something in them is.
    held: set[str] = field(default_factory=set)
    #: What left out something, for a message if it was everything.
    left_out: str = ""

    def __post_init__(self) -> None:
        files = self.files
        self.root = posixpath.normpath(files.source)
        self.ignored = IgnorePatterns(_ignore_lines(files), source=IGNORE_FILE)
        self.excluded = IgnorePatterns(files.exclude, source="exclude")
        self.included = IgnorePatterns(files.include, source="include")

    def change(self, entry: Entry) -> Entry | None:
        """What becomes of an entry of the host, see `images.host_files.Change`."""
        inside = posixpath.basename(self.root) if self.is_file else entry.path[len(self.path) :].lstrip("/")
        is_directory = entry.kind is Kind.DIRECTORY
        choice = self.choose(inside, is_directory=is_directory) if inside else _Choice.TAKE
        if choice is _Choice.SKIP:
            return None
        if choice is _Choice.HOLD:
            self.held.add(entry.path)
        return self._normalised(entry)

    def choose(self, inside: str, *, is_directory: bool) -> _Choice:
        """What becomes of a path below the source."""
        if without := self._left_out_by(inside):
            self.left_out, may_return = without
            return _Choice.HOLD if is_directory and may_return else _Choice.SKIP
        if self.files.include and not self.included.matches(inside):
            return _Choice.HOLD if is_directory and self.included.may_match_below(inside) else _Choice.SKIP
        return _Choice.TAKE

    def _left_out_by(self, inside: str) -> tuple[str, bool] | None:
        """What leaves a path out, and whether something below it may be put back in."""
        place = self.root if self.is_file else posixpath.normpath(f"{self.root}/{inside}")
        if self.ignored.matches(place):
            return f"`{IGNORE_FILE}`", self.ignored.may_spare(place)
        if self.excluded.matches(inside):
            return "`exclude`", self.excluded.may_spare(inside)
        return None

    def _normalised(self, entry: Entry) -> Entry:
        mode = self.files.mode
        entry.uid, entry.gid = self.owner
        entry.mtime = self.mtime
        if entry.kind is Kind.HARDLINK:
            entry.kind, entry.link = Kind.FILE, ""
        if entry.kind is Kind.DIRECTORY:
            entry.mode = DIRECTORY_MODE if mode is None else (mode | (mode & 0o444) >> 2) & 0o1777
        elif entry.kind is Kind.SYMLINK:
            entry.mode = 0o777
        elif entry.kind is not Kind.FILE:
            raise BuildError(
                f"`/{entry.path}` would be a {entry.kind.name.lower().replace('_', ' ')}, which is not copied",
                hint="leave it out with `exclude`",
            )
        elif mode is not None:
            entry.mode = mode
        else:
            # Of the bits, only this one is the same in every checkout.
            entry.mode = 0o755 if entry.mode & 0o100 else 0o644
        return entry


def _ignore_lines(files: HostFiles) -> list[str]:
    path = files.context / IGNORE_FILE
    if not _is_inside(files.source) or not path.is_file():
        return []
    with storage_errors("read", path):
        return os.fsdecode(path.read_bytes()).removeprefix("\ufeff").splitlines()
