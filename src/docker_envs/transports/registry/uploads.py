"""Blobs into a registry: asked for, mounted from a repository beside it, or streamed.

Spec: OCI distribution-spec 1.1, "Pushing blobs" and "Mounting a blob from another repository".
"""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from docker_envs.digest import Digest
from docker_envs.errors import AuthenticationError, DigestMismatchError, NotFoundError, TransportError
from docker_envs.transports.fetch import Body
from docker_envs.transports.registry.session import Access

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.oci.blob import Blob
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Task
    from docker_envs.streams import ByteSource
    from docker_envs.transports.fetch import Response, RetryRule
    from docker_envs.transports.registry.session import RegistrySession, Repository

EXISTS = "exists"
MOUNTED = "mounted"
UPLOADED = "uploaded"

# Registries move a blob to its place before they answer; for gigabytes in an object store that takes minutes.
_COMMIT_TIMEOUT = 900.0


@dataclass(frozen=True, slots=True)
class Upload:
    """A blob to be pushed.

    Attributes:
        digest: Of its bytes.
        size: In bytes.
        opener: Gives a new stream that verifies itself.
        origin: The repository that has it, when it came from a registry.
    """

    digest: Digest
    size: int
    opener: Callable[[], ByteSource] = field(repr=False)
    origin: Reference | None = None

    @classmethod
    def of_layer(cls, layer: Blob) -> Upload:
        """A layer's blob."""
        return cls(layer.digest, layer.size, layer.open_blob, layer.origin)

    @classmethod
    def of_bytes(cls, content: bytes) -> Upload:
        """A blob in memory."""
        return cls(Digest.of(content), len(content), lambda: io.BytesIO(content))


class BlobUploader:
    """Pushes blobs; safe for many threads.

    Args:
        session: Sends the requests.
        rule: How an upload that broke is started again.
    """

    def __init__(self, session: RegistrySession, rule: RetryRule) -> None:
        self._session = session
        self._rule = rule
        # Pairs of repositories that the registry refused to mount between.
        self._no_mounts: set[tuple[Reference, str]] = set()
        # Blobs that repositories have for sure, since they were pushed or asked for here.
        self._present: set[tuple[str, Digest]] = set()

    def has_pushed(self, digest: Digest, target: Reference) -> bool:
        """Whether this uploader brought a blob into a repository, or found it there."""
        return (target.name, digest) in self._present

    def push(
        self, blob: Upload, target: Reference, *, task: Task | None = None, cancelled: threading.Event | None = None
    ) -> str:
        """Have a blob in a repository, in the cheapest way.

        Args:
            blob: The blob; opened only when its bytes must be sent.
            target: Registry and repository.
            task: Told how many bytes were sent.
            cancelled: When set, sending stops at the next piece.

        Returns:
            `exists`, `mounted` or `uploaded`.

        Raises:
            VerificationError: The bytes are not those of the digest; the registry keeps nothing.
            TransportError: The registry refused, or the connection broke too often.
        """
        outcome = self._push(blob, target, task, cancelled)
        self._present.add((target.name, blob.digest))
        return outcome

    def _push(self, blob: Upload, target: Reference, task: Task | None, cancelled: threading.Event | None) -> str:
        repository = self._session.repository(target, access=Access.PUSH)
        with repository.request("HEAD", f"blobs/{blob.digest}", expected=(200, 404)) as response:
            if response.status == 200:
                return EXISTS
        mounted, location = self._mount(blob, target)
        if mounted:
            return MOUNTED
        progress = _Progress(task, cancelled or threading.Event())

        def attempt() -> None:
            nonlocal location
            started, location = location or self._start(repository), None
            self._send(repository, started, blob, progress)

        self._rule.run(attempt)
        return UPLOADED

    def _mount(self, blob: Upload, target: Reference) -> tuple[bool, str | None]:
        """Whether the registry mounted the blob, else perhaps the location of the upload that it began instead."""
        source = blob.origin
        if source is None or source.registry != target.registry or source.repository == target.repository:
            return False, None
        pair = (target, source.repository)
        if pair in self._no_mounts:
            return False, None
        try:
            repository = self._session.repository(target, access=Access.PUSH, mount_from=source)
            query = urlencode({"mount": blob.digest, "from": source.repository})
            with repository.request("POST", f"blobs/uploads/?{query}", expected=(201, 202)) as response:
                return response.status == 201, None if response.status == 201 else repository.location(response)
        except (AuthenticationError, NotFoundError):
            # Some registries refuse what they will not mount, instead of beginning an upload.
            self._no_mounts.add(pair)
            return False, None
        except TransportError as error:
            if error.status is None:
                raise
            return False, None

    def _start(self, repository: Repository) -> str:
        with repository.request("POST", "blobs/uploads/", expected=(202,)) as response:
            return repository.location(response)

    def _send(self, repository: Repository, location: str, blob: Upload, progress: _Progress) -> None:
        url = f"{location}{'&' if urlsplit(location).query else '?'}{urlencode({'digest': blob.digest})}"
        body = Body(lambda: _WatchedStream(blob.opener(), progress), blob.size)
        headers = {"Content-Type": "application/octet-stream"}
        with repository.request(
            "PUT", url, headers=headers, body=body, expected=(201,), timeout=_COMMIT_TIMEOUT, retry=False
        ) as response:
            check_content_digest(response, blob.digest)


def check_content_digest(response: Response, expected: Digest) -> None:
    """Compare what a registry stored with what it was sent, when it says so.

    Raises:
        DigestMismatchError: It stored something else.
    """
    actual = response.headers.get("Docker-Content-Digest")
    if actual and actual.startswith(f"{expected.algorithm}:") and actual != expected:
        raise DigestMismatchError(response.url, expected=expected, actual=actual)


class _Progress:
    """Bytes of one blob that were sent, over all attempts."""

    def __init__(self, task: Task | None, cancelled: threading.Event) -> None:
        self._task = task
        self._cancelled = cancelled
        self._reported = 0

    def check(self) -> None:
        if self._cancelled.is_set():
            raise TransportError("the upload was cancelled")

    def reach(self, offset: int) -> None:
        if self._task is not None and offset > self._reported:
            self._task.advance(offset - self._reported)
            self._reported = offset


class _WatchedStream(io.RawIOBase):
    """A stream on its way to the registry."""

    def __init__(self, stream: ByteSource, progress: _Progress) -> None:
        super().__init__()
        self._stream = stream
        self._progress = progress
        self._offset = 0

    def read(self, size: int = -1) -> bytes:
        self._progress.check()
        chunk = self._stream.read(size)
        self._offset += len(chunk)
        self._progress.reach(self._offset)
        return chunk

    def close(self) -> None:
        self._stream.close()
        super().close()
