"""A tar stream, read once from front to back, as entries with checked paths and bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.archive import tar_header
from docker_envs.archive.entry import Entry, Kind
from docker_envs.archive.tar_header import BLOCK
from docker_envs.errors import FormatError, PathEscapeError
from docker_envs.paths import image_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.streams import ByteSource

_READ_SIZE = 1 << 18
#: Files up to this size come as one chunk, in bytes.
_WHOLE = 1 << 18


def iter_entries(stream: ByteSource, *, source: str) -> Iterator[Entry]:
    """All entries of an uncompressed tar stream, in its order.

    Args:
        stream: Read sequentially; the caller closes it.
        source: What is read, for messages.

    Yields:
        Entries whose content may be read until the next one is asked for. The root directory itself is left out.

    Raises:
        FormatError: The stream is no tar, is damaged or truncated, or holds what images cannot
            (sparse files, unknown types).
        PathEscapeError: A path or a hard link's target is absolute or leaves the root.

    Cost: one read; memory bounded by a buffer of 0.5 MiB, whatever sizes the archive declares.
    """
    buffer = _Buffer(stream, source)
    defaults: dict[str, bytes] = {}
    while True:
        extensions = dict(defaults)
        header = buffer.header()
        while header is not None and header[156:157] in b"xgLK":
            _read_extension(header, buffer, extensions, defaults)
            header = buffer.header()
        if header is None:
            if extensions != defaults:
                raise FormatError(source, "truncated tar archive")
            return
        entry = tar_header.apply_pax(tar_header.decode(header, source), extensions, source)
        entry.path = _checked(entry.path, source)
        remaining = _attach_content(entry, buffer, source)
        if entry.path:
            yield entry
        elif entry.kind is not Kind.DIRECTORY:
            raise PathEscapeError(source, entry.path)
        if remaining is not None:
            remaining.skip()


def _attach_content(entry: Entry, buffer: _Buffer, source: str) -> _Content | None:
    if entry.kind is Kind.FILE:
        if entry.size <= _WHOLE:
            entry.content = (buffer.take_padded(entry.size),) if entry.size else ()
            return None
        entry.content = content = _Content(buffer, entry.size)
        return content
    if entry.kind is Kind.HARDLINK:
        entry.link = _checked(entry.link, source)
        if not entry.link:
            raise PathEscapeError(source, entry.link)
    return None


def _checked(path: str, source: str) -> str:
    if path[:1] in "./" or "//" in path or "/." in path or path[-1:] == "/" or "\0" in path:
        return image_path(path, source=source)
    return path


def _read_extension(header: bytes, buffer: _Buffer, extensions: dict[str, bytes], defaults: dict[str, bytes]) -> None:
    body = buffer.take_padded(tar_header.extension_size(header, buffer.source))
    flag = header[156:157]
    fields = tar_header.parse_extension(flag, body, buffer.source)
    extensions.update(fields)
    tar_header.check_extensions(extensions, buffer.source)
    if flag == tar_header.PAX_GLOBAL:
        defaults.update(fields)


class _Buffer:
    """Bytes read ahead from a stream, cut into what the tar format asks for."""

    def __init__(self, stream: ByteSource, source: str) -> None:
        self.source = source
        self._stream = stream
        self._bytes = b""
        self._position = 0

    def header(self) -> bytes | None:
        """The next header block, or None at the end of the archive."""
        start = self._position
        block = self._bytes[start : start + BLOCK]
        if len(block) < BLOCK:
            block = self._fill(BLOCK)
            if not block:
                return None
            if len(block) < BLOCK:
                raise FormatError(self.source, "truncated tar archive")
        self._position += BLOCK
        if block[0] == 0 and not block.strip(b"\0"):
            self._drain()
            return None
        tar_header.check(block, self.source)
        return block

    def take_padded(self, size: int) -> bytes:
        """`size` bytes of content; the padding behind them is dropped."""
        end = self._position + size
        padded = end + -size % BLOCK
        if padded <= len(self._bytes):
            content = self._bytes[self._position : end]
            self._position = padded
            return content
        content = self._fill(padded - self._position)[:size]
        if len(content) < size:
            raise FormatError(self.source, "truncated tar archive")
        self._position = min(size + -size % BLOCK, len(self._bytes))
        return content

    def take_some(self, limit: int) -> bytes:
        """Between 1 and `limit` bytes."""
        if self._position == len(self._bytes):
            self._bytes, self._position = self._stream.read(_READ_SIZE), 0
            if not self._bytes:
                raise FormatError(self.source, "truncated tar archive")
        chunk = self._bytes[self._position : self._position + limit]
        self._position += len(chunk)
        return chunk

    def skip(self, size: int) -> None:
        """Drop `size` bytes."""
        while size:
            size -= len(self.take_some(size))

    def _fill(self, size: int) -> bytes:
        """Read on until `size` bytes are buffered from the position on (fewer at the end), which moves to 0."""
        parts = [self._bytes[self._position :]]
        length = len(parts[0])
        while length < size:
            chunk = self._stream.read(max(_READ_SIZE, size - length))
            if not chunk:
                break
            parts.append(chunk)
            length += len(chunk)
        self._bytes, self._position = b"".join(parts), 0
        return self._bytes[:size]

    def _drain(self) -> None:
        # What follows the end mark is padding; reading it lets verifying streams underneath reach their end.
        self._bytes = b""
        self._position = 0
        while self._stream.read(_READ_SIZE):
            pass


class _Content:
    """The chunks of one big file; what the consumer leaves is skipped."""

    def __init__(self, buffer: _Buffer, size: int) -> None:
        self._buffer = buffer
        self._left = size
        self._padding = -size % BLOCK

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        chunk = self._buffer.take_some(self._left)
        self._left -= len(chunk)
        return chunk

    def skip(self) -> None:
        self._buffer.skip(self._left + self._padding)
        self._left = self._padding = 0
