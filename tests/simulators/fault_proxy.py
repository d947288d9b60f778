"""Bad weather: a proxy on a loopback port that stands for a registry, and spoils what passes through it.

A client uses its address as if it were the registry's. Which request suffers, and how, is a function of a seed and the
request alone, so a run can be repeated although its threads take turns by chance.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import socketserver
import struct
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from tests.simulators.http_server import read_chunked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

# Longer than any client in the tests waits, in seconds.
_STALL = 5.0
_REASONS = {401: "Unauthorized", 429: "Too Many Requests", 503: "Service Unavailable"}
_MOVED = "/moved"
# A body of unknown length breaks after at most so many bytes.
_STREAMED = 1 << 16


class Fault(Enum):
    """What can go wrong with one request or its answer."""

    UNAUTHORIZED = "401 with a challenge that anonymous users cannot answer"
    TOO_MANY = "429"
    TOO_MANY_RETRY_AFTER = "429 that says when to come again"
    INTERNAL_ERROR = "500"
    BAD_GATEWAY = "502"
    UNAVAILABLE = "503 before the request's body was read"
    GATEWAY_TIMEOUT = "504 although the registry did what it was asked"
    REQUEST_RESET = "the connection is reset at some byte of the request"
    REQUEST_CUT = "the registry gets some bytes of the request, and its answer reaches the client"
    REQUEST_CORRUPTED = "one byte of the request's body is another one"
    ANSWER_LOST = "the connection is reset when the registry has done its work"
    ANSWER_RESET = "the connection is reset at some byte of the answer"
    ANSWER_CUT = "the connection is closed at some byte of the answer's body"
    ANSWER_CORRUPTED = "one byte of the answer's body is another one"
    ANSWER_GARBAGE = "something before the status line"
    ANSWER_TWICE = "the same answer two times"
    STALL_BEFORE = "no answer"
    STALL_WITHIN = "silence at some byte of the answer"
    WRONG_DIGEST = "a `Docker-Content-Digest` of something else"
    LENGTH_TOO_SMALL = "a `Content-Length` that is less than what comes"
    LENGTH_TOO_LARGE = "a `Content-Length` that is more than what comes"
    REDIRECT_SAME = "307 to the same address"
    REDIRECT_OTHER = "307 to another address"
    RANGE_IGNORED = "the answer to a request for a range is all of it"
    RANGE_WRONG = "a `Content-Range` that begins elsewhere"


_STATUSES = {
    Fault.UNAUTHORIZED: (401, 'WWW-Authenticate: Basic realm="weather"\r\n'),
    Fault.TOO_MANY: (429, ""),
    Fault.TOO_MANY_RETRY_AFTER: (429, "Retry-After: 3\r\n"),
    Fault.INTERNAL_ERROR: (500, ""),
    Fault.BAD_GATEWAY: (502, ""),
    Fault.UNAVAILABLE: (503, ""),
    Fault.GATEWAY_TIMEOUT: (504, ""),
}
_NEEDS_REQUEST_BODY = {Fault.REQUEST_CUT, Fault.REQUEST_CORRUPTED}
_NEEDS_ANSWER_BODY = {Fault.ANSWER_CUT, Fault.ANSWER_CORRUPTED, Fault.LENGTH_TOO_SMALL, Fault.LENGTH_TOO_LARGE}
_NEEDS_RANGE = {Fault.RANGE_IGNORED, Fault.RANGE_WRONG}


@dataclass
class Message:
    """A request or answer: first line, header lines, body."""

    start: str
    headers: list[str]
    body: bytes = b""

    @classmethod
    def parse(cls, head: bytes, body: bytes = b"") -> Message:
        start, *headers = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        return cls(start, headers, body)

    def header(self, name: str) -> str | None:
        found = (line.partition(":")[2].strip() for line in self.headers if line.lower().startswith(f"{name.lower()}:"))
        return next(found, None)

    def replace(self, name: str, value: str | None) -> None:
        """Change a header, or drop it."""
        self.headers = [line for line in self.headers if not line.lower().startswith(f"{name.lower()}:")]
        if value is not None:
            self.headers.append(f"{name}: {value}")

    @property
    def head(self) -> bytes:
        return "".join(f"{line}\r\n" for line in (self.start, *self.headers, "")).encode("latin-1")

    @property
    def raw(self) -> bytes:
        return self.head + self.body


@dataclass
class FaultProxy:
    """The proxy.

    Attributes:
        upstream: `host:port` of the registry.
        faults: What may go wrong by chance.
        rate: Probability that a request suffers.
        seed: Decides all chance.
        script: What goes wrong next, for requests that `only` fits.
        only: A pattern for `METHOD path`.
        address: `host:port` of the proxy.
        injected: How often each fault happened.
        seen: Requests as `METHOD path`.
        ranges: Their `Content-Range`, where they had one.
    """

    upstream: str
    faults: tuple[Fault, ...] = ()
    rate: float = 0.0
    seed: int = 0
    script: list[Fault | None] = field(default_factory=list)
    only: str = ""
    address: str = ""
    injected: Counter[Fault] = field(default_factory=Counter)
    seen: list[str] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def change(self, seed: int, faults: tuple[Fault, ...], rate: float) -> None:
        """Other weather, by chance, with nothing remembered."""
        with self._lock:
            self.seed, self.faults, self.rate, self.script = seed, faults, rate, []
            self.injected, self.seen, self.ranges, self._counts = Counter(), [], [], Counter()

    def follow(self, only: str, *script: Fault | None) -> None:
        """Faults in their order, with None for no fault, for requests that a pattern fits; then fine weather."""
        self.change(0, (), 0.0)
        self.only, self.script = only, list(script)

    def choose(self, request: Message) -> tuple[Fault | None, random.Random]:
        """What happens to a request, and the source of all further chance."""
        method, target, _ = request.start.split(" ", 2)
        path = target.partition("?")[0]
        digest = re.search(r"digest=[^&]*", target)
        key = f"{method} {re.sub('(?<=/uploads/).+', '', path)} {digest and digest[0]}"
        with self._lock:
            self.seen.append(f"{method} {path}")
            if found := request.header("Content-Range"):
                self.ranges.append(found)
            self._counts[key] += 1
            chance = random.Random(f"{self.seed} {key} {self._counts[key]}")
            fault = None
            if self.script and re.search(self.only, f"{method} {path}"):
                fault = self.script[0]
                if fault is None:
                    del self.script[0]
            elif self.faults and chance.random() < self.rate:
                fault = chance.choice(self.faults)
            bodiless = not request.header("Transfer-Encoding") and request.header("Content-Length") in (None, "0")
            if (fault in _NEEDS_REQUEST_BODY and bodiless) or (
                fault in _NEEDS_RANGE and request.header("Range") is None
            ):
                fault = None
            if fault is not None and fault not in (*_NEEDS_ANSWER_BODY, Fault.WRONG_DIGEST):
                self._count(fault)
            return fault, chance

    def _count(self, fault: Fault) -> None:
        self.injected[fault] += 1
        if self.script:
            del self.script[0]

    def claim(self, fault: Fault) -> bool:
        """Whether a fault that depends on the answer happens; not if another request had it meanwhile."""
        with self._lock:
            due = bool(self.faults) or self.script[:1] == [fault]
            if due:
                self._count(fault)
            return due

    @contextmanager
    def running(self) -> Iterator[FaultProxy]:
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    _Connection(proxy, self.request).serve()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

        with Server(("127.0.0.1", 0), Handler) as server:
            self.address = f"127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


class _Connection:
    """One connection of a client, with one to the registry."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._upstream: tuple[socket.socket, BufferedReader] | None = None
        self._client = client
        self._file = client.makefile("rb")
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def serve(self) -> None:
        with self._file, contextlib.ExitStack() as stack:
            while (head := _read_head(self._file)) and self._exchange(Message.parse(head), stack):
                pass

    def _exchange(self, request: Message, stack: contextlib.ExitStack) -> bool:
        """Pass on one request and its answer; whether the connection lives on."""
        fault, chance = self._proxy.choose(request)
        request.start = request.start.replace(_MOVED, "")
        if fault is Fault.UNAVAILABLE:
            self._client.sendall(_refusal(fault, close=True))
            return False
        length = self._read_body(request, chance if fault is Fault.REQUEST_RESET else None)
        if fault is Fault.REQUEST_RESET:
            self._cut_short(request)
            return self._reset()
        if len(request.body) < length:
            self._cut_short(request)
            return False
        if fault in _STATUSES and fault is not Fault.GATEWAY_TIMEOUT:
            self._client.sendall(_refusal(fault))
            return True
        if fault in (Fault.REDIRECT_SAME, Fault.REDIRECT_OTHER):
            prefix = _MOVED if fault is Fault.REDIRECT_OTHER else ""
            location = f"http://{self._proxy.address}{prefix}{request.start.split(' ')[1]}"
            self._client.sendall(f"HTTP/1.1 307 x\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
            return True
        if fault is Fault.REQUEST_CORRUPTED:
            request.body = _corrupted(request.body, chance)
        if fault is Fault.RANGE_IGNORED:
            request.replace("Range", None)
        if fault is Fault.REQUEST_CUT:
            self._client.sendall(self._cut_short(request, int(length * chance.random())) or _refusal(Fault.BAD_GATEWAY))
            return False
        return self._answer(request, self._ask(request, stack), fault, chance)

    def _read_body(self, request: Message, cut: random.Random | None) -> int:
        """Read a request's body, or a part of it; the length of the whole."""
        if request.header("Transfer-Encoding"):
            # Passed on with a length, as proxies do that buffer.
            request.body = read_chunked(self._file, None if cut is None else 1 + cut.randrange(_STREAMED))
            request.replace("Transfer-Encoding", None)
            request.replace("Content-Length", str(len(request.body) + (cut is not None)))
            return len(request.body)
        length = int(request.header("Content-Length") or 0)
        request.body = self._file.read(length if cut is None else int(length * cut.random()))
        return length

    def _answer(self, request: Message, answer: Message, fault: Fault | None, chance: random.Random) -> bool:
        sent, fault = answer.raw, self._spoil(request, answer, fault, chance)
        match fault:
            case Fault.ANSWER_LOST:
                return self._reset()
            case Fault.GATEWAY_TIMEOUT:
                sent = _refusal(fault)
            case Fault.ANSWER_RESET:
                self._client.sendall(sent[: int(len(sent) * chance.random())])
                return self._reset()
            case Fault.ANSWER_CUT:
                self._client.sendall(sent[: len(sent) - 1 - int(len(answer.body) * chance.random())])
                return False
            case Fault.STALL_BEFORE | Fault.STALL_WITHIN:
                if fault is Fault.STALL_WITHIN:
                    self._client.sendall(sent[: int(len(sent) * chance.random())])
                self._client.settimeout(_STALL)
                self._client.recv(1)
                return False
            case Fault.ANSWER_GARBAGE:
                sent = b"\x00garbage\r\n" + sent
            case Fault.ANSWER_TWICE:
                sent += sent
            case _:
                sent = answer.raw
        self._client.sendall(sent)
        return fault not in (Fault.LENGTH_TOO_SMALL, Fault.LENGTH_TOO_LARGE, Fault.ANSWER_GARBAGE)

    def _spoil(self, request: Message, answer: Message, fault: Fault | None, chance: random.Random) -> Fault | None:
        """Change an answer, where the fault is one that does; the fault, unless the answer has nothing to spoil."""
        body_only = fault in _NEEDS_ANSWER_BODY and (not answer.body or request.start.startswith("HEAD"))
        if body_only or (fault is Fault.WRONG_DIGEST and not answer.header("Docker-Content-Digest")):
            return None
        if fault in _NEEDS_ANSWER_BODY or fault is Fault.WRONG_DIGEST:
            assert fault is not None
            if not self._proxy.claim(fault):
                return None
        size = len(answer.body)
        match fault:
            case Fault.ANSWER_CORRUPTED:
                answer.body = _corrupted(answer.body, chance)
            case Fault.WRONG_DIGEST:
                answer.replace("Docker-Content-Digest", f"sha256:{chance.randbytes(32).hex()}")
            case Fault.LENGTH_TOO_SMALL:
                answer.replace("Content-Length", str(int(size * chance.random())))
            case Fault.LENGTH_TOO_LARGE:
                answer.replace("Content-Length", str(size + 1 + chance.randrange(100)))
            case Fault.RANGE_WRONG if found := re.search(r"(\d+)(-.*)", answer.header("Content-Range") or ""):
                answer.replace("Content-Range", f"bytes {int(found[1]) + 1}{found[2]}")
            case _:
                pass
        return fault

    def _ask(self, request: Message, stack: contextlib.ExitStack) -> Message:
        """The registry's answer."""
        if self._upstream is None:
            upstream = stack.enter_context(self._connect())
            self._upstream = upstream, stack.enter_context(upstream.makefile("rb"))
        upstream, file = self._upstream
        upstream.sendall(request.raw)
        answer = Message.parse(_read_head(file))
        if not request.start.startswith("HEAD"):
            answer.body = file.read(int(answer.header("Content-Length") or 0))
        return answer

    def _cut_short(self, request: Message, count: int | None = None) -> bytes:
        """Let the registry see a part of a request; its answer, if there is one."""
        with self._connect() as upstream:
            upstream.sendall(request.head + request.body[:count])
            upstream.shutdown(socket.SHUT_WR)
            with upstream.makefile("rb") as file:
                return file.read()

    def _connect(self) -> socket.socket:
        host, _, port = self._proxy.upstream.rpartition(":")
        return socket.create_connection((host, int(port)))

    def _reset(self) -> bool:
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._file.close()
        self._client.close()
        return False


def _read_head(file: BufferedReader) -> bytes:
    """Up to the empty line; nothing at the end of a connection, and of what is no HTTP, such as TLS."""
    head = b""
    while line := file.readline(1 << 16):
        if not head and not line[:1].isalpha():
            return b""
        head += line
        if line == b"\r\n":
            return head
    return b""


def _refusal(fault: Fault, *, close: bool = False) -> bytes:
    status, extra = _STATUSES[fault]
    end = "Connection: close\r\n" if close else ""
    return f"HTTP/1.1 {status} {_REASONS.get(status, 'x')}\r\n{extra}{end}Content-Length: 0\r\n\r\n".encode()


def _corrupted(content: bytes, chance: random.Random) -> bytes:
    where = chance.randrange(len(content))
    return content[:where] + bytes([content[where] ^ 1 << chance.randrange(8)]) + content[where + 1 :]
