"""Reading from mirrors: those that fail are passed over for the rest of the run, and others go on where they broke.

Spec: containers-registries.conf(5), "Remapping and mirroring registries".
"""

from __future__ import annotations

import hashlib
import io
import threading
from typing import TYPE_CHECKING

from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, InvalidInputError, NotFoundError, TransportError
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from docker_envs.errors import DockerEnvsError
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource
    from docker_envs.transports.fetch import Response

_MIRRORED = ("manifests/", "blobs/")
# In bytes; configs are smaller, as a rule.
_SMALL = 1 << 18


class Mirrors:
    """Remembers which mirrors failed; safe for many threads.

    A mirror that cannot be reached, refuses or gives wrong manifests is not asked again; one that lacks something is
    not asked for that repository again.

    Args:
        reporter: Warned once about each.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = threading.Lock()
        self._passed: set[str] = set()

    def is_usable(self, mirror: Reference) -> bool:
        """Whether nothing went wrong with a repository of a mirror yet."""
        with self._lock:
            return self._passed.isdisjoint((mirror.registry, mirror.name))

    def pass_over(self, mirror: Reference, error: DockerEnvsError) -> None:
        """Do not ask a mirror again."""
        key = mirror.name if isinstance(error, NotFoundError) else mirror.registry
        with self._lock:
            is_new = key not in self._passed
            self._passed.add(key)
        if is_new:
            self._reporter.warning(f"the mirror `{mirror.name}` is passed over: {error}")


def is_mirrored(method: str, path: str) -> bool:
    """Whether a request is for what mirrors have: manifests and blobs, below a repository."""
    return method in ("GET", "HEAD") and path.startswith(_MIRRORED)


class MirrorResponse:
    """An answer of a mirror. Manifests and small blobs are read and compared with their digests at once.

    So another mirror is asked when they are wrong. Who reads a large blob verifies it, and cannot go back then.

    Args:
        response: The answer; closed with this one.
        path: What was asked for.
        failed: Told when the connection breaks later on.

    Raises:
        VerificationError: It is not what its digest names.
        FormatError: It is longer than manifests may be.
        TransportError: The connection broke.
    """

    def __init__(self, response: Response, path: str, failed: Callable[[TransportError], None]) -> None:
        self._response = response
        self._failed = failed
        self._stream: ByteSource = response
        if path.startswith("manifests/") or _is_small(response):
            with response:
                content = response.read_limited(MAX_MANIFEST_SIZE, source=response.url)
            if content:  # the answer to HEAD has none
                _check(content, path.rpartition("/")[2], response)
            self._stream = io.BytesIO(content)

    @property
    def status(self) -> int:
        """The status code."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names in any case."""
        return self._response.headers

    @property
    def url(self) -> str:
        """Where the answer came from."""
        return self._response.url

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes of the body.

        Raises:
            TransportError: The connection broke.
        """
        try:
            return self._stream.read(size)
        except TransportError as error:
            self._failed(error)
            raise

    def read_limited(self, limit: int, *, source: str) -> bytes:
        """The whole body.

        Raises:
            FormatError: It is longer than `limit` bytes.
            TransportError: The connection broke.
        """
        if self._stream is not self._response:
            return self.read()
        try:
            return self._response.read_limited(limit, source=source)
        except TransportError as error:
            self._failed(error)
            raise

    def close(self) -> None:
        """Close the answer."""
        self._response.close()

    def __enter__(self) -> MirrorResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()


def _is_small(response: Response) -> bool:
    length = response.headers.get("Content-Length", "")
    return response.status == 200 and length.isdecimal() and int(length) <= _SMALL


def _check(content: bytes, identifier: str, response: Response) -> None:
    for text in (identifier, response.headers.get("Docker-Content-Digest", "")):
        try:
            expected = Digest(text)
        except InvalidInputError:
            continue
        actual = f"{expected.algorithm}:{hashlib.new(expected.algorithm, content).hexdigest()}"
        if actual != expected:
            raise DigestMismatchError(response.url, expected=expected, actual=actual)
