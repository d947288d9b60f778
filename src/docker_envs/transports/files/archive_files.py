"""Named files of a layout or archive, opened one by one: members of a tar by their offsets, or files below a directory.

Nothing is unpacked. A tar that is compressed as a whole is decompressed once, to a temporary file without a name.
"""

from __future__ import annotations

import io
import os
import posixpath
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, Self

from docker_envs.archive import tar_header
from docker_envs.archive.compression import Compression, detect, open_decompressed
from docker_envs.archive.entry import Kind
from docker_envs.errors import FormatError, PathEscapeError, StorageError
from docker_envs.paths import image_path
from docker_envs.streams import copy_stream
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from docker_envs.streams import ByteSource

#: The most members that an archive may have.
MAX_MEMBERS = 1 << 18
# The most characters that their names and the targets of their links may have in all.
_MAX_NAMES = 64 << 20

#: Links from member to member that are followed.
_MAX_LINKS = 16


class ImageFiles(Protocol):
    """Files by their paths, which are relative to the root and checked.

    Attributes:
        source: What is read, for messages.
    """

    source: str

    def has(self, path: str) -> bool:
        """Whether there is such a file."""

    def size(self, path: str) -> int:
        """Length of a file in bytes."""

    def open(self, path: str) -> ByteSource:
        """A new stream of a file; the caller closes it."""

    def host_path(self, path: str) -> Path | None:
        """The local file that holds exactly this file, if there is one."""


def read_small_file(files: ImageFiles, path: str, limit: int) -> bytes:
    """All of a file.

    Raises:
        FormatError: It is missing, or longer than `limit` bytes.
    """
    size = files.size(path)
    if size > limit:
        raise FormatError(files.source, f"`{path}` has {size:,} bytes, more than the limit of {limit:,}")
    with files.open(path) as stream:
        return stream.read()


