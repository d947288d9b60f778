from __future__ import annotations

import hashlib
import json
import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.errors import EngineError, FormatError
from docker_envs.transports.engine.address import (
    DOCKER_SOCKET,
    PODMAN_SOCKET,
    EngineAddress,
    connect,
    engine_addresses,
)
from tests.simulators.http_server import Answer, HttpSimulator, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL = [f"unix://{DOCKER_SOCKET}", f"unix://{PODMAN_SOCKET}"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".docker").mkdir()
    return tmp_path


def add_context(folder: Path, name: str, endpoint: dict[str, Any] | None = None) -> Path:
    """Store a context as `docker context create` does; where its certificates belong."""
    identifier = hashlib.sha256(name.encode()).hexdigest()
    meta = folder / "contexts/meta" / identifier
    meta.mkdir(parents=True)
    endpoints = {} if endpoint is None else {"docker": endpoint}
    (meta / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))
    return folder / "contexts/tls" / identifier / "docker"


def urls(base_url: str | None = None, **environment: str) -> list[str]:
    return [address.url for address in engine_addresses({"PATH": "", **environment}, base_url)]


def test_the_usual_sockets(home: Path) -> None:
    assert urls() == USUAL
    assert urls(XDG_RUNTIME_DIR="/run/user/7") == [USUAL[0], "unix:///run/user/7/podman/podman.sock", USUAL[1]]


def test_who_decides(home: Path) -> None:
    add_context(home / ".docker", "current", {"Host": "unix:///current"})
    add_context(home / ".docker", "other", {"Host": "unix:///other"})
    podman = {"CONTAINER_HOST": "unix:///podman"}
    assert urls(**podman) == ["unix:///podman"]
    (home / ".docker/config.json").write_text('{"currentContext": "current"}')
    assert urls(**podman) == ["unix:///current"]
    assert urls(**podman, DOCKER_CONTEXT="other") == ["unix:///other"]
    assert urls(**podman, DOCKER_CONTEXT="default") == ["unix:///podman"]
    assert urls(**podman, DOCKER_CONTEXT="other", DOCKER_HOST="tcp://1.2.3.4:5") == ["tcp://1.2.3.4:5"]
    assert urls("unix:///mine", **podman, DOCKER_HOST="tcp://1.2.3.4:5") == ["unix:///mine"]


@pytest.mark.parametrize(
    "name", ["DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "XDG_RUNTIME_DIR", "DOCKER_CONFIG"]
)
def test_empty_variables_say_nothing(home: Path, name: str) -> None:
    assert urls(**{name: ""}) == USUAL


def test_docker_config_names_the_folder(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    add_context(folder, "there", {"Host": "unix:///there"})
    (folder / "config.json").write_text('{"currentContext": "there"}')
    assert urls(DOCKER_CONFIG=str(folder)) == ["unix:///there"]


@pytest.mark.parametrize("content", ["{}", '{"currentContext": ""}', '{"currentContext": "default"}', '{"auths": {}}'])
def test_no_current_context(home: Path, content: str) -> None:
    (home / ".docker/config.json").write_text(content)
    assert urls() == USUAL


def test_a_context_that_is_not_there(home: Path) -> None:
    with pytest.raises(EngineError, match="there is no Docker context `gone`") as missed:
        urls(DOCKER_CONTEXT="gone")
    assert "docker context ls" in (missed.value.hint or "")


@pytest.mark.parametrize("endpoint", [{}, {"Host": ""}])
def test_a_context_without_an_address(home: Path, endpoint: dict[str, Any]) -> None:
    add_context(home / ".docker", "empty", endpoint)
    with pytest.raises(EngineError, match="the Docker context `empty` has no address"):
        urls(DOCKER_CONTEXT="empty")


def test_a_context_of_something_else(home: Path) -> None:
    add_context(home / ".docker", "kubernetes")
    with pytest.raises(FormatError, match=r"meta.json: Endpoints\.docker: missing"):
        urls(DOCKER_CONTEXT="kubernetes")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"currentContext": 5}'])
def test_a_damaged_configuration(home: Path, content: str) -> None:
    (home / ".docker/config.json").write_text(content)
    with pytest.raises(FormatError, match=r"config\.json"):
        urls()


def certificates(folder: Path, *names: str) -> None:
    """Files that have the right names, which is all that matters before a connection is made."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}.pem").touch()


@pytest.mark.parametrize("skip", [True, False])
def test_certificates_of_a_context(home: Path, skip: bool) -> None:
    folder = add_context(home / ".docker", "tls", {"Host": "tcp://h:2376", "SkipTLSVerify": skip})
    certificates(folder, "ca", "cert", "key")
    (address,) = engine_addresses({"DOCKER_CONTEXT": "tls"})
    assert address.tls is not None
    assert address.tls.cert == (str(folder / "cert.pem"), str(folder / "key.pem"))
    assert address.tls.ca_cert == str(folder / "ca.pem")
    assert address.tls.verify is not skip


def test_a_context_with_an_authority_only(home: Path) -> None:
    folder = add_context(home / ".docker", "tls", {"Host": "tcp://h:2376"})
    certificates(folder, "ca")
    (address,) = engine_addresses({"DOCKER_CONTEXT": "tls"})
    assert address.tls is not None
    assert (address.tls.cert, address.tls.ca_cert) == (None, str(folder / "ca.pem"))


def test_certificates_that_are_missing(home: Path) -> None:
    with pytest.raises(EngineError, match=r"cannot use `DOCKER_HOST`: .*cert"):
        urls(DOCKER_HOST="tcp://h:2376", DOCKER_TLS_VERIFY="1")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, which names of sockets need."""
    with tempfile.TemporaryDirectory(prefix="engine-") as path:
        yield Path(path)


@contextmanager
def listening(path: Path) -> Iterator[None]:
    """A socket of somebody who takes connections and closes them at once."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                listener.accept()[0].close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            over.set()
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(str(path))
            thread.join()


def test_all_that_was_tried_is_named(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "deaf"))
    addresses = [EngineAddress(f"unix://{folder}/{name}") for name in ("none", "deaf")]
    with pytest.raises(EngineError, match="found no container engine: ") as missed:
        connect(addresses)
    assert f"`{folder}/none` (no such file or directory); " in str(missed.value)
    assert f"`{folder}/deaf` (connection refused)" in str(missed.value)
    assert "DOCKER_HOST" in (missed.value.hint or "")


def test_something_else_listens(folder: Path) -> None:
    with listening(folder / "socket"), pytest.raises(EngineError, match=r"answers at `.*/socket`"):
        connect(engine_addresses({}, f"unix://{folder}/socket"))


@pytest.mark.parametrize(
    "answer", [Answer(404), Answer(body=b"<html>"), json_answer([]), json_answer({}), json_answer({"ApiVersion": 5})]
)
def test_another_server_is_no_engine(answer: Answer) -> None:
    with HttpSimulator(lambda _: answer).running() as server, pytest.raises(EngineError, match="no container engine"):
        connect(engine_addresses({}, f"tcp://{server.address}"))


def test_the_first_that_answers_is_taken(folder: Path) -> None:
    with HttpSimulator(lambda _: json_answer({"ApiVersion": "1.41"})).running() as server:
        here, there = engine_addresses({}, f"tcp://{server.address}"), engine_addresses({}, f"unix://{folder}/none")
        api, path = connect([*there, *here])
        assert (api.api_version, path) == ("1.41", None)
        api.close()
