from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import AuthenticationError
from docker_envs.transports.authentication import helpers
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.authentication.helpers import Helper
from tests.unit.transports.authentication.leaks import HUSH, everything_said
from tests.unit.transports.authentication.programs import answering, install_helper, install_keeper

if TYPE_CHECKING:
    from pathlib import Path

HELPER = Helper("x")


def test_what_is_stored_is_found_listed_and_erased(programs: Path) -> None:
    install_keeper(programs, "x")
    HELPER.store("r.example", Credentials("me", HUSH))
    HELPER.store("https://index.docker.io/v1/", Credentials("", identity_token="it"))
    assert HELPER.get("r.example") == Credentials("me", HUSH)
    assert HELPER.get("https://index.docker.io/v1/") == Credentials("", identity_token="it")
    assert HELPER.servers() == ["https://index.docker.io/v1/", "r.example"]
    HELPER.erase("r.example")
    assert HELPER.get("r.example") is None
    HELPER.erase("r.example")


def test_secrets_are_no_arguments(programs: Path) -> None:
    program = programs / "docker-credential-x"
    program.write_text(f'#!/bin/sh\ntr "\\0" "\\n" < /proc/$$/cmdline > {programs}/arguments\ncat > {programs}/input\n')
    program.chmod(0o755)
    HELPER.store("r.example", Credentials("me", HUSH))
    assert (programs / "arguments").read_text().splitlines()[-1] == "store"
    assert "hush" not in (programs / "arguments").read_text()
    assert json.loads((programs / "input").read_text()) == {
        "ServerURL": "r.example", "Username": "me", "Secret": HUSH,
    }  # fmt: skip


def test_empty_answers_are_no_credentials(programs: Path) -> None:
    install_helper(programs, "x", answering("", ""))
    assert HELPER.get("r.example") is None


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo keychain is locked; exit 3", "failed to `get`: exit status 3: keychain is locked"),
        ("""echo '{"Secret": "hush"}'; exit 1""", "failed to `get`: exit status 1"),
        ("""echo '{"Secret": "hush"}'""", "gave no credentials for `r.example`"),
        ("""echo '{"Secret": HUSH, "Username": 3}'""", "gave no credentials"),
        ("""printf '{"Secret": "hush\\377"'""", "gave no credentials"),
        ("echo hush", "gave no credentials"),
        ("echo hush >&2; exit 1", "exit status 1"),
        ("echo '{hush' ; kill -9 $$", "exit status -9"),
    ],
)
def test_failing_helpers_are_errors_without_secrets(programs: Path, script: str, message: str) -> None:
    install_helper(programs, "x", script)
    with pytest.raises(AuthenticationError, match=message) as caught:
        HELPER.get("r.example")
    assert HUSH not in everything_said(caught.value)


@pytest.mark.parametrize("script", ["cat; exit 1", "echo no place for hush; exit 1"])
def test_helpers_that_repeat_what_they_cannot_store(programs: Path, script: str) -> None:
    program = programs / "docker-credential-x"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(AuthenticationError, match=r"failed to `store`: exit status 1$") as caught:
        HELPER.store("r.example", Credentials("me", HUSH))
    assert HUSH not in everything_said(caught.value)


def test_helpers_that_hang_are_ended(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers, "_TIMEOUT", 0.2)
    install_helper(programs, "x", "echo hush\nexec sleep 60")
    with pytest.raises(AuthenticationError, match="`docker-credential-x`: no answer") as caught:
        HELPER.get("r.example")
    assert HUSH not in everything_said(caught.value)


def test_missing_helpers_are_named() -> None:
    with pytest.raises(AuthenticationError, match="helper `docker-credential-nowhere` is not installed") as caught:
        Helper("nowhere").get("r.example")
    assert "install it" in (caught.value.hint or "")


def test_helpers_that_cannot_run_are_errors(programs: Path) -> None:
    (programs / "docker-credential-x").write_text("")
    with pytest.raises(AuthenticationError, match="cannot run the credential helper `docker-credential-x`"):
        HELPER.get("r.example")


@pytest.mark.parametrize("name", ["", "../x", "a b", "a\0b", "/bin/sh"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(AuthenticationError, match="no name of a credential helper"):
        Helper(name).get("r.example")


@pytest.mark.parametrize("answer", ["[]", "nonsense"])
def test_lists_that_are_none(programs: Path, answer: str) -> None:
    install_helper(programs, "x", f"echo '{answer}'")
    with pytest.raises(AuthenticationError, match="gave no list"):
        HELPER.servers()
