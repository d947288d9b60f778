from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from docker_envs.errors import AuthenticationError, DockerEnvsError, FormatError, StorageError
from docker_envs.transports.authentication.credentials import (
    Credentials,
    DockerCredentials,
    ask_helper,
    default_config_path,
)

SECRET = "s3cret:with:colons"
USER = Credentials("user", SECRET)


def encoded(username: str = "user", password: str = SECRET) -> str:
    return base64.b64encode(f"{username}:{password}".encode()).decode()


def config(folder: Path, **content: Any) -> DockerCredentials:
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return DockerCredentials(path)


def install_helper(folder: Path, name: str, script: str) -> None:
    """A helper program that logs what it is asked to `NAME.log`."""
    program = folder / f"docker-credential-{name}"
    program.write_text(f'#!/bin/sh\nread server\necho "$1 $server" >> {folder}/{name}.log\n{script}\n')
    program.chmod(0o755)


def answering(username: str, secret: str) -> str:
    return f"""echo '{json.dumps({"ServerURL": "x", "Username": username, "Secret": secret})}'"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.mark.parametrize(
    ("registry", "key"),
    [
        ("registry.example:5000", "registry.example:5000"),
        ("registry.example", "https://registry.example"),
        ("registry.example", "https://registry.example/v1/"),
        ("registry.example", "http://registry.example/"),
        ("docker.io", "https://index.docker.io/v1/"),
        ("docker.io", "index.docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_auths_by_any_form_of_the_registry(tmp_path: Path, registry: str, key: str) -> None:
    auths = {"another.example": {"auth": encoded("another")}, key: {"auth": encoded()}}
    assert config(tmp_path, auths=auths).find(registry) == USER


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": encoded()}, USER),
        ({"auth": encoded(password="p\0\0")}, Credentials("user", "p")),
        ({"username": "user", "password": SECRET}, USER),
        ({"auth": encoded(), "identitytoken": "it"}, Credentials("user", identity_token="it")),
        ({"identitytoken": "it"}, Credentials("", identity_token="it")),
        ({}, None),
        ({"auth": ""}, None),
        ({"email": "x@y"}, None),
    ],
)
def test_entries(tmp_path: Path, entry: dict[str, str], expected: Credentials | None) -> None:
    assert config(tmp_path, auths={"r.example": entry}).find("r.example") == expected


def test_unknown_registries_have_none(tmp_path: Path) -> None:
    assert config(tmp_path, auths={"r.example": {"auth": encoded()}}).find("other.example") is None
    assert config(tmp_path).find("r.example") is None


def test_a_missing_file_is_no_error(tmp_path: Path) -> None:
    assert DockerCredentials(tmp_path / "none" / "config.json").find("r.example") is None


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("{", FormatError),
        ("[]", FormatError),
        ('{"auths": []}', FormatError),
        ('{"auths": {"r.example": "x"}}', FormatError),
        ('{"credsStore": 3}', FormatError),
        ('{"credHelpers": {"r.example": 3}}', FormatError),
        ('{"auths": {"r.example": {"auth": "%%%"}}}', AuthenticationError),
        ('{"auths": {"r.example": {"auth": "//79"}}}', AuthenticationError),
    ],
)
def test_damaged_files_are_errors(tmp_path: Path, content: str, error: type[DockerEnvsError]) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(error, match=str(tmp_path)):
        DockerCredentials(tmp_path / "config.json").find("r.example")


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        DockerCredentials(tmp_path / "config.json").find("r.example")


def test_default_path() -> None:
    assert default_config_path({"HOME": "/home/u"}) == Path("/home/u/.docker/config.json")
    assert default_config_path({"HOME": "/home/u", "DOCKER_CONFIG": "/c"}) == Path("/c/config.json")
    assert default_config_path({"HOME": "/home/u", "DOCKER_CONFIG": ""}) == Path("/home/u/.docker/config.json")


def test_the_environment_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(tmp_path, auths={"r.example": {"auth": encoded()}})
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert DockerCredentials().find("r.example") == USER


def test_helper_before_store_before_auths(tmp_path: Path, programs: Path) -> None:
    install_helper(programs, "special", answering("helper", "1"))
    install_helper(programs, "general", answering("store", "2"))
    auths = {name: {"auth": encoded("file")} for name in ("a.example", "b.example", "c.example")}
    found = config(tmp_path, auths=auths, credHelpers={"a.example": "special"}, credsStore="general")
    assert found.find("a.example") == Credentials("helper", "1")
    assert found.find("b.example") == Credentials("store", "2")
    assert (programs / "special.log").read_text() == "get a.example\n"
    found = config(tmp_path, auths=auths, credHelpers={"a.example": "special"})
    assert found.find("c.example") == Credentials("file", SECRET)


def test_stores_know_docker_hub_by_its_old_address(tmp_path: Path, programs: Path) -> None:
    install_helper(programs, "store", answering("me", "x"))
    assert config(tmp_path, credsStore="store").find("docker.io") == Credentials("me", "x")
    assert (programs / "store.log").read_text() == "get https://index.docker.io/v1/\n"


def test_registries_are_looked_up_once(tmp_path: Path, programs: Path) -> None:
    install_helper(programs, "store", answering("me", "x"))
    found = config(tmp_path, credsStore="store")
    assert found.find("r.example") is found.find("r.example")
    assert (programs / "store.log").read_text() == "get r.example\n"


def test_what_a_store_does_not_have_is_in_the_file(tmp_path: Path, programs: Path) -> None:
    install_helper(programs, "store", "echo credentials not found in native keychain; exit 1")
    found = config(tmp_path, credsStore="store", auths={"r.example": {"auth": encoded()}})
    assert found.find("r.example") == USER
    assert found.find("other.example") is None


def test_helpers_give_identity_tokens(programs: Path) -> None:
    install_helper(programs, "x", answering("<token>", "identity"))
    assert ask_helper("x", "r.example") == Credentials("", identity_token="identity")


def test_missing_helpers_are_named(tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError, match="helper `docker-credential-nowhere` is not installed") as caught:
        config(tmp_path, credHelpers={"r.example": "nowhere"}).find("r.example")
    assert "install it" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo keychain is locked; exit 3", "failed for `r.example`: exit status 3: keychain is locked"),
        ("""echo '{"Secret": "hush"}'; exit 1""", "failed for `r.example`: exit status 1"),
        ("""echo '{"Secret": "hush"}'""", "gave no credentials"),
        ("echo hush", "gave no credentials"),
        ("echo hush >&2; exit 1", "exit status 1"),
    ],
)
def test_failing_helpers_are_errors_without_secrets(programs: Path, script: str, message: str) -> None:
    install_helper(programs, "x", script)
    with pytest.raises(AuthenticationError, match=message) as caught:
        ask_helper("x", "r.example")
    assert "hush" not in str(caught.value)


def test_helpers_that_cannot_run_are_errors(programs: Path) -> None:
    (programs / "docker-credential-x").write_text("")
    with pytest.raises(AuthenticationError, match="cannot run the credential helper `docker-credential-x`"):
        ask_helper("x", "r.example")


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr([Credentials("user", "hush"), Credentials("user", identity_token="hush")])


def test_basic_authorization() -> None:
    """RFC 7617, section 2: the example of the specification."""
    assert Credentials("Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