class DirectoryFiles:
    """The files below a directory.

    Raises:
        FormatError: From all methods but `has`: there is no such file.
        StorageError: From all methods: nobody lets us look.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = str(root)

    def has(self, path: str) -> bool:
        """See `ImageFiles`."""
        with storage_errors("read", self.root / path):
            return (self.root / path).is_file()

    def size(self, path: str) -> int:
        """See `ImageFiles`."""
        return self.host_path(path).stat().st_size

    def open(self, path: str) -> BinaryIO:
        """See `ImageFiles`."""
        host_path = self.host_path(path)
        with storage_errors("read", host_path):
            return host_path.open("rb")

    def host_path(self, path: str) -> Path:
        """See `ImageFiles`."""
        if not self.has(path):
            raise _missing(self.source, path)
        return self.root / path


class _Member(NamedTuple):
    kind: Kind
    offset: int
    size: int
    link: str


class TarFiles:
    """The members of a tar archive; links to other members are followed.

    Reading is safe from many threads. The file stays open as long as this object or one of its streams lives, so an
    archive may be read and replaced at the same time.

    Args:
        file: A path, or a stream that is read from where it stands; the caller closes it, at any time.

    Raises:
        FormatError: The file is no tar, damaged, or too big; from `size` and `open`: there is no such member.
        PathEscapeError: A member's name, or a link's target, is outside of the archive.
        StorageError: The file cannot be read, or the disk is too full to decompress it.

    Cost: reads the headers only, unless the whole file is compressed or no regular file: then copies it to a temporary
    one.
    """

    def __init__(self, file: Path | BinaryIO) -> None:
        self.source = str(file) if isinstance(file, Path) else str(getattr(file, "name", "archive"))
        self._path = Path(self.source)
        self._descriptor = _open_descriptor(file, self._path)
        weakref.finalize(self, os.close, self._descriptor)
        self._members = {name: member for name, member in self._iter_members() if name}

    def has(self, path: str) -> bool:
        """See `ImageFiles`."""
        return path in self._members

    def size(self, path: str) -> int:
        """See `ImageFiles`."""
        return self._resolve(path).size

    def open(self, path: str) -> ByteSource:
        """See `ImageFiles`."""
        member = self._resolve(path)
        return _MemberReader(self, member.offset, member.size)

    def host_path(self, path: str) -> None:
        """None: members are no files of their own."""

    def read_at(self, position: int, size: int) -> bytes:
        """Up to `size` bytes of the uncompressed archive; fewer only at its end."""
        with storage_errors("read", self._path):
            return os.pread(self._descriptor, size, position)

    def _resolve(self, path: str) -> _Member:
        name = path
        for _ in range(_MAX_LINKS):
            member = self._members.get(name)
            if member is None:
                raise _missing(self.source, path if name == path else f"{path}` -> `{name}")
            if member.kind is Kind.FILE:
                return member
            if member.kind is Kind.HARDLINK:
                name = image_path(member.link, source=self.source)
            elif member.kind is Kind.SYMLINK:
                name = self._follow(name, member.link)
            else:
                raise FormatError(self.source, f"`{path}` is no file")
        raise FormatError(self.source, f"`{path}` is a link that leads in circles")

    def _follow(self, path: str, target: str) -> str:
        name = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if name.startswith(("/", "..")):
            raise PathEscapeError(self.source, f"{path} -> {target}")
        return name

    def _iter_members(self) -> Iterator[tuple[str, _Member]]:
        defaults: dict[str, bytes] = {}
        extensions: dict[str, bytes] = {}
        end = os.fstat(self._descriptor).st_size
        position = count = names = 0
        while (header := self._header(position)) is not None:
            position += tar_header.BLOCK
            if (flag := header[156:157]) in b"xgLK":
                size = tar_header.extension_size(header, self.source)
                self._check_size("a header", size, end - position)
                scope = defaults if flag == tar_header.PAX_GLOBAL else extensions
                scope.update(tar_header.parse_extension(flag, self.read_at(position, size), self.source))
                tar_header.check_extensions(scope, self.source)
                position += size + -size % tar_header.BLOCK
                continue
            entry = tar_header.apply_pax(tar_header.decode(header, self.source), defaults | extensions, self.source)
            extensions = {}
            count += 1
            if count > MAX_MEMBERS:
                raise FormatError(self.source, f"more than {MAX_MEMBERS:,} members")
            names += len(entry.path) + len(entry.link)
            if names > _MAX_NAMES:
                raise FormatError(self.source, f"names of more than {_MAX_NAMES:,} characters")
            self._check_size(f"`{entry.path}`", entry.size, end - position)
            yield image_path(entry.path, source=self.source), _Member(entry.kind, position, entry.size, entry.link)
            position += entry.size + -entry.size % tar_header.BLOCK

    def _check_size(self, what: str, size: int, left: int) -> None:
        if not 0 <= size <= left:
            raise FormatError(self.source, f"truncated tar archive: {what} has {size:,} bytes, only {left:,} are left")

    def _header(self, position: int) -> bytes | None:
        block = self.read_at(position, tar_header.BLOCK)
        if not block.strip(b"\0"):
            return None
        if len(block) < tar_header.BLOCK:
            raise FormatError(self.source, "no tar archive, or a truncated one")
        tar_header.check(block, self.source)
        return block


class _MemberReader(io.RawIOBase):
    def __init__(self, files: TarFiles, offset: int, size: int) -> None:
        super().__init__()
        self._files = files
        self._position = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._position
        chunk = self._files.read_at(self._position, left if size < 0 else min(size, left))
        self._position += len(chunk)
        return chunk

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        chunk = self.read(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)


class _Borrowed:
    """A stream of the caller's, which the readers that are stacked on it must not close."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read = stream.read

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _missing(source: str, path: str) -> FormatError:
    return FormatError(source, f"`{path}` is missing")


def _open_descriptor(file: Path | BinaryIO, path: Path) -> int:
    with storage_errors("read", path):
        if isinstance(file, Path):
            if file.is_dir():
                raise StorageError(f"cannot read `{path}`: it is a directory, not an archive")
            with file.open("rb") as stream:
                return _open_descriptor(stream, path)
        # Only a plain file from its start may be shared by its descriptor: others have offsets or bytes of their own.
        buffered = isinstance(file, io.BufferedReader | io.BufferedRandom) and isinstance(file.raw, io.FileIO)
        if buffered and file.seekable() and file.tell() == 0:
            file.flush()
            start = os.pread(file.fileno(), 6, 0)
            if detect(start) is Compression.NONE:
                return os.dup(file.fileno())
        return _spool(file, path)


def _spool(file: BinaryIO, path: Path) -> int:
    with storage_errors("unpack to a temporary file:", path), tempfile.TemporaryFile() as spool:
        copy_stream(open_decompressed(_Borrowed(file), source=str(path)), spool)
        spool.flush()
        return os.dup(spool.fileno())
