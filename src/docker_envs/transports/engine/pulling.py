"""Let a local engine fetch images from us, so that it gets only the layers that it lacks."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.engine.address import SILENCE_SECONDS
from docker_envs.transports.engine.answers import engine_errors, error_message, raise_broken, raise_refusal
from docker_envs.transports.engine.loopback_registry import LoopbackRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker import APIClient

    from docker_envs.oci.artifact import NamedArtifact
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Reporter

#: How long an engine has to show up at our door, in seconds; one in another network never does.
_CONTACT_SECONDS = 5.0

#: An empty `AuthConfig` in base64: no credentials, and no looking for them.
_NO_CREDENTIALS = "e30="

_LIBPOD_PULL = "/v4.0.0/libpod/images/pull"


@dataclass(frozen=True)
class LocalEngine:
    """An engine on this machine.

    Attributes:
        api: Its client.
        socket_path: Its unix socket.
        is_podman: Whether it is podman.
    """

    api: APIClient
    socket_path: str
    is_podman: bool

    def pull_target(self, repository: str, digest: str) -> str:
        """Path and query of the request to pull something over plain HTTP."""
        if self.is_podman:
            query = {"reference": f"docker://{repository}@{digest}", "tlsVerify": "false", "policy": "always"}
            return f"{_LIBPOD_PULL}?{urlencode(query)}"
        query = {"fromImage": repository, "tag": digest}
        return f"/v{self.api.api_version}/images/create?{urlencode(query)}"


def load_by_pulling(engine: LocalEngine, images: Sequence[NamedArtifact], reporter: Reporter) -> bool:
    """Load images by letting the engine pull them from a registry that lives as long as this takes.

    Args:
        engine: The engine.
        images: Images for one platform, each with a tag at least: an engine drops what has no name.
        reporter: Receives the progress of the layers.

    Returns:
        False if the engine took nothing from us, because it cannot or may not reach us; then nothing has happened.

    Raises:
        VerificationError: A layer is not what its descriptor says; no image got a name.
        TransportError: A layer cannot be had.
        EngineError: The engine failed.
    """
    action = "load the images"
    artifacts = [named.artifact for named in images]
    with (
        contextlib.closing(_Calls(engine.socket_path)) as calls,
        LoopbackRegistry(artifacts, reporter=reporter, on_failure=calls.stop) as registry,
        _patience(registry, calls),
    ):
        names = [f"{registry.repository}@{artifact.digest}" for artifact in artifacts]
        try:
            for artifact in artifacts:
                target = engine.pull_target(registry.repository, artifact.digest)
                if not _pull(calls, target, registry, action):
                    return False
            with engine_errors(action):
                for name, named in zip(names, images, strict=True):
                    for reference in tags(named):
                        engine.api.tag(name, reference.name, reference.tag)
        finally:
            _forget(engine, names)
    layers = {layer.digest: layer for artifact in artifacts for layer in artifact.blobs[1:]}
    for layer in layers.values():
        if layer.digest not in registry.fetched:
            reporter.start("loading", layer.digest.short, layer.size).finish("already there")
    return True


def tags(named: NamedArtifact) -> list[Reference]:
    """The names that an engine can give."""
    return [reference for reference in named.references if reference.tag]


def _decode(line: bytes) -> Mapping[str, Any]:
    import msgspec

    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise http.client.HTTPException(f"no valid JSON: {error}") from error


@contextlib.contextmanager
def _patience(registry: LoopbackRegistry, calls: _Calls) -> Iterator[None]:
    """Stop the calls if nobody shows up at the registry."""

    def check() -> None:
        if not registry.contacted.is_set():
            calls.stop()

    timer = threading.Timer(_CONTACT_SECONDS, check)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _pull(calls: _Calls, target: str, registry: LoopbackRegistry, action: str) -> bool:
    """Let the engine pull; False if it took nothing from the registry and failed."""
    try:
        for line in calls.send("POST", target):
            event = _decode(line)
            if "error" in event:
                raise _RefusedError(str(event["error"]))
    except (_RefusedError, OSError, http.client.HTTPException) as error:
        if registry.failure is not None:
            raise registry.failure from error
        if not registry.fetched:
            return False
        if isinstance(error, _RefusedError):
            raise_refusal(action, str(error), error.status)
        raise_broken(action, error)
    return True


def _forget(engine: LocalEngine, names: Sequence[str]) -> None:
    """Remove our own names; an image that has another one stays."""
    with (
        contextlib.closing(_Calls(engine.socket_path)) as calls,
        contextlib.suppress(OSError, http.client.HTTPException),
    ):
        for name in dict.fromkeys(names):
            with contextlib.suppress(_RefusedError):
                list(calls.send("DELETE", f"/v{engine.api.api_version}/images/{quote(name)}?noprune=1"))


class _RefusedError(Exception):
    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class _Calls:
    """Requests to an engine, one after the other, that any thread may end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: socket.socket | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Break the request off, and let no other begin."""
        with self._lock:
            self._stopped = True
            if self._connection is not None:
                with contextlib.suppress(OSError):
                    self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def send(self, method: str, target: str) -> Iterator[bytes]:
        """Send a request without a body; the lines of its answer, as they come.

        Raises:
            _RefusedError: The answer is a refusal.
            OSError, http.client.HTTPException: The connection broke, or was stopped.
        """
        connection = http.client.HTTPConnection("localhost")
        with self._lock:
            if self._stopped:
                raise ConnectionAbortedError
            self.close()
            connection.sock = self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(SILENCE_SECONDS)
        connection.sock.connect(self._path)
        connection.request(method, target, headers={"X-Registry-Auth": _NO_CREDENTIALS, "Connection": "close"})
        response = connection.getresponse()
        if response.status >= http.client.BAD_REQUEST:
            raise _RefusedError(error_message(response.read().decode(errors="replace")), response.status)
        rest = b""
        # Not by lines: the library's `readline` takes a broken answer for a complete one.
        while chunk := response.read1(CHUNK_SIZE):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from filter(bytes.strip, lines)
