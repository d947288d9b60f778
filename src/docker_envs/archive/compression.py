"""Compressed streams: recognised by their first bytes, opened, and written in independent blocks.

Blocks make the output a function of the input alone (no thread count, no buffer size in it) while all cores share the
work of one layer: gzip members by libdeflate, zstd frames.

Spec: RFC 1952, section 2.2 (a gzip file is a series of members); RFC 8878, section 3 (zstd: one or more frames).
"""

from __future__ import annotations

import bz2
import io
import lzma
import re
import sys
import zlib
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import deflate

from docker_envs.errors import FormatError, InvalidInputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from docker_envs.streams import ByteSource

_READ_SIZE = 1 << 17
_MAX_OUTPUT = 1 << 18
#: What a damaged or hostile xz stream may ask for, in bytes; `xz -9` needs 65 MiB.
_MAX_XZ_MEMORY = 256 << 20


class Compression(StrEnum):
    """How a stream is compressed."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    BZIP2 = "bzip2"
    XZ = "xz"


_MAGIC = {
    Compression.GZIP: re.compile(rb"\x1f\x8b"),
    # RFC 8878, sections 3.1.1 and 3.1.2: a frame, or a skippable one, with which some writers begin.
    Compression.ZSTD: re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
    # A level, and the first bytes of a block or of the end: `BZh` alone may begin a file's name in a tar.
    Compression.BZIP2: re.compile(rb"BZh[1-9](1A|\x17r)"),
    Compression.XZ: re.compile(rb"\xfd7zXZ\x00"),
}
_LEVELS = {Compression.NONE: (0, 0, 0), Compression.GZIP: (1, 1, 12), Compression.ZSTD: (1, 1, 19)}

#: Input bytes of one independent block.
BLOCK_SIZES = {Compression.NONE: 1 << 20, Compression.GZIP: 1 << 20, Compression.ZSTD: 4 << 20}


class CompressionSetting:
    """A codec for layers with its level.

    Raises:
        InvalidInputError: Layers cannot be compressed that way.
    """

    __slots__ = ("kind", "level")

    def __init__(self, kind: Compression = Compression.GZIP, level: int | None = None) -> None:
        if kind not in _LEVELS:
            raise InvalidInputError(f"layers cannot be compressed with {kind}", hint="use `gzip`, `zstd` or `none`")
        default, low, high = _LEVELS[kind]
        if level is not None and not low <= level <= high:
            raise InvalidInputError(f"{kind} has no level {level}", hint=f"use a level from {low} to {high}")
        self.kind = kind
        self.level = default if level is None else level

    @classmethod
    def parse(cls, text: str) -> CompressionSetting:
        """Parse `gzip`, `zstd`, `none`, or with a level `gzip:6`."""
        name, colon, level = text.partition(":")
        if name not in set(Compression) or (colon and not level.isdecimal()):
            raise InvalidInputError(
                f"unknown compression {text!r}", hint="use `gzip`, `zstd` or `none`, with a level as `gzip:6`"
            )
        return cls(Compression(name), int(level) if colon else None)

    def block_compressor(self) -> Callable[[bytes], Buffer]:
        """A function from one block of input to its compressed form; releases the interpreter lock while it works."""
        if self.kind is Compression.GZIP:
            return lambda block: deflate.gzip_compress(block, self.level)
        if self.kind is Compression.ZSTD:
            return lambda block: zstd.compress(block, self.level)
        return lambda block: block

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CompressionSetting) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return self.kind.value if self.kind is Compression.NONE else f"{self.kind.value}:{self.level}"


def detect(start: bytes) -> Compression:
    """The compression of a stream that begins with `start` (six bytes are enough)."""
    return next((kind for kind, magic in _MAGIC.items() if magic.match(start)), Compression.NONE)


def open_decompressed(stream: ByteSource, *, source: str) -> DecompressedReader:
    """A stream of the decompressed bytes, whatever the compression; closing it closes `stream`.

    Raises:
        FormatError: While reading: the compressed bytes are damaged or truncated.
    """
    start = b""
    while len(start) < 6 and (chunk := stream.read(6 - len(start))):
        start += chunk
    return DecompressedReader(stream, detect(start), start=start, source=source)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _GzipDecompressor:
    """zlib's decompressor with the interface of the others."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


class _Verbatim:
    eof = False
    needs_input = True
    unused_data = b""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return data


_DECOMPRESSORS: dict[Compression, Callable[[], _Decompressor]] = {
    Compression.NONE: _Verbatim,
    Compression.GZIP: _GzipDecompressor,
    Compression.ZSTD: zstd.ZstdDecompressor,
    Compression.BZIP2: bz2.BZ2Decompressor,
    Compression.XZ: lambda: lzma.LZMADecompressor(memlimit=_MAX_XZ_MEMORY),
}


class DecompressedReader(io.RawIOBase):
    """Decompressed bytes of a stream with any number of members or frames; `read` gives at most 256 KiB at once."""

    def __init__(self, stream: ByteSource, kind: Compression, *, source: str, start: bytes = b"") -> None:
        super().__init__()
        self._stream = stream
        self._kind = kind
        self._source = source
        self._input = start
        self._decompressor = _DECOMPRESSORS[kind]()
        self._rest = b""
        self._position = 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (all that is left when negative); empty at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_MAX_OUTPUT), b""))
        if not size:
            return b""
        if self._position == len(self._rest):
            self._rest, self._position = self._next(), 0
        chunk = self._rest[self._position : self._position + size]
        self._position += len(chunk)
        return chunk

    def readinto(self, buffer: Buffer) -> int:
        """Read into `buffer`; see `read`."""
        view = memoryview(buffer)
        chunk = self.read(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)

    def _next(self) -> bytes:
        while True:
            if self._decompressor.eof:
                self._input = self._skip_padding(self._decompressor.unused_data)
                if not self._input:
                    return b""
                self._decompressor = _DECOMPRESSORS[self._kind]()
            elif self._decompressor.needs_input and not self._input:
                self._input = self._stream.read(_READ_SIZE)
                if not self._input:
                    if self._kind is Compression.NONE:
                        return b""
                    raise FormatError(self._source, f"truncated {self._kind} stream")
            try:
                chunk = self._decompressor.decompress(self._input, _MAX_OUTPUT)
            except (zlib.error, lzma.LZMAError, zstd.ZstdError, OSError, EOFError) as error:
                raise FormatError(self._source, f"damaged {self._kind} stream ({error})") from error
            self._input = b""
            if chunk:
                return chunk

    def _skip_padding(self, behind: bytes) -> bytes:
        """The start of the next member or frame, behind any zeros, as gzip and xz allow them; empty at the end."""
        while not (behind := behind.lstrip(b"\0")):
            if not (behind := self._stream.read(_READ_SIZE)):
                break
        return behind

    def close(self) -> None:
        """Close the stream underneath as well."""
        if not self.closed:
            self._stream.close()
        super().close()
