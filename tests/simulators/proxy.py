"""A real HTTP proxy on a loopback port: tunnels (`CONNECT`), and requests for plain HTTP."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class ProxySimulator:
    """The proxy.

    Args:
        routes: What names stand for, as `host:port` each; others are refused with 502.
        authorization: What `Proxy-Authorization` must be.

    Attributes:
        log: The method and the `host:port` of each request that was let through.
        cuts: After how many bytes from the server a tunnel is cut, for one tunnel each.
    """

    def __init__(self, routes: Mapping[str, str], *, authorization: str | None = None) -> None:
        self.routes = routes
        self.authorization = authorization
        self.log: list[str] = []
        self.cuts: list[int] = []
        self.address = ""

    @contextmanager
    def running(self) -> Iterator[ProxySimulator]:
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


def _handler_for(proxy: ProxySimulator) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def route(self, name: str) -> tuple[str, int] | None:
            self.close_connection = True
            if proxy.authorization not in (None, self.headers.get("Proxy-Authorization")):
                self.refuse(407)
            elif name not in proxy.routes:
                self.refuse(502)
            else:
                proxy.log.append(f"{self.command} {name}")
                host, _, port = proxy.routes[name].rpartition(":")
                return host, int(port)
            return None

        def refuse(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()

        def do_CONNECT(self) -> None:
            if address := self.route(self.path):
                with socket.create_connection(address) as upstream:
                    self.send_response(200)
                    self.end_headers()
                    _pump(self.connection, upstream, proxy.cuts.pop(0) if proxy.cuts else None)

        def forward(self) -> None:
            parts = urlsplit(self.path)
            if address := self.route(f"{parts.hostname}:{parts.port or 80}"):
                connection = HTTPConnection(*address)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = f"{parts.path}?{parts.query}" if parts.query else parts.path
                connection.request(self.command, path, body, dict(self.headers.items()))
                answer = connection.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "transfer-encoding"):
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(content)
                connection.close()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = forward  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            pass

    return Handler


def _pump(client: socket.socket, server: socket.socket, limit: int | None) -> None:
    while True:
        readable, _, _ = select.select([client, server], [], [], 10)
        if not readable:
            return
        for source in readable:
            try:
                if not (chunk := source.recv(1 << 16)):
                    return
                if source is client:
                    server.sendall(chunk)
                    continue
                client.sendall(chunk[:limit])
            except OSError:
                return
            if limit is not None and (limit := limit - len(chunk)) <= 0:
                return
