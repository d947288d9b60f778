"""Credentials for registries, as `docker login` keeps them: in `config.json` or behind a helper program.

Spec: docs.docker.com, "docker login", "Credential stores" and "Credential helpers"; docker-credential-helpers,
"Development".
"""

from __future__ import annotations

import base64
import binascii
import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from docker_envs.errors import AuthenticationError, FormatError, StorageError
from docker_envs.fields import Fields
from docker_envs.oci.reference import DOCKER_HUB
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_TIMEOUT = 120
# What helpers give as the user name when the secret is an identity token.
_TOKEN_USER = "<token>"  # noqa: S105 - a marker, no secret
_NOT_FOUND = "credentials not found"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name with a password or an identity token (of which there is only one); never shown.

    Attributes:
        username: May be empty beside an identity token.
        password: Empty when there is an identity token.
        identity_token: For OAuth2's `refresh_token` grant.
    """

    username: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header."""
        pair = f"{self.username}:{self.password or self.identity_token}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


class CredentialSource(Protocol):
    """Knows credentials."""

    def find(self, registry: str) -> Credentials | None:
        """Those for a registry, if there are any.

        Raises:
            AuthenticationError: They cannot be looked up.
        """


class DockerCredentials:
    """The credentials of Docker's `config.json`, which is read when first asked, and again never.

    For a registry the entry of `credHelpers` comes first, then `credsStore`, then `auths`.

    Args:
        path: The file; it may be missing. By default `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._found: dict[str, Credentials | None] = {}
        self._config: _Config | None = None

    def find(self, registry: str) -> Credentials | None:
        """Those for a registry, if there are any; each is looked up once.

        Raises:
            AuthenticationError: A helper program is missing or failed, or an entry cannot be read.
            FormatError: The file is damaged.
        """
        with self._lock:
            if registry not in self._found:
                if self._config is None:
                    self._config = _read_config(self._path or default_config_path(os.environ))
                self._found[registry] = self._config.find(registry)
            return self._found[registry]


def default_config_path(environment: Mapping[str, str]) -> Path:
    """Where Docker keeps its `config.json`."""
    if folder := environment.get("DOCKER_CONFIG"):
        return Path(folder) / "config.json"
    return Path(environment.get("HOME") or "/", ".docker", "config.json")


@dataclass(frozen=True, slots=True)
class _Config:
    helpers: Mapping[str, str]
    store: str | None
    auths: Mapping[str, Fields]
    source: str

    def find(self, registry: str) -> Credentials | None:
        keys = _keys(registry)
        helper = next((self.helpers[key] for key in keys if key in self.helpers), None) or self.store
        if helper and (found := ask_helper(helper, keys[0])):
            return found
        by_host = {_host(key): entry for key, entry in self.auths.items()}
        entry = next((self.auths[key] for key in keys if key in self.auths), None)
        entry = entry or next((by_host[key] for key in keys if key in by_host), None)
        return _entry_credentials(entry, registry) if entry else None


def _keys(registry: str) -> tuple[str, ...]:
    if registry == DOCKER_HUB:
        return (_HUB_KEY, "index.docker.io", DOCKER_HUB)
    return (registry,)


def _host(key: str) -> str:
    """The host in a key of `auths`, which may be a whole URL."""
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _read_config(path: Path) -> _Config:
    try:
        with storage_errors("read", path):
            content = path.read_bytes()
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return _Config({}, None, {}, str(path))
        raise
    fields = Fields.parse(content, source=str(path))
    auths = fields.get("auths", dict) or {}
    return _Config(
        helpers=fields.string_map("credHelpers"),
        store=fields.get("credsStore", str),
        auths={key: Fields.of(value, source=str(path), location=f"auths[{key!r}].") for key, value in auths.items()},
        source=str(path),
    )


def _entry_credentials(entry: Fields, registry: str) -> Credentials | None:
    username, password = entry.get("username", str) or "", entry.get("password", str) or ""
    if encoded := entry.get("auth", str):
        try:
            username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise AuthenticationError(
                f"cannot read the credentials for `{registry}` in `{entry.source}`: no base64 of `user:password`",
                hint=login_hint(registry),
            ) from error
    if token := entry.get("identitytoken", str):
        return Credentials(username, identity_token=token)
    return Credentials(username, password.rstrip("\0")) if username or password else None


def ask_helper(name: str, server: str) -> Credentials | None:
    """Ask the program `docker-credential-NAME` for the credentials of a server; None when it has none.

    Raises:
        AuthenticationError: It is missing, failed, or answered nonsense.
    """
    program = f"docker-credential-{name}"
    try:
        result = subprocess.run(
            [program, "get"], input=f"{server}\n".encode(), capture_output=True, timeout=_HELPER_TIMEOUT, check=False
        )
    except FileNotFoundError as error:
        hint = "install it, or remove it from `credsStore` and `credHelpers` in Docker's `config.json`"
        raise AuthenticationError(f"the credential helper `{program}` is not installed", hint=hint) from error
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        reason = "no answer" if isinstance(error, subprocess.TimeoutExpired) else str(error)
        raise AuthenticationError(f"cannot run the credential helper `{program}`: {reason}") from error
    if result.returncode:
        # Errors are on standard output, by the protocol; anything else there may be a secret.
        text = result.stdout.decode(errors="replace").strip()
        if _NOT_FOUND in text:
            return None
        reason = f"exit status {result.returncode}" + (f": {text[:200]}" if text and "{" not in text else "")
        raise AuthenticationError(f"the credential helper `{program}` failed for `{server}`: {reason}")
    try:
        answer = Fields.parse(result.stdout, source=program)
        username, secret = answer.require("Username", str), answer.require("Secret", str)
    except FormatError as error:
        raise AuthenticationError(f"the credential helper `{program}` gave no credentials for `{server}`") from error
    if username == _TOKEN_USER:
        return Credentials("", identity_token=secret)
    return Credentials(username, secret) if username or secret else None


def login_hint(registry: str) -> str:
    """How to give credentials for a registry."""
    return "log in with `docker login`" if registry == DOCKER_HUB else f"log in with `docker login {registry}`"
