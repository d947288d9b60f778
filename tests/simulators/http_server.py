"""A real HTTP server on a loopback port that answers as a test tells it, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedIOBase


@dataclass(frozen=True)
class Request:
    """What the server got; names of headers in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Answer:
    """What the server gives.

    Attributes:
        announced: The `Content-Length`, if it shall not be true.
        sent: How many bytes of the body are sent before the connection is closed.
        silent: Close the connection without any answer, and without reading the request's body.
        received: How many bytes of the request's body are read before the connection is closed without an answer.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    sent: int | None = None
    silent: bool = False
    received: int | None = None


def json_answer(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def refusal(status: int, code: str, message: str = "", **headers: str) -> Answer:
    """An error in the registries' form."""
    return json_answer({"errors": [{"code": code, "message": message}]}, status, **headers)


class HttpSimulator:
    """The server; `answer` is replaced or overridden, `faults` come first.

    Attributes:
        log: All requests.
        faults: Answers instead of the regular one, or None for that, each used once for the first request that starts
            like its key.
    """

    def __init__(self, answer: Callable[[Request], Answer] | None = None) -> None:
        self.log: list[Request] = []
        self.faults: list[tuple[str, Answer | None]] = []
        self.address = ""
        self._answer = answer
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def asked(self) -> list[str]:
        return [str(request) for request in self.log]

    def answer(self, request: Request) -> Answer:
        assert self._answer is not None
        return self._answer(request)

    def broken(self, request: Request) -> None:
        """A request of which only a part of the body came."""

    def fault_for(self, line: str) -> Answer | None:
        with self._lock:
            for index, (start, answer) in enumerate(self.faults):
                if line.startswith(start):
                    del self.faults[index]
                    return answer
        return None

    @contextmanager
    def running(self) -> Iterator[HttpSimulator]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        server.daemon_threads = True
        self.address = f"127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def read_chunked(file: BufferedIOBase, limit: int | None = None) -> bytes:
    """A body of unknown length, up to `limit` bytes.

    Spec: RFC 9112, section 7.1.
    """
    body = b""
    while (limit is None or len(body) < limit) and (size := int(file.readline() or b"0", 16)):
        body += file.read(size)
        file.readline()
    if limit is None:
        file.readline()
    return body[:limit]


def _handler_for(simulator: HttpSimulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            fault = simulator.fault_for(f"{self.command} {self.path}")
            length = int(headers.get("content-length", 0))
            broken = fault is not None and fault.silent
            limit = length if fault is None or fault.received is None else fault.received
            if "transfer-encoding" in headers:
                body = read_chunked(self.rfile, fault.received if fault else None)
                broken = broken or (fault is not None and fault.received is not None)
            else:
                body = b"" if broken else self.rfile.read(limit)
            request = Request(self.command, self.path, headers, body)
            simulator.log.append(request)
            if broken or len(body) < length:
                simulator.broken(request)
                self.close_connection = True
                return
            self.reply(fault or simulator.answer(request))

        def reply(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            length = len(answer.body) if answer.announced is None else answer.announced
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: answer.sent])
            if answer.sent is not None or length != len(answer.body):
                self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    return Handler
