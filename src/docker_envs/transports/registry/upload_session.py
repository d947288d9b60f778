"""One upload of a blob: in one piece or in chunks, gone on with after a break, and cleaned up when it fails.

Spec: OCI distribution-spec 1.1, "Pushing a blob monolithically" (POST then PUT), "Pushing a blob in chunks".
"""

from __future__ import annotations

import contextlib
import io
import re
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from docker_envs.errors import (
    AuthenticationError,
    DigestMismatchError,
    DockerEnvsError,
    TransportError,
    VerificationError,
)
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.fetch import Body

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.digest import Digest
    from docker_envs.oci.blob import Blob
    from docker_envs.report import Task
    from docker_envs.streams import ByteSource
    from docker_envs.transports.fetch import Response
    from docker_envs.transports.registry.session import Repository

# After a body was too large; smaller bodies than the second are no remedy. In bytes.
_SMALL_CHUNK = 64 << 20
_SMALLEST_CHUNK = 1 << 20
# Registries move a blob to its place before they answer; for gigabytes in an object store that takes minutes.
_COMMIT_TIMEOUT = 900.0
_ABANDON_TIMEOUT = 2.0
_RANGE = re.compile(r"(?:bytes=)?0-([0-9]{1,18})\s*", re.ASCII)
_SUCCESS = range(200, 300)


@dataclass
class UploadHabits:
    """How a registry likes its uploads; changed by what is learnt.

    Attributes:
        chunks: Whether it takes chunks, as far as is known.
        streams: Whether it takes a body of unknown length, as far as is known.
        limit: The largest body to send, in bytes. Every registry takes a blob in one piece, and some refuse chunks.
        chunk: Length of chunks, in bytes.
    """

    chunks: bool = True
    streams: bool = True
    limit: int = 8 << 30
    chunk: int = 256 << 20

    def shrink(self, refused: int) -> bool:
        """Learn that a body of `refused` bytes was too large; whether smaller ones are worth a try."""
        self.limit = min(self.limit, _SMALL_CHUNK, refused >> 2)
        return self.chunks and self.limit >= _SMALLEST_CHUNK


class Progress:
    """Bytes of one blob that were sent, over all attempts.

    Args:
        task: Told how many bytes were sent.
        cancelled: When set, sending stops at the next piece.
    """

    def __init__(self, task: Task | None, cancelled: threading.Event | None) -> None:
        self.cancelled = cancelled or threading.Event()
        self.reached = 0
        self._task = task

    def reach(self, offset: int) -> None:
        """All bytes up to `offset` were sent.

        Raises:
            TransportError: Somebody else failed, or a user interrupted.
        """
        if self.cancelled.is_set():
            raise TransportError("the upload was cancelled")
        if offset > self.reached:
            if self._task is not None:
                self._task.advance(offset - self.reached)
            self.reached = offset


