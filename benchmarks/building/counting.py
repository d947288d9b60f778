"""Counts the bytes that move between a registry and whoever talks to it.

Clients talk to a proxy on a port of its own that hands every byte on in the kernel (`splice`), so that none is copied
into Python. Counted is what passes in both directions, headers included.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

_PIPE_SIZE = 1 << 20


@dataclass(frozen=True)
class Traffic:
    """Bytes to and from the registry, and what counting them took in seconds of processor time."""

    sent: int = 0
    received: int = 0
    cpu_seconds: float = 0.0

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(self.sent - other.sent, self.received - other.received, self.cpu_seconds - other.cpu_seconds)


class CountingProxy:
    """A proxy on the loopback interface in front of one registry; connections run until either side closes them.

    Attributes:
        address: `127.0.0.1:port` for clients.
    """

    def __init__(self, target: str, *, port: int = 0) -> None:
        host, _, number = target.partition(":")
        self._target = (host, int(number))
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._traffic = Traffic()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def traffic(self) -> Traffic:
        """What was counted so far; a byte counts before it is handed on."""
        with self._lock:
            return self._traffic

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._forward, args=(server, client, False), daemon=True)
            back.start()
            self._forward(client, server, True)
            back.join()

    def _forward(self, source: socket.socket, target: socket.socket, to_registry: bool) -> None:
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        spent = time.thread_time()
        try:
            while count := os.splice(source.fileno(), writer, _PIPE_SIZE):
                now = time.thread_time()
                self._count(count, now - spent, to_registry=to_registry)
                spent = now
                while count:
                    count -= os.splice(reader, target.fileno(), count)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # either side went away
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        finally:
            os.close(reader)
            os.close(writer)

    def _count(self, count: int, cpu_seconds: float, *, to_registry: bool) -> None:
        with self._lock:
            old = self._traffic
            self._traffic = Traffic(
                old.sent + count * to_registry, old.received + count * (not to_registry), old.cpu_seconds + cpu_seconds
            )


def bytes_read(registry_log: Path, repository: str) -> int:
    """How many bytes of a repository's blobs and manifests a docker-registry sent, by its log."""
    answers = re.compile(rf'"GET /v2/{re.escape(repository)}/\S* HTTP/1\.1" \d+ (\d+) ')
    return sum(int(size) for size in answers.findall(registry_log.read_text(errors="replace")))


def layer_bytes(log: str, sizes: Mapping[str, int]) -> int:
    """How many bytes of some layers a docker-registry sent and took, by its log.

    Args:
        log: Its lines.
        sizes: The layers' sizes in bytes by their digests.
    """
    sent = re.findall(r'"GET /v2/\S+/blobs/(sha256:\w+) HTTP/1\.1" \d+ (\d+) ', log)
    taken = re.findall(r'"PUT /v2/\S+/blobs/uploads/\S*digest=(sha256)(?::|%3A)(\w+)\S* HTTP/1\.1" 201 ', log)
    read = sum(int(size) for digest, size in sent if digest in sizes)
    return read + sum(sizes.get(f"{algorithm}:{digits}", 0) for algorithm, digits in taken)
