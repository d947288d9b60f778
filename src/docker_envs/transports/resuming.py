"""Downloads that go on where a broken connection left them.

Spec: RFC 9110, sections 14.2 (Range), 14.4 (Content-Range), 15.3.7 (206) and 15.5.17 (416).
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from docker_envs.errors import TransportError
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.fetch import RetryRule

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.transports.fetch import Response

# What is read at once: at first, and at least after breaks, in bytes.
_LARGEST_PIECE, _SMALLEST_PIECE = 1 << 20, 1 << 8
# RFC 9110, section 14.4.
_CONTENT_RANGE = re.compile(r"bytes\s+([0-9]{1,19})-", re.ASCII | re.IGNORECASE)


class ResumingReader(io.RawIOBase):
    """A download that goes on where a broken connection left it; bytes are not verified.

    Whatever arrived counts as progress: only breaks without a byte in between exhaust the rule.

    Args:
        open_at: Sends one request for the bytes from an offset on; it may be answered with 206 or, from the start, 200.
        rule: For opening and for every read.
        size: Number of bytes expected, if known: what ends earlier is asked for once more.

    Raises:
        TransportError: It cannot be opened.
    """

    def __init__(
        self, open_at: Callable[[int], Response], rule: RetryRule | None = None, *, size: int | None = None
    ) -> None:
        super().__init__()
        self._open_at = open_at
        self._rule = rule or RetryRule()
        self._size = size
        self._offset = 0
        self._ended_at = -1
        self._piece = _LARGEST_PIECE
        self._response: Response | None = self._rule.run(self._open)

    def readable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end.

        Raises:
            TransportError: The connection broke too often.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK_SIZE), b""))
        return self._rule.run(lambda: self._read(size))

    def _read(self, size: int) -> bytes:
        if self._response is None:
            self._response = self._open()
        try:
            chunk = self._response.read(min(size, self._piece))
        except TransportError:
            if self._offset == self._size:
                # More was announced, but all is here.
                return b""
            # What came before the break is lost, so smaller pieces keep more of it.
            self._piece = max(self._piece >> 4, _SMALLEST_PIECE)
            self._release()
            raise
        self._piece = min(self._piece << 1, _LARGEST_PIECE)
        self._offset += len(chunk)
        if size and not chunk and self._size is not None and self._ended_at != self._offset < self._size:
            self._ended_at = self._offset
            self._release()
            return self._read(size)
        return chunk

    def _open(self) -> Response:
        try:
            response = self._open_at(self._offset)
        except TransportError as error:
            if error.status != 416 or not self._offset:
                raise
            response = self._open_at(0)
        try:
            _skip_to(self._offset, response)
        except BaseException:
            response.close()
            raise
        return response

    def _release(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def close(self) -> None:
        """End the download."""
        self._release()
        super().close()


def _skip_to(offset: int, response: Response) -> None:
    first = 0
    if response.status == 206:
        found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        first = int(found[1]) if found else offset
    if first > offset:
        raise TransportError(f"`{response.url}`: sent the bytes from {first:,} instead of {offset:,}", transient=True)
    while first < offset and (chunk := response.read(min(offset - first, CHUNK_SIZE))):
        first += len(chunk)


def range_from(offset: int) -> dict[str, str]:
    """The header that asks for the bytes from `offset` on; none for all."""
    return {"Range": f"bytes={offset}-"} if offset else {}
