"""A registry on this machine that has a few images for one reader, for as long as a block runs.

A local engine that pulls from it asks only for the layers that it lacks. Whoever does not know the repository's random
name gets nothing.

Spec: OCI distribution-spec 1.1, "Pulling manifests", "Pulling blobs"; RFC 9110, section 14 (Range Requests).
"""

from __future__ import annotations

import contextlib
import io
import re
import secrets
import socket
import socketserver
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from docker_envs.digest import Digest
from docker_envs.errors import InvalidInputError
from docker_envs.oci.blob import Blob
from docker_envs.report import SILENT, Reporter, Task
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Self

    from docker_envs.digest import VerifyingReader
    from docker_envs.oci.artifact import Artifact

#: Seconds that a connection may be idle.
_IDLE_SECONDS = 60

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?\Z")
#: First byte of a TLS handshake: engines try TLS first and take a closed connection for a no.
_TLS_HANDSHAKE = b"\x16"


class LoopbackRegistry:
    """Serves artifacts over plain HTTP at 127.0.0.1, from entering the context until leaving it.

    A blob is verified while it is sent, and the connection broken before its end when it turns out wrong.

    Args:
        artifacts: What to serve, with all that is below them.
        reporter: Receives the progress of each blob but configs, under the verb `loading`.
        on_failure: Called from another thread when `failure` is set.

    Attributes:
        repository: `127.0.0.1:port/name` with a name that nobody can guess.
        contacted: Set when somebody asks for something under that name.
        fetched: Digests of the blobs, configs included, that were asked for.
        failure: Why we could not give a blob; the first reason.
    """

    def __init__(
        self,
        artifacts: Iterable[Artifact],
        *,
        reporter: Reporter = SILENT,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        documents = [document for artifact in artifacts for document in artifact.walk()]
        self._documents = {document.digest: document for document in documents}
        self._blobs = {blob.digest: blob for document in documents for blob in document.blobs}
        self._configs = {blob.digest for document in documents for blob in document.blobs[:1]}
        self.contacted = threading.Event()
        self.fetched: set[Digest] = set()
        self.failure: BaseException | None = None
        self._reporter = reporter
        self._on_failure = on_failure
        self._progress: dict[Digest, _Progress] = {}
        self._lock = threading.Lock()
        self._root = f"/v2/{secrets.token_hex(16)}/"
        self._server = _Server(self)
        self.repository = f"127.0.0.1:{self._server.server_address[1]}{self._root[3:-1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.break_connections()

    def find(self, method: str, path: str) -> Blob | None:
        """What a request asks for, if it is there."""
        if not path.startswith(self._root):
            return None
        self.contacted.set()
        kind, _, text = path.removeprefix(self._root).partition("/")
        try:
            digest = Digest(text)
        except InvalidInputError:
            return None
        if kind == "manifests" and digest in self._documents:
            document = self._documents[digest]
            return Blob(document.descriptor, partial(io.BytesIO, document.raw))
        if kind == "blobs" and digest in self._blobs:
            if method == "GET":
                self.fetched.add(digest)
            return self._blobs[digest]
        return None

    def advance(self, blob: Blob, position: int) -> None:
        """So much of a blob is sent, in bytes."""
        if blob.digest in self._documents or blob.digest in self._configs:
            return
        with self._lock:
            if blob.digest not in self._progress:
                task = self._reporter.start("loading", blob.digest.short, blob.size)
                self._progress[blob.digest] = _Progress(task, blob.size)
            self._progress[blob.digest].reach(position)

    @contextlib.contextmanager
    def reading(self, blob: Blob) -> Iterator[None]:
        """Remember what goes wrong with a blob."""
        try:
            with storage_errors("read", blob.host_path or Path(f"blob {blob.digest.short}")):
                yield
        except BaseException as error:
            with self._lock:
                first, self.failure = self.failure is None, self.failure or error
            if first:
                self._on_failure()
            raise


class _Progress:
    """Turns positions into steps; a part that is sent again does not count."""

    def __init__(self, task: Task, size: int) -> None:
        self._task = task
        self._size = size
        self._position = 0

    def reach(self, position: int) -> None:
        if position > self._position:
            self._task.advance(position - self._position)
            self._position = position
            if position == self._size:
                self._task.finish()


class _Server(socketserver.ThreadingTCPServer):
    """Unlike `http.server`'s, it looks up no names."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, registry: LoopbackRegistry) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.registry = registry
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that leaves early is no event; what goes wrong on our side is in `failure`."""

    def break_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    disable_nagle_algorithm = True

    def handle(self) -> None:
        if self.connection.recv(1, socket.MSG_PEEK) != _TLS_HANDSHAKE:
            super().handle()

    def serve(self) -> None:
        registry = cast("_Server", self.server).registry
        if self.path == "/v2/":
            self._begin(200, 0)
        elif (blob := registry.find(self.command, self.path)) is None:
            self._begin(404, 0)
        else:
            self._give(registry, blob)

    do_GET = do_HEAD = serve  # noqa: N815 - names of the base class

    def _give(self, registry: LoopbackRegistry, blob: Blob) -> None:
        start, end = self._range(blob.size)
        if start >= blob.size > 0:
            self._begin(416, 0, **{"Content-Range": f"bytes */{blob.size}"})
            return
        headers = {"Content-Type": blob.media_type, "Docker-Content-Digest": str(blob.digest)}
        partial_content = end - start < blob.size
        if partial_content:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{blob.size}"
        if self.command == "HEAD":
            self._begin(200, blob.size, **headers)
            return
        with registry.reading(blob):
            stream = blob.open_blob()
        with stream:
            self._begin(206 if partial_content else 200, end - start, **headers)
            position = 0
            # To the end in any case: only there it is verified.
            while chunk := self._read(registry, blob, stream):
                piece = chunk[max(0, start - position) : max(0, end - position)]
                position += len(chunk)
                if piece:
                    # First, since nobody waits for us after the last byte.
                    registry.advance(blob, min(position, end))
                    self.wfile.write(piece)

    def _read(self, registry: LoopbackRegistry, blob: Blob, stream: VerifyingReader) -> bytes:
        with registry.reading(blob):
            return stream.read(CHUNK_SIZE)

    def _range(self, size: int) -> tuple[int, int]:
        """Start and end of what is wanted; a form of `Range` that we do not know means all, as the RFC allows."""
        match = _RANGE.match(self.headers.get("Range", ""))
        if match is None or (match[2] and int(match[2]) < int(match[1])):
            return 0, size
        return int(match[1]), min(size, int(match[2]) + 1) if match[2] else size

    def _begin(self, status: int, length: int, **headers: str) -> None:
        self.send_response_only(status)
        for name, value in {"Docker-Distribution-Api-Version": "registry/2.0", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Nothing: requests hold the name."""
