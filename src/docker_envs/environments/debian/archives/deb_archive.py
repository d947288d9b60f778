"""The container of a `.deb`: an `ar` archive of two tars, opened as streams.

Spec: deb(5), deb-split(5) for what is no `.deb`; the header of `ar` as in System V and GNU binutils.
"""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING

from docker_envs.archive.compression import DecompressedReader, open_decompressed
from docker_envs.archive.reader import iter_entries
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.archive.entry import Entry

_MAGIC = b"!<arch>\n"
_HEADER_SIZE = 60
_HEADER_END = b"`\n"
#: The most members before the last tar; real archives have three.
_MAX_MEMBERS = 16
_COMPRESSIONS = ("", ".gz", ".xz", ".zst", ".bz2")


class DebArchive:
    """A `.deb` on disk, whose digest the caller has verified.

    Attributes:
        host_path: The file.
        source: Its name, for messages.
    """

    def __init__(self, host_path: Path) -> None:
        self.host_path = host_path
        self.source = host_path.name

    def iter_control(self) -> Iterator[Entry]:
        """The files of `control.tar`: fields, maintainer scripts, lists.

        Raises:
            FormatError: The archive is none, damaged or truncated.
        """
        return self._iter_tar("control.tar")

    def iter_files(self) -> Iterator[Entry]:
        """What the package has for the file system, in the order and with the paths of its archive.

        Raises:
            FormatError: The archive is none, damaged or truncated.
            PathEscapeError: A path is absolute or leaves the root.

        Cost: one read of the archive; memory bounded by the window of its compression.
        """
        return self._iter_tar("data.tar")

    def _iter_tar(self, stem: str) -> Iterator[Entry]:
        with self._open(stem) as stream:
            yield from iter_entries(stream, source=self.source)

    @contextlib.contextmanager
    def _open(self, stem: str) -> Iterator[DecompressedReader]:
        with self.host_path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise FormatError(self.source, "no Debian package (it is no `ar` archive)")
            member = self._find(file, stem)
            with open_decompressed(member, source=f"{self.source}: {stem}") as stream:
                yield stream

    def _find(self, file: IO[bytes], stem: str) -> _Member:
        for number in range(_MAX_MEMBERS):
            name, size = self._header(file, stem)
            if number == 0:
                self._check_format(name, file.read(size) if size < _HEADER_SIZE else b"")
                file.seek(size % 2, 1)
            elif name.startswith(stem):
                if name.removeprefix(stem) not in _COMPRESSIONS:
                    raise FormatError(self.source, f"`{name}`: unknown compression")
                return _Member(file, size, f"{self.source}: {name}")
            else:
                file.seek(size + size % 2, 1)
        raise FormatError(self.source, f"no `{stem}` among its first {_MAX_MEMBERS} members")

    def _header(self, file: IO[bytes], wanted: str) -> tuple[str, int]:
        header = file.read(_HEADER_SIZE)
        if not header:
            raise FormatError(self.source, f"no Debian package (it has no `{wanted}`)")
        size = header[48:58].strip()
        if len(header) < _HEADER_SIZE or header[58:] != _HEADER_END or not size.isdigit():
            raise FormatError(self.source, "damaged or truncated `ar` archive")
        return header[:16].decode("ascii", "replace").rstrip().rstrip("/"), int(size)

    def _check_format(self, name: str, version: bytes) -> None:
        if name != "debian-binary" or not version.startswith(b"2."):
            raise FormatError(self.source, "no Debian package of format 2 (it does not begin with `debian-binary`)")


class _Member:
    """The bytes of one member of an `ar` archive; a `ByteSource`."""

    def __init__(self, file: IO[bytes], size: int, source: str) -> None:
        self._file = file
        self._left = size
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        chunk = self._file.read(wanted)
        if wanted and not chunk:
            raise FormatError(self._source, "truncated `ar` archive")
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> _Member:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
