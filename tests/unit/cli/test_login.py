"""Logging in and out: what is asked, what is stored, and what is said."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from docker_envs.cli.login import login_command, logout_command, parse_registry
from docker_envs.errors import AuthenticationError, DockerEnvsError, InvalidInputError, TransportError
from docker_envs.transports.authentication.config_files import StoredCredentials
from docker_envs.transports.authentication.credentials import Credentials
from tests.builds import environment
from tests.simulators.http_server import Answer, HttpSimulator, refusal
from tests.simulators.registry import RegistrySimulator, TokenRules
from tests.unit.transports.authentication.leaks import HUSH, everything_said
from tests.unit.transports.authentication.programs import install_helper, install_keeper

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulators.http_server import Request

ME = Credentials("me", HUSH)
LOGIN = ("--username", "me", "--password-stdin")
SECONDS = 20

app = typer.Typer()
app.command("login")(login_command)
app.command("logout")(logout_command)


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's `config.json` of the test's user."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / ".docker" / "config.json"


class Registry(RegistrySimulator):
    """Its API's root wants a token, too."""

    def __init__(self) -> None:
        super().__init__(TokenRules(users={"me": HUSH}))

    def answer(self, request: Request) -> Answer:
        if request.path == "/v2/" and (request.authorization or "").startswith("Bearer token-"):
            return Answer(200)
        return super().answer(request)


@pytest.fixture
def server() -> Iterator[Registry]:
    simulator = Registry()
    with simulator.running():
        yield simulator


def run(*arguments: str | Path, stdin: str | bytes = "") -> str:
    """What the command said.

    Raises:
        DockerEnvsError: It failed.
    """
    result = CliRunner().invoke(app, [str(each) for each in arguments], input=stdin)
    if isinstance(result.exception, DockerEnvsError):
        raise result.exception
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    return result.stderr


def test_login(server: Registry, path: Path) -> None:
    said = run("login", server.address, *LOGIN, "--yes", stdin=f"{HUSH}\n")
    assert said == f"logged in to `{server.address}` as `me`\n"
    assert StoredCredentials(path).find(server.address, "") == ME
    assert server.asked == ["GET /v2/", "GET /token", "GET /v2/"]
    assert all(HUSH not in request.target for request in server.log)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_end_of_line_is_no_part_of_the_password(server: Registry, path: Path, end: str) -> None:
    assert server.tokens is not None
    server.tokens.users["me"] = password = f" é{HUSH}\n "
    run("login", server.address, *LOGIN, "--yes", stdin=password + end)
    assert StoredCredentials(path).find(server.address, "") == Credentials("me", password)


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"", "the password is empty"),
        (b"\n", "the password is empty"),
        (HUSH.encode() + b"\xff", "the password is no UTF-8"),
        (HUSH.encode() * 20_000, "the password is longer than 65,536 bytes"),
    ],
)
def test_passwords_that_are_none(server: Registry, path: Path, stdin: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        run("login", server.address, *LOGIN, "--yes", stdin=stdin)
    assert HUSH not in everything_said(caught.value)
    assert server.log == []
    assert not path.parent.exists()


def test_a_file_of_its_own(server: Registry, path: Path, tmp_path: Path) -> None:
    own = tmp_path / "auth.json"
    run("login", server.address, *LOGIN, "--yes", "--authfile", own, stdin=HUSH)
    assert StoredCredentials(own).find(server.address, "") == ME
    assert not path.exists()
    assert run("logout", server.address, "--authfile", own) == f"logged out of `{server.address}`\n"
    assert StoredCredentials(own).find(server.address, "") is None


def test_the_variable_names_the_file(
    server: Registry, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(tmp_path / "auth.json"))
    assert run("logout", server.address) == f"not logged in to `{server.address}`\n"
    run("login", server.address, *LOGIN, "--yes", stdin=HUSH)
    assert StoredCredentials(tmp_path / "auth.json").find(server.address, "") == ME
    assert not path.exists()


@pytest.mark.parametrize("options", [(), ("--yes",)])
def test_helpers_need_no_agreement(
    server: Registry, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    kept = install_keeper(tmp_path, "keeper")
    path.parent.mkdir()
    path.write_text(json.dumps({"credHelpers": {server.address: "keeper"}}))
    run("login", server.address, *LOGIN, *options, stdin=HUSH)
    assert json.loads(kept.read_text())[server.address]["Secret"] == HUSH
    assert HUSH not in path.read_text()
    run("logout", server.address)
    assert json.loads(kept.read_text()) == {}


def test_helpers_that_fail(server: Registry, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    path.parent.mkdir()
    path.write_text('{"credsStore": "broken"}')
    with pytest.raises(AuthenticationError, match="`docker-credential-broken` is not installed"):
        run("login", server.address, *LOGIN, stdin=HUSH)
    install_helper(tmp_path, "broken", "exit 1")
    with pytest.raises(AuthenticationError, match="failed to `store`") as caught:
        run("login", server.address, *LOGIN, stdin=HUSH)
    assert HUSH not in everything_said(caught.value)
    assert path.read_text() == '{"credsStore": "broken"}'


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ((*LOGIN,), "nobody can be asked whether .* stored without encryption in `.*config.json`", "--yes"),
        (("--yes", "--username", "me"), "there is no terminal to ask for the password", "--password-stdin"),
        (("--yes",), "there is no terminal", "--username USER"),
        (("--yes", "--password-stdin"), "`--password-stdin` needs `--username`", ""),
    ],
)  # fmt: skip
def test_without_a_terminal(server: Registry, path: Path, arguments: tuple[str, ...], message: str, hint: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        run("login", server.address, *arguments, stdin=HUSH)
    assert hint in (caught.value.hint or "")
    assert server.log == []
    assert not path.parent.exists()


def test_there_is_no_option_for_the_password() -> None:
    result = CliRunner().invoke(app, ["login", "--help"], env={"COLUMNS": "200"})
    options = {word for word in result.stdout.split() if word.startswith("-")}
    assert {word for word in options if "pass" in word} == {"--password-stdin"}
    assert "-p" not in options


def test_wrong_passwords(server: Registry, path: Path) -> None:
    with pytest.raises(AuthenticationError, match="refused the credentials of user `me`") as caught:
        run("login", server.address, *LOGIN, "--yes", stdin=f"not {HUSH}")
    assert (caught.value.hint or "").startswith("check user name and password")
    assert HUSH not in everything_said(caught.value)
    assert not path.parent.exists()


@pytest.mark.parametrize("status", [401, 403])
def test_registries_that_refuse_what_the_token_server_took(server: Registry, path: Path, status: int) -> None:
    def answer(request: Request) -> Answer:
        if request.authorization is None:
            return refusal(401, "UNAUTHORIZED", **{"WWW-Authenticate": "Basic"})
        return refusal(status, "DENIED", f"{HUSH} {request.authorization}")

    with HttpSimulator(answer).running() as other, pytest.raises(AuthenticationError) as caught:
        run("login", other.address, *LOGIN, "--yes", stdin=HUSH)
    assert str(caught.value) == f"`{other.address}` refused the credentials of user `me` (DENIED: … Basic …)"
    assert HUSH not in everything_said(caught.value)
    assert not path.parent.exists()


def test_registries_that_do_not_answer(path: Path) -> None:
    with pytest.raises(TransportError):
        run("login", "127.0.0.1:1", *LOGIN, "--yes", stdin=HUSH)
    assert not path.parent.exists()


def test_credentials_elsewhere_are_told_of(server: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"auths": {server.address: {"auth": "b2xkOm9sZA=="}}}
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", json.dumps(entry))
    said = run("login", server.address, *LOGIN, "--yes", stdin=HUSH)
    assert said.endswith(f"note: the credentials for `{server.address}` in `DOCKER_AUTH_CONFIG` are used\n")
    monkeypatch.delenv("DOCKER_AUTH_CONFIG")
    podman = tmp_path / "run" / "containers" / "auth.json"
    podman.parent.mkdir(parents=True)
    podman.write_text(json.dumps(entry))
    said = run("logout", server.address)
    assert said.endswith(f"note: the credentials for `{server.address}` in `{podman}` are used\n")


def test_logout_of_all(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"auths": {"a.example": {}, "https://index.docker.io/v1/": {}}, "x": 1}')
    assert run("logout", "--all") == "logged out of `a.example`\nlogged out of `docker.io`\n"
    assert json.loads(path.read_text()) == {"auths": {}, "x": 1}
    assert run("logout", "--all") == "not logged in to any registry\n"


def test_logout_of_docker_hub(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"auths": {"https://index.docker.io/v1/": {}}}')
    assert run("logout") == "logged out of `docker.io`\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io/", "ghcr.io"),
        ("https://r.example:5000/v2/", "r.example:5000"),
        ("localhost", "localhost"),
        ("localhost:5000", "localhost:5000"),
        ("[::1]:5000", "[::1]:5000"),
    ],
)
def test_registries(text: str, expected: str) -> None:
    assert parse_registry(text) == expected


