"""Files with credentials: Docker's `config.json`, podman's `auth.json`, and what variables name.

Where they are looked for, the first that knows a registry decides:

1. The file that was named (`--authfile`), or else the one that `REGISTRY_AUTH_FILE` names. No other is read then, as
   podman, skopeo and buildah have it: whoever names a file wants what is in that file.
2. The variable `DOCKER_AUTH_CONFIG`, which holds the *content* of such a file; CI systems set it, and the docker
   program puts it before its files, too.
3. Docker's `config.json`, in `$DOCKER_CONFIG` or `~/.docker`.
4. Podman's `auth.json`, in `$XDG_RUNTIME_DIR/containers` (without the variable `/run/containers/UID`), then in
   `$XDG_CONFIG_HOME/containers` (`~/.config/containers`).

Docker's comes before podman's, as in other tools that read both: logins are written there, so a login is what counts
next. Who uses podman alone has no entry for a registry of theirs in Docker's file, and loses nothing.

All have one form. In a file, `credHelpers` come before `credsStore`, and that before `auths`. A key of `auths` is a
registry, a URL of one, or `registry/namespace`, which is for repositories in there alone; the longest one counts.

Spec: docs.docker.com, "docker login", "Credential stores" and "Credential helpers"; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.errors import AuthenticationError, FormatError, StorageError
from docker_envs.fields import Fields
from docker_envs.oci.reference import DOCKER_HUB
from docker_envs.transports.authentication.credentials import Credentials, login_hint, parse_secret
from docker_envs.transports.authentication.helpers import Helper
from docker_envs.transports.authentication.keyed import Once
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

AUTH_FILE_VARIABLE = "REGISTRY_AUTH_FILE"
CONTENT_VARIABLE = "DOCKER_AUTH_CONFIG"

_HUB_KEY = "https://index.docker.io/v1/"
_HUB_HOSTS = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


@dataclass(frozen=True, slots=True)
class Located:
    """Credentials, and the name of the file or variable they are from."""

    credentials: Credentials
    source: str


@dataclass(frozen=True, slots=True)
class CredentialFile:
    """The part of a file that is about credentials.

    Attributes:
        source: Its name.
        helpers: Names of helper programs by registry.
        store: Name of the helper for all other registries.
        entries: Entries of `auths` by what their keys are for, preferred ones first.
    """

    source: str
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str | None = None
    entries: Mapping[str, list[Fields]] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes, *, source: str) -> CredentialFile:
        """Read the content of a file; an empty one is as good as none.

        Raises:
            FormatError: It is no JSON object, or a field is not what it must be.
        """
        fields = parse_secret(content if content.strip() else b"{}", source=source)
        entries: dict[str, list[Fields]] = defaultdict(list)
        auths = fields.get("auths", dict) or {}
        for key in sorted(auths, key=lambda key: key != file_key(place_of(key))):
            entries[place_of(key)].append(Fields.of(auths[key], source=source, location=f"auths[{key!r}]."))
        return cls(source, fields.string_map("credHelpers"), fields.get("credsStore", str), dict(entries))

    def helper_for(self, registry: str) -> Helper | None:
        """The program that keeps a registry's credentials, if there is one."""
        keys = (file_key(registry), *sorted(_HUB_HOSTS)) if registry == DOCKER_HUB else (registry,)
        name = next((self.helpers[key] for key in keys if key in self.helpers), None) or self.store
        return Helper(name) if name else None

    def find(
        self, registry: str, repository: str, ask: Callable[[tuple[Helper, str]], Credentials | None]
    ) -> Credentials | None:
        """The credentials for a repository; `ask` has helpers asked.

        Raises:
            AuthenticationError: A helper program is missing or failed, or an entry cannot be read.
        """
        if helper := self.helper_for(registry):
            # Podman keeps Docker Hub's under its plain name.
            for server in dict.fromkeys((file_key(registry), registry)):
                if found := ask((helper, server)):
                    return found
        for place in _places(registry, repository):
            for entry in self.entries.get(place, ()):
                if found := _entry_credentials(entry, registry):
                    return found
        return None


