"""A registry on a loopback port whose answers are almost right, down to the bytes of HTTP."""

from __future__ import annotations

import re
import socketserver
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker_envs.oci.reference import Reference
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.registry.client import RegistryClient
from tests.fuzz import archives, documents
from tests.fuzz.choices import Choices
from tests.fuzz.damage import damaged
from tests.fuzz.headers import PIECES, header
from tests.fuzz.targets import outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker_envs.oci.blob import Blob
    from docker_envs.transports.authentication.credentials import Credentials

_STATUSES = (
    *(b"200 OK",) * 8,
    *(b"401 Unauthorized", b"404 Not Found", b"403 X", b"206 P", b"429 T", b"500 E", b"302 Found", b"307 T", b"204 N"),
    *(b"100 Continue", b"000", b"99999", b"-1", b"", b"x", b"\xff", b"200"),
)
_FRAMES: tuple[tuple[bytes, bytes], ...] = (
    *((b"Content-Length: %d", b"%b"),) * 4,
    (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked", b"-5\r\nhello\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked", b"ffffffffffffffffff\r\nhello"),
    (b"Transfer-Encoding: chunked", b"x\r\nhello"),
    (b"Transfer-Encoding: chunked", b"1_0\r\nhello"),
    (b"Transfer-Encoding: chunked", b"5" * 70_000),
    (b"Content-Length: -1", b"%b"),
    (b"Content-Length: 5, 6", b"%b"),
    (b"Content-Length: 99999999999999999999999", b"%b"),
    (b"Content-Length: x", b"%b"),
    (b"Content-Encoding: gzip", b"%b"),
    (b"X: y", b"%b"),
    (b"X: %b" % (b"y" * 70_000), b"%b"),
    (b"\r\n".join([b"X: y"] * 200), b"%b"),
    (b" folded\r\n: none\r\nX", b"%b"),
)


@dataclass
class Hostile:
    """The server; `recipe` says how the requests of one test are answered, in their order."""

    recipe: bytes = b""
    address: str = ""
    asked: int = 0
    _files: dict[str, bytes] = field(default_factory=dict)

    def pieces(self, line: bytes) -> Iterator[bytes]:
        """What is sent, piece by piece, for a request that starts with `line`."""
        yield self._answer(line)

    def _answer(self, line: bytes) -> bytes:
        self.asked += 1
        choices = Choices(self.recipe[7 * self.asked % (len(self.recipe) + 1) :])
        body = self._body(line.decode("latin-1"), choices)
        frame, form = choices.pick(_FRAMES) if choices.number(3) == 2 else _FRAMES[0]
        status = choices.pick(_STATUSES) if choices.number(2) else b"200 OK"
        names = [choices.pick(list(PIECES)) for _ in range(choices.number(4))]
        lines = [f"{name}: {header(name, choices)}".encode("utf-8", "replace") for name in names]
        head = b"\r\n".join([b"HTTP/1.1 " + status, frame.replace(b"%d", b"%d" % len(body)), *lines])
        content = head + b"\r\n\r\n" + form.replace(b"%b", body)
        return damaged(content, choices) if choices.number(12) == 11 else content

    def _body(self, line: str, choices: Choices) -> bytes:
        blobs = archives.Blobs()
        if found := re.search(r"/manifests/sha256:(\w+)|/blobs/sha256:(\w+)", line):
            kept = self._files.get(f"blobs/sha256/{found[1] or found[2]}")
            if kept is not None:
                return kept
        if "/manifests/" in line or "/referrers/" in line:
            entry = archives.entry(blobs, choices)
            self._files |= blobs.files
            content = blobs.files[f"blobs/sha256/{entry['digest'].partition(':')[2]}"]
            return content if "/manifests/" in line else documents.changed(_index(entry), choices)
        document: Any = {"name": "app", "tags": ["1", "2"], "token": "abc", "expires_in": 60, "repositories": ["app"]}
        return documents.changed(document, choices)

    @contextmanager
    def running(self) -> Iterator[Hostile]:
        hostile = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 5

            def handle(self) -> None:
                line = self.rfile.readline(70_000)
                while self.rfile.readline(70_000).strip():
                    pass
                for piece in hostile.pieces(line):
                    self.wfile.write(piece)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """Clients that hang up are as they should be."""

        with Server(("127.0.0.1", 0), Handler) as server:
            self.address = f"127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def run(self, recipe: bytes) -> list[str]:
        """What a client makes of it."""
        self.recipe, self.asked, self._files = recipe, 0, {}
        rule = RetryRule(attempts=2, sleep=lambda _: None, silence=0.3)
        client = RegistryClient(credentials=_Nobody(), rule=rule)
        name = Reference.parse(f"{self.address}/app:1")
        actions: tuple[Callable[[], object], ...] = (
            lambda: client.digest(name),
            lambda: _read(client, name),
            lambda: list(_limited(client.tags(name))),
            lambda: client.referrers(name),
            lambda: list(_limited(client.repositories(self.address))),
        )
        return [outcome(action) for action in actions]


def _index(entry: dict[str, Any]) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": documents.INDEX, "manifests": [entry]}


def _read(client: RegistryClient, name: Reference) -> list[object]:
    artifact = client.artifact(name)
    return [outcome(_content, blob) for blob in artifact.all_blobs().values() if blob.size < 1 << 20]


def _content(blob: Blob) -> bytes:
    with blob.open_blob() as stream:
        return stream.read()


def _limited(texts: Iterator[str]) -> Iterator[str]:
    """A list that leads in circles ends only after 10,000 pages."""
    for _, text in zip(range(200), texts, strict=False):
        yield text


class _Nobody:
    def find(self, registry: str, repository: str) -> Credentials | None:
        return None