@dataclass
class UploadSession:
    """An upload that `attempt` begins or goes on with; whoever gives up calls `abandon`.

    Attributes:
        repository: Where to.
        blob: What; opened anew, and skipped to where the registry is, after a break.
        habits: Of the registry.
        progress: Told what was sent.
        location: Of an upload that the registry began already.
        kept: How many bytes the registry said that it kept, over all attempts.
        offset: How many bytes of the blob the upload at `location` has.
    """

    repository: Repository
    blob: Blob
    habits: UploadHabits
    progress: Progress
    location: str | None = None
    kept: int = 0
    offset: int = 0
    _minimum: int = field(default=0, init=False)
    _broke: bool = field(default=False, init=False)
    _refused: bool = field(default=False, init=False)
    _sent_all: bool = field(default=False, init=False)
    # Method of the request that sends bytes, and their number.
    _sending: tuple[str, int] = field(default=("", 0), init=False)
    _source: _Source = field(init=False)

    def __post_init__(self) -> None:
        self._source = _Source(self.blob, self.progress)

    def attempt(self) -> None:
        """Bring the blob to its end, from the beginning or from where the registry lost the connection.

        Raises:
            VerificationError: The bytes are not those of the digest; the registry keeps nothing.
            TransportError: It did not work. When transient, another attempt goes on with what the registry kept.
        """
        try:
            self.progress.reach(self.offset)
            if self._broke and self._is_there():
                return
            self._broke = True
            if self.location is None:
                self._begin()
            self._send()
        except TransportError as error:
            if error.transient or not self._learn(error):
                raise
            raise TransportError(str(error), hint=error.hint, transient=True, status=error.status) from error
        except VerificationError:
            self.abandon()
            raise
        finally:
            # Then the answer may be all that was lost.
            self._sent_all = self._sent_all or (self._sending[0] == "PUT" and self.progress.reached == self.blob.size)
            self._source.close()
            self._sending = ("", 0)

    def abandon(self) -> None:
        """Let the registry forget what it has of the upload."""
        if self.location is not None:
            abandon_upload(self.repository, self.location)
        self.location, self.offset = None, 0

    def _begin(self) -> None:
        with self.repository.request("POST", "blobs/uploads/", expected=(202,), retry=False) as response:
            self.location = self.repository.location(response)
            self.offset = 0
            minimum = response.headers.get("OCI-Chunk-Min-Length", "")
            self._minimum = int(minimum) if re.fullmatch(r"[0-9]{1,15}", minimum) else 0

    def _is_there(self) -> bool:
        """After a break: whether the blob is complete, else how much the registry kept, else nothing is."""
        if self._sent_all and has_blob(self.repository, self.blob, retry=False):
            self.location = None
            return True
        kept = 0
        if self.location is not None and self.habits.chunks:
            try:
                with self.repository.request("GET", self.location, expected=_SUCCESS, retry=False) as response:
                    kept = self._follow(response)
            except TransportError as error:
                # docker-registry and others cannot go on after a break in the middle of a body.
                if error.status is None or error.transient:
                    raise
        # `0-0` is what docker-registry says of an empty upload.
        if 1 < kept <= self.progress.reached:
            self.offset, self.kept = kept, max(self.kept, kept)
        else:
            self.abandon()
        return False

    def _follow(self, response: Response) -> int:
        """Take the location out of an answer; the number of bytes that the registry has, 0 when it does not say."""
        if response.headers.get("Location"):
            self.location = self.repository.location(response)
        found = _RANGE.fullmatch(response.headers.get("Range", ""))
        return int(found[1]) + 1 if found else 0

    def _send(self) -> None:
        size, chunk = self.blob.size, self._chunk_length()
        if not self.offset and size <= chunk:
            self._commit(size)
            return
        while self.offset < size:
            self._patch(min(chunk, size - self.offset))
        self._commit(0)

    def _chunk_length(self) -> int:
        if not self.habits.chunks or (self.blob.size <= self.habits.limit and not self._minimum):
            return self.blob.size
        return max(self._minimum, min(self.habits.limit, self.habits.chunk))

    def _patch(self, length: int) -> None:
        end = self.offset + length
        self._sending = ("PATCH", length)
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"{self.offset}-{end - 1}"}
        body = Body(self._source.opener(self.offset, length), length)
        with self.repository.request(
            "PATCH", self.location or "", headers=headers, body=body, expected=_SUCCESS, retry=False
        ) as response:
            kept = self._follow(response)
        if kept not in (0, end):
            raise TransportError(f"the registry kept {kept:,} bytes of {end:,}", transient=True)
        self.offset, self.kept = end, max(self.kept, end)

    def _commit(self, length: int) -> None:
        self._sending = ("PUT", length)
        location = self.location or ""
        url = f"{location}{'&' if urlsplit(location).query else '?'}{urlencode({'digest': self.blob.digest})}"
        headers = {"Content-Type": "application/octet-stream"}
        body = Body(self._source.opener(self.offset, length), length) if length else b""
        with self.repository.request(
            "PUT", url, headers=headers, body=body, expected=(201,), timeout=_COMMIT_TIMEOUT, retry=False
        ) as response:
            check_content_digest(response, self.blob.digest)
        self.location = None

    def _learn(self, error: TransportError) -> bool:
        """Whether a refusal of bytes says that they are worth sending anew, perhaps in another way."""
        method, length = self._sending
        if error.status is None or not method or self.progress.cancelled.is_set():
            return False
        lost = error.status in (404, 416)
        if error.status == 413:
            again = self.habits.shrink(length)
        elif method == "PATCH" and error.status != 401 and not (lost and self.offset):
            again, self.habits.chunks = self.habits.chunks, False
        elif isinstance(error, AuthenticationError):
            return False
        elif lost:
            again = True
        else:
            # Perhaps the bytes, which were right here, were not any more there.
            again, self._refused = error.status == 400 and not self._refused, True
        self.abandon()
        return again


def abandon_upload(repository: Repository, location: str) -> None:
    """Let the registry forget what it has of an upload; if it does not hear, it will some day by itself."""
    with contextlib.suppress(DockerEnvsError):
        expected = range(200, 600)
        repository.request("DELETE", location, expected=expected, timeout=_ABANDON_TIMEOUT, retry=False).close()


def has_blob(repository: Repository, blob: Blob, *, retry: bool = True) -> bool:
    """Whether a repository has a blob; an answer that speaks of another digest or size does not count.

    Raises:
        TransportError: The registry does not let us, or cannot be reached.
    """
    with repository.request("HEAD", f"blobs/{blob.digest}", expected=(200, 404), retry=retry) as response:
        digest = response.headers.get("Docker-Content-Digest") or blob.digest
        length = response.headers.get("Content-Length") or str(blob.size)
        return response.status == 200 and digest == blob.digest and length in (str(blob.size), "0")


def check_content_digest(response: Response, expected: Digest) -> None:
    """Compare what a registry stored with what it was sent, when it says so.

    Raises:
        DigestMismatchError: It stored something else.
    """
    actual = response.headers.get("Docker-Content-Digest")
    if actual and actual.startswith(f"{expected.algorithm}:") and actual != expected:
        raise DigestMismatchError(response.url, expected=expected, actual=actual)


class _Source:
    """The verified bytes of a blob; pieces that follow one another come from one stream."""

    def __init__(self, blob: Blob, progress: Progress) -> None:
        self._blob = blob
        self._progress = progress
        self._stream: ByteSource | None = None
        self._offset = 0

    def opener(self, offset: int, length: int) -> Callable[[], ByteSource]:
        """What opens the piece of `length` bytes from `offset` on."""
        return partial(_Piece, self, offset, length)

    def seek(self, offset: int) -> None:
        """Go to an offset, by reading, so that all bytes are verified."""
        if self._stream is None or offset < self._offset:
            self.close()
            self._stream = self._blob.open_blob()
        while self._offset < offset and self.read(min(CHUNK_SIZE, offset - self._offset)):
            pass

    def read(self, size: int) -> bytes:
        """The next bytes."""
        self._progress.reach(self._offset)
        assert self._stream is not None
        chunk = self._stream.read(size)
        self._offset += len(chunk)
        return chunk

    def close(self) -> None:
        """Release the stream."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self._offset = None, 0


class _Piece(io.RawIOBase):
    """A piece of a blob on its way to the registry; the source stays open for the next one."""

    def __init__(self, source: _Source, offset: int, length: int) -> None:
        super().__init__()
        self._source = source
        self._left = length
        source.seek(offset)

    def read(self, size: int = -1) -> bytes:
        chunk = self._source.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(chunk)
        return chunk
