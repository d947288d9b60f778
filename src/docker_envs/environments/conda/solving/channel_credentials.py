"""Credentials for channels from the places where conda, pixi and rattler keep them.

In this order: the URL itself, the file that `RATTLER_AUTH_FILE` names, `~/.rattler/credentials.json`, and the netrc
file (`NETRC`, or `~/.netrc`). The operating system's keyring is asked by rattler for repodata only.

Spec: pixi docs, "Authentication"; rattler_networking, `AuthenticationStorage`; GNU inetutils manual, "The .netrc file".
"""

from __future__ import annotations

import base64
import netrc
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from docker_envs.errors import AuthenticationError, FormatError
from docker_envs.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult


@dataclass(frozen=True, slots=True)
class AuthorizedRequest:
    """What to ask a server for; never to be shown or stored.

    Attributes:
        url: Without user and password, with a conda token where one is known.
        headers: At most `Authorization`.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class _Credential:
    """One known secret: the value of an `Authorization` header, or a conda token that goes into the path."""

    header: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


class ChannelCredentials:
    """The credentials of the user who builds.

    Args:
        by_host: What is known, by host or `*.domain`.
    """

    def __init__(self, by_host: Mapping[str, _Credential] | None = None) -> None:
        self._by_host = by_host or {}

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> ChannelCredentials:
        """Read the files; those that do not exist know nothing.

        Args:
            environment: Environment variables; by default those of this process.

        Raises:
            AuthenticationError: A file is damaged or cannot be read.
        """
        environment = os.environ if environment is None else environment
        home = Path(environment.get("HOME") or "/")
        found: dict[str, _Credential] = {}
        _read_netrc(Path(environment.get("NETRC") or home / ".netrc"), found)
        _read_store(home / ".rattler" / "credentials.json", found)
        if own := environment.get("RATTLER_AUTH_FILE"):
            _read_store(Path(own), found)
        return cls(found)

    def authorize(self, url: str) -> AuthorizedRequest:
        """How to ask for an http(s) URL."""
        parts = urlsplit(url)
        if "@" in parts.netloc:
            userinfo, _, netloc = parts.netloc.rpartition("@")
            user, _, password = userinfo.partition(":")
            return AuthorizedRequest(
                urlunsplit(parts._replace(netloc=netloc)), {"Authorization": _basic(unquote(user), unquote(password))}
            )
        credential = self._find(parts)
        if credential is None:
            return AuthorizedRequest(url)
        if credential.header:
            return AuthorizedRequest(url, {"Authorization": credential.header})
        if parts.path.startswith("/t/"):
            return AuthorizedRequest(url)
        return AuthorizedRequest(urlunsplit(parts._replace(path=f"/t/{quote(credential.token)}{parts.path}")))

    def _find(self, parts: SplitResult) -> _Credential | None:
        host = parts.hostname or ""
        labels = host.split(".")
        keys = [host, *(f"*.{'.'.join(labels[start:])}" for start in range(len(labels)))]
        return next((self._by_host[key] for key in keys if key in self._by_host), None)


def _read_netrc(path: Path, found: dict[str, _Credential]) -> None:
    try:
        hosts = netrc.netrc(str(path)).hosts
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as error:
        raise AuthenticationError(f"cannot read `{path}`: {_reason(error)}") from error
    except netrc.NetrcParseError as error:
        # Its text quotes the file, which holds passwords.
        raise AuthenticationError(f"cannot read `{path}`: no netrc file at line {error.lineno}") from error
    for host, (login, _, password) in hosts.items():
        if host != "default":
            found[host] = _Credential(_basic(login or "", password or ""))


def _read_store(path: Path, found: dict[str, _Credential]) -> None:
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise AuthenticationError(f"cannot read `{path}`: {_reason(error)}") from error
    try:
        entries = Fields.parse(content, source=str(path))
        for host in entries.document:
            credential = _store_entry(entries.object(host))
            if credential is not None:
                found[host] = credential
    except FormatError as error:
        raise AuthenticationError(f"cannot read credentials: {error}") from error


def _store_entry(entry: Fields) -> _Credential | None:
    """One of rattler's; credentials for S3 do not concern HTTP."""
    if token := entry.get("BearerToken", str):
        return _Credential(f"Bearer {token}")
    if token := entry.get("CondaToken", str):
        return _Credential(token=token)
    if entry.get("BasicHTTP", dict):
        pair = entry.object("BasicHTTP")
        return _Credential(_basic(pair.require("username", str), pair.require("password", str)))
    if entry.get("OAuth", dict):
        return _Credential(f"Bearer {entry.object('OAuth').require('access_token', str)}")
    return None


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__
