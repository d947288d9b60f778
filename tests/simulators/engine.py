"""An engine on a unix socket that does what no real one can be made to do."""

from __future__ import annotations

import http.client
import json
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class EngineSimulator(socketserver.ThreadingUnixStreamServer):
    """Takes pulls as `pull` says, and every archive.

    Attributes:
        pull: `silent` never answers; `broken` fetches a blob and breaks off; `garbage` fetches and answers no JSON;
            `refused` answers with an error at once; `late` sends an error after the manifest was fetched.
        log: Methods and paths of all requests.
        loaded: Lengths of the archives.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, pull: str) -> None:
        super().__init__(str(path), _Handler)
        self.pull = pull
        self.log: list[str] = []
        self.loaded: list[int] = []
        self.over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[EngineSimulator]:
        thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self.shutdown()
            thread.join()
            self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def serve(self) -> None:
        simulator = cast("EngineSimulator", self.server)
        url = urlsplit(self.path)
        simulator.log.append(f"{self.command} {url.path}")
        if url.path.endswith("/images/create"):
            query = parse_qs(url.query)
            self._pull(simulator, query["fromImage"][0], query["tag"][0])
        elif url.path.endswith("/images/load"):
            simulator.loaded.append(sum(map(len, iter(self._chunk, b""))))
            self._answer(200, {"stream": "Loaded image: app:1\n"})
        else:
            self._answer(200 if url.path == "/version" else 404, {"ApiVersion": "1.41", "message": "no such image"})

    do_GET = do_POST = do_DELETE = serve  # noqa: N815 - names of the base class

    def address_string(self) -> str:
        return "unix"

    def _pull(self, simulator: EngineSimulator, repository: str, digest: str) -> None:
        self.close_connection = True
        if simulator.pull == "silent":
            simulator.over.wait(20)
            return
        if simulator.pull == "refused":
            self._answer(500, {"message": "connection refused"})
            return
        manifest = json.loads(_fetch(repository, f"manifests/{digest}"))
        if simulator.pull == "late":
            self._answer(200, {"error": "the policy forbids it"})
            return
        _fetch(repository, f"blobs/{manifest['layers'][0]['digest']}")
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        content = b"no JSON\n" if simulator.pull == "garbage" else b'{"status": "Pulling"}\n'
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def _answer(self, status: int, document: dict[str, str]) -> None:
        content = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


def _fetch(repository: str, path: str) -> bytes:
    address, _, name = repository.partition("/")
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("GET", f"/v2/{name}/{path}")
        return connection.getresponse().read()
    finally:
        connection.close()
