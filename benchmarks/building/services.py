"""What the benchmark runs beside the tools: a registry that is empty for each run, an engine, and a channel by HTTP."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.base_image import write_layout
from tests.services import run_engine, run_registry, running

from benchmarks import measure
from benchmarks.building.counting import CountingProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Repository and tag of the base in every registry.
BASE = "base:1"
#: How often processes of an engine are looked for, in seconds.
_LOOK_AGAIN = 0.25


@dataclass(frozen=True)
class Registry:
    """A registry that has nothing but the base.

    Attributes:
        address: `127.0.0.1:port` of the proxy that counts.
        proxy: It.
        log: Where the registry says what it was asked.
    """

    address: str
    proxy: CountingProxy
    log: Path

    @property
    def base(self) -> str:
        """Reference of the base image."""
        return f"{self.address}/{BASE}"


@contextlib.contextmanager
def fresh_registry(base: str, *, folder: Path, port: int) -> Iterator[Registry]:
    """Run a registry, on disk, behind a proxy that counts.

    Args:
        base: The image that it has, from anywhere that `docker-envs copy` knows.
        folder: Where its files are made, and deleted at the end.
        port: Of the proxy; the same for all runs, so that engines find the base under one name.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix="registry-") as name, run_registry(Path(name)) as address:
        measure.run([sys.executable, "-m", "docker_envs", "copy", "--quiet", base, f"{address}/{BASE}"])
        with CountingProxy(address, port=port) as proxy:
            yield Registry(proxy.address, proxy, Path(name, "log"))


def free_port() -> int:
    """A port on the loopback interface that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def small_base(folder: Path) -> str:
    """A base image made of this machine's shell, as an OCI layout."""
    return f"oci:{write_layout(folder)}:single"


class EngineProcesses:
    """The processes of an engine whose files are in one folder, containers' included, for `measure.run`."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder).encode()
        self._daemon = int((folder / "pid").read_text())
        self._found: tuple[int, ...] = ()
        self._looked = 0.0

    def __call__(self) -> tuple[int, ...]:
        """The roots of its process trees: the daemon, and each container's shim, which is not its descendant."""
        if time.monotonic() - self._looked > _LOOK_AGAIN:
            self._found = (self._daemon, *self._shims())
            self._looked = time.monotonic()
        return self._found

    def _shims(self) -> Iterator[int]:
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                with contextlib.suppress(OSError):
                    command = (process / "cmdline").read_bytes()
                    if b"containerd-shim" in command and self._folder in command:
                        yield int(process.name)


@dataclass(frozen=True)
class RunningEngine:
    """A Docker engine of the benchmark's own; `host` is what `DOCKER_HOST` holds for it."""

    host: str
    processes: EngineProcesses


@contextlib.contextmanager
def engine() -> Iterator[RunningEngine | None]:
    """Run Docker's engine; None where it cannot run."""
    with contextlib.ExitStack() as stack:
        try:
            if not shutil.which("docker"):
                pytest.skip("no docker command")
            found = stack.enter_context(run_engine())
        except pytest.skip.Exception as reason:
            print(f"no Docker engine: {reason}", file=sys.stderr)
            yield None
            return
        folder = Path(found.host.removeprefix("unix://")).parent
        yield RunningEngine(found.host, EngineProcesses(folder))


@contextlib.contextmanager
def served(folder: Path, log: Path) -> Iterator[str]:
    """Serve a folder by HTTP from a process of its own; yields the URL."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(folder)]

    def ready() -> str | None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return f"http://127.0.0.1:{port}"
        return None

    with running(command, log, ready) as url:
        yield url
