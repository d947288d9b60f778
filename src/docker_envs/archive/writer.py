"""Entries to a deterministic tar stream: same entries, same bytes, on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.archive import tar_header
from docker_envs.archive.entry import Entry, Kind, directory_entry
from docker_envs.errors import BuildError
from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Callable

_WHITEOUT = ".wh."


class TarWriter:
    """Writes entries in the order given, and parents before children.

    Args:
        write: Receives the bytes, piece by piece.
        source: What is written, for messages.
    """

    def __init__(self, write: Callable[[bytes], object], *, source: str) -> None:
        self._write = write
        self._source = source
        self._paths: set[str] = set()
        self._directories: set[str] = {""}

    def add(self, entry: Entry) -> None:
        """Write one entry, after those of its parents that are not there yet (with constant attributes).

        A directory that is there already stays as it is.

        Raises:
            BuildError: The path is taken already, a parent is no directory, or a name is reserved for whiteouts.
        """
        path = entry.path
        parent = path.rpartition("/")[0]
        if parent not in self._directories:
            self._add_parents(path)
        if entry.kind is Kind.DIRECTORY:
            if path in self._directories:
                return
            self._directories.add(path)
        self._claim(path, deletes=entry.deletes)
        self._write(tar_header.encode(entry))
        if entry.size:
            self._write_content(entry)

    def close(self) -> None:
        """Write the end mark: two blocks of zeros."""
        self._write(tar_header.END)

    def _add_parents(self, path: str) -> None:
        for parent in parent_paths(path):
            if parent not in self._directories:
                if parent in self._paths:
                    raise BuildError(f"{self._source}: `{path}` cannot be below `{parent}`, which is no directory")
                self._claim(parent)
                self._directories.add(parent)
                self._write(tar_header.encode(directory_entry(parent)))

    def _claim(self, path: str, *, deletes: bool = False) -> None:
        if path in self._paths:
            raise BuildError(f"{self._source}: two entries share the path `{path}`")
        if not deletes and _WHITEOUT in path and path.rpartition("/")[2].startswith(_WHITEOUT):
            raise BuildError(
                f"{self._source}: a layer cannot hold `{path}`: names that start with `.wh.` mean deletions there"
            )
        self._paths.add(path)

    def _write_content(self, entry: Entry) -> None:
        count = 0
        for chunk in entry.content:
            count += len(chunk)
            self._write(chunk)
        if count != entry.size:
            raise BuildError(
                f"{self._source}: `{entry.path}` has {count:,} bytes instead of the declared {entry.size:,}"
            )
        self._write(tar_header.padding(count))
