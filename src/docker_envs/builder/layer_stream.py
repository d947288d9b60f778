"""A layer on its way to a registry while it is still made; what does not work is left to the push of the whole."""

from __future__ import annotations

import io
import os
import threading
from typing import TYPE_CHECKING

from docker_envs.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from typing_extensions import Buffer

    from docker_envs.streams import ByteSink, ByteSource

# How often a reader that waits looks whether it shall end, in seconds.
_WATCH_INTERVAL = 0.2
_READ_SIZE = 1 << 20


class LayerStream:
    """Sends one layer while it is made, with a thread of its own; a block that ends before `location` gives it up.

    Args:
        send: Sends what the opener gives, each time from the beginning; returns the upload's location, or None when it
            did not work. Raises nothing.
        cancelled: When set, the layer has no end.
    """

    def __init__(self, send: Callable[[Callable[[], ByteSource]], str | None], cancelled: threading.Event) -> None:
        self._send = send
        self._cancelled = cancelled
        self._growing: _GrowingFile | None = None
        self._thread: threading.Thread | None = None
        self._location: str | None = None

    def tee(self, file: BinaryIO) -> ByteSink:
        """What is written goes to the file, and from there to the registry."""
        self._growing = _GrowingFile(file, self._cancelled)
        # Not an executor: the interpreter would wait for it at exit.
        self._thread = threading.Thread(target=self._run, args=(self._growing,), daemon=True)
        self._thread.start()
        return self._growing

    def _run(self, growing: _GrowingFile) -> None:
        with growing:
            self._location = self._send(growing.open)

    def location(self) -> str | None:
        """Where all bytes are, after waiting for the last; None when nothing was sent, or it did not work."""
        self._end(whole=True)
        return self._location

    def _end(self, *, whole: bool) -> None:
        if self._growing is not None and self._thread is not None:
            self._growing.end(whole=whole)
            self._thread.join()

    def __enter__(self) -> LayerStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(whole=False)


class _GrowingFile:
    """A file that is read while it is written: whoever is ahead of the writer waits, and nothing is held in memory."""

    def __init__(self, file: BinaryIO, cancelled: threading.Event) -> None:
        self._file = file
        # Readers may outlive the writer's handle, and the file's name.
        self._handle = os.dup(file.fileno())
        self._cancelled = cancelled
        self._changed = threading.Condition()
        self._length = 0
        self._whole: bool | None = None

    def write(self, content: Buffer) -> None:
        self._file.write(content)
        self._file.flush()
        with self._changed:
            self._length += memoryview(content).nbytes
            self._changed.notify_all()

    def end(self, *, whole: bool) -> None:
        """Nothing more is written."""
        with self._changed:
            self._whole = whole
            self._changed.notify_all()

    def open(self) -> _Reader:
        """A reader, from the first byte on."""
        return _Reader(self)

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes, when there are any; empty at the end.

        Raises:
            TransportError: There will be no end.
        """
        with self._changed:
            while self._length <= offset and self._whole is None and not self._cancelled.is_set():
                self._changed.wait(_WATCH_INTERVAL)
            if self._whole is False or self._cancelled.is_set():
                raise TransportError("the upload was cancelled")
        return os.pread(self._handle, size, offset)

    def __enter__(self) -> _GrowingFile:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


class _Reader(io.RawIOBase):
    def __init__(self, growing: _GrowingFile) -> None:
        super().__init__()
        self._growing = growing
        self._offset = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._growing.read_at(self._offset, size if size >= 0 else _READ_SIZE)
        self._offset += len(chunk)
        return chunk
