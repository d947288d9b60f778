"""What the project needs of a stream; files, sockets, decompressors and verifying readers all are one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Buffer

#: Copy buffer of every stream in the project, in bytes.
CHUNK_SIZE = 1 << 18


class ByteSource(Protocol):
    """Bytes to read from front to back."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes (all when negative); empty only at the end."""

    def close(self) -> None:
        """Release what is underneath."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...


class ByteSink(Protocol):
    """Takes bytes."""

    def write(self, content: Buffer, /) -> object:
        """Take all of `content`."""


def copy_stream(source: ByteSource, target: ByteSink, *, watch: Callable[[int], object] | None = None) -> int:
    """Copy all of `source` to `target` in bounded chunks; the number of bytes copied.

    Args:
        source: Read to its end.
        target: Gets every chunk.
        watch: Told the size of each chunk in bytes when it was copied; what it raises ends the copy.
    """
    count = 0
    while chunk := source.read(CHUNK_SIZE):
        target.write(chunk)
        count += len(chunk)
        if watch is not None:
            watch(len(chunk))
    return count
