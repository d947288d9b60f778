from __future__ import annotations

import os
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.docker.client import load, pull, save
from docker_envs.errors import EngineError
from docker_envs.transports.engine.client import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, which names of sockets need."""
    with tempfile.TemporaryDirectory(prefix="engine-") as path:
        Path(path).chmod(0o755)
        yield Path(path)


@contextmanager
def another_user() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_no_engine_there(folder: Path) -> None:
    with pytest.raises(EngineError, match=r"no container engine answers at `.*/none` \(no such file") as refused:
        Engine(f"unix://{folder}/none")
    assert "DOCKER_HOST" in (refused.value.hint or "")


def test_nobody_listens(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    with pytest.raises(EngineError, match="connection refused"):
        Engine(f"unix://{folder}/socket")


def test_no_permission(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        listener.listen()
        (folder / "socket").chmod(0)
        with another_user(), pytest.raises(EngineError, match="no permission to use the engine") as refused:
            Engine(f"unix://{folder}/socket")
    assert "group `docker`" in (refused.value.hint or "")


def test_nobody_listens_at_a_port() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EngineError, match="no container engine answers"):
        Engine(f"tcp://127.0.0.1:{port}")


@pytest.mark.parametrize("address", ["strange://x", "tcp://", "fd://"])
def test_addresses_that_mean_nothing(address: str) -> None:
    with pytest.raises(EngineError, match="cannot connect"):
        Engine(address)


def test_docker_host_says_which_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/named")
    target = folder / "app.tar"
    with pytest.raises(EngineError, match="/named"):
        pull("app")
    with pytest.raises(EngineError, match="/named"):
        save("app", "latest", target)
    with pytest.raises(EngineError, match="/named"):
        load(target)
    assert not target.exists()