class StoredCredentials:
    """The credentials on this machine, a `CredentialSource`; files are read, and helpers asked, when needed and once.

    Args:
        authfile: The one file to read, which must be there.
        environment: Variables that say which other files are read; see the module.
    """

    def __init__(self, authfile: Path | None = None, environment: Mapping[str, str] = os.environ) -> None:
        self._authfile = authfile
        self._environment = environment
        self._read: Once[tuple[Path | None, bool], CredentialFile] = Once(self._read_source)
        self._ask: Once[tuple[Helper, str], Credentials | None] = Once(lambda asked: asked[0].get(asked[1]))

    def find(self, registry: str, repository: str) -> Credentials | None:
        """Those for a repository, if there are any; see `CredentialSource`."""
        located = self.locate(registry, repository)
        return located.credentials if located else None

    def locate(self, registry: str, repository: str) -> Located | None:
        """The same, and where they are from."""
        for file in self._files():
            if found := file.find(registry, repository, self._ask):
                return Located(found, file.source)
        return None

    def _files(self) -> Iterator[CredentialFile]:
        """In their order, each read when the ones before it are not enough."""
        named = named_file(self._authfile, self._environment)
        if named is not None:
            yield self._read((named, True))
            return
        if self._environment.get(CONTENT_VARIABLE):
            yield self._read((None, False))
        for path in _default_paths(self._environment):
            yield self._read((path, False))

    def _read_source(self, source: tuple[Path | None, bool]) -> CredentialFile:
        path, must_exist = source
        if path is None:
            return _read_variable(self._environment[CONTENT_VARIABLE])
        return read_credential_file(path, must_exist=must_exist)


def named_file(authfile: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The file that was named, by an argument or a variable."""
    return authfile or (Path(name) if (name := environment.get(AUTH_FILE_VARIABLE)) else None)


def default_config_path(environment: Mapping[str, str]) -> Path:
    """Where Docker keeps its `config.json`."""
    if folder := environment.get("DOCKER_CONFIG"):
        return Path(folder) / "config.json"
    return _home(environment) / ".docker" / "config.json"


def _default_paths(environment: Mapping[str, str]) -> tuple[Path, Path, Path]:
    runtime = environment.get("XDG_RUNTIME_DIR")
    folder = Path(runtime, "containers") if runtime else Path(f"/run/containers/{os.getuid()}")
    config = environment.get("XDG_CONFIG_HOME") or _home(environment) / ".config"
    return default_config_path(environment), folder / "auth.json", Path(config, "containers", "auth.json")


def _home(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("HOME") or "/")


def read_credential_file(path: Path, *, must_exist: bool = False) -> CredentialFile:
    """Read a file; one that is missing, or where nobody may see it, has nothing, unless it must be there.

    Raises:
        FormatError: It is damaged.
        StorageError: It cannot be read.
    """
    try:
        with storage_errors("read", path):
            content = path.read_bytes()
    except StorageError:
        # Podman's folder may be one that only root may enter; `Path.exists` would raise then.
        if must_exist or os.path.exists(path):  # noqa: PTH110
            raise
        return CredentialFile(str(path))
    return CredentialFile.parse(content, source=str(path))


def _read_variable(content: str) -> CredentialFile:
    try:
        return CredentialFile.parse(content.encode(errors="replace"), source=CONTENT_VARIABLE)
    except FormatError as error:
        hint = f"`{CONTENT_VARIABLE}` holds the content of a file; to name one, use `{AUTH_FILE_VARIABLE}`"
        raise FormatError(CONTENT_VARIABLE, error.reason, hint=hint) from error


def file_key(place: str) -> str:
    """The key in `auths` that is written for a registry, and what helpers know it by."""
    return _HUB_KEY if place == DOCKER_HUB else place


def place_of(key: str) -> str:
    """The `registry` or `registry/namespace` that a key of `auths` is for; in URLs, paths mean nothing."""
    bare = key.removeprefix("https://").removeprefix("http://")
    host, _, path = bare.partition("/")
    host = DOCKER_HUB if host in _HUB_HOSTS else host
    path = path.strip("/")
    return host if bare != key or path in ("", "v1", "v2") else f"{host}/{path}"


def _places(registry: str, repository: str) -> list[str]:
    """What keys may be for, the most special first."""
    parts = repository.split("/") if repository else []
    return ["/".join([registry, *parts[:count]]) for count in range(len(parts), -1, -1)]


def _entry_credentials(entry: Fields, registry: str) -> Credentials | None:
    username, password = entry.get("username", str) or "", entry.get("password", str) or ""
    if encoded := entry.get("auth", str):
        username, password = _decode_pair(encoded, entry, registry)
    if token := entry.get("registrytoken", str):
        return Credentials(username, registry_token=token)
    if token := entry.get("identitytoken", str):
        return Credentials(username, identity_token=token)
    return Credentials(username, password.rstrip("\0")) if username or password else None


def _decode_pair(encoded: str, entry: Fields, registry: str) -> tuple[str, str]:
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        colon = ""
    if not colon:
        # Not inside of the block, since errors of decoders keep what they were given.
        raise AuthenticationError(
            f"cannot read the credentials for `{registry}` in `{entry.source}`: no base64 of `user:password`",
            hint=login_hint(registry),
        )
    return username, password