@pytest.mark.parametrize(
    "text", ["", "registry", "ghcr.io/owner", "a b.c", "me@r.example", "r.example:x", "ftp://r.example"]
)
def test_what_is_no_registry(text: str) -> None:
    with pytest.raises(InvalidInputError, match="is no registry"):
        parse_registry(text)


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, tmp_path: Path, *arguments: str) -> None:
        self._own, theirs = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "docker_envs", *arguments],
            env=environment(tmp_path / "cache"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # So that it is also `/dev/tty`.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it takes no lock
        )
        os.close(theirs)

    def answer(self, question: str, text: str) -> None:
        before = len(self.shown)
        end = time.monotonic() + SECONDS
        while question not in self.shown[before:]:
            assert time.monotonic() < end, self.shown
            self._read()
        # A password is not echoed from when the question is there.
        os.write(self._own, f"{text}\n".encode())

    def finish(self) -> int:
        while self._read():
            pass
        os.close(self._own)
        return self.process.wait(SECONDS)

    def _read(self) -> bool:
        if not select.select([self._own], [], [], SECONDS)[0]:
            return False
        try:
            self.shown += os.read(self._own, 1 << 16).decode()
        except OSError:
            return False
        return True


@pytest.mark.parametrize(("agreement", "status"), [("y", 0), ("", 1), ("n", 1)])
def test_at_a_terminal(server: Registry, path: Path, tmp_path: Path, agreement: str, status: int) -> None:
    terminal = Terminal(tmp_path, "login", server.address)
    terminal.answer("Username: ", "me")
    terminal.answer("Password: ", HUSH)
    terminal.answer("[y/N]: ", agreement)
    assert terminal.finish() == status, terminal.shown
    assert HUSH not in terminal.shown
    assert f"the password will be stored without encryption in {path}; go on?" in terminal.shown.replace("\r\n", "")
    last = "not logged in; nothing was stored" if status else f"logged in to `{server.address}` as `me`"
    assert terminal.shown.splitlines()[-1] == last
    assert path.exists() is (status == 0)


def test_interrupts_at_the_password(server: Registry, path: Path, tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "login", server.address, "--username", "me")
    terminal.answer("Password: ", f"{HUSH}\x03")
    assert terminal.finish() == 130, terminal.shown
    assert "Traceback" not in terminal.shown
    assert HUSH not in terminal.shown
    assert not path.exists()
