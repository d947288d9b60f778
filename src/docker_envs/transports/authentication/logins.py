"""What `login` and `logout` keep and forget: in a helper program, or in a file that others read as well.

Of a file all is kept that is not about the registry: fields, their order, and how it is indented. It is replaced as a
whole, under a lock, by one that only its owner can read. Where a link is in its place, what that points to is replaced.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidInputError, StorageError
from docker_envs.transports.authentication.config_files import (
    default_config_path,
    file_key,
    named_file,
    place_of,
    read_credential_file,
)
from docker_envs.transports.authentication.credentials import parse_secret
from docker_envs.transports.authentication.helpers import Helper
from docker_envs.transports.blobs import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from docker_envs.fields import JsonObject
    from docker_envs.transports.authentication.credentials import Credentials

_INDENT = re.compile(r"\{\s*\n([ \t]+)\"")
# As Docker writes it.
_DEFAULT_INDENT = "\t"
_SECRET_FIELDS = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})


class LoginFile:
    """A file with credentials that is written to: the one that was named, or else Docker's `config.json`.

    Podman and skopeo read Docker's too, so a login there serves all.

    Args:
        authfile: The file, if it was named.
        environment: Variables that name it otherwise.
    """

    def __init__(self, authfile: Path | None = None, environment: Mapping[str, str] = os.environ) -> None:
        named = named_file(authfile, environment) or default_config_path(environment)
        try:
            with storage_errors("find", named):
                self.path = named.resolve()
        except RuntimeError as error:
            raise StorageError(f"cannot find `{named}`: a circle of links") from error

    def helper_for(self, registry: str) -> Helper | None:
        """The program that the file wants the credentials to be kept in, if any.

        Raises:
            FormatError: The file is damaged.
            StorageError: It cannot be read.
        """
        return read_credential_file(self.path).helper_for(registry)

    def store(self, registry: str, credentials: Credentials) -> None:
        """Keep credentials for a registry, with the helper if there is one.

        Raises:
            AuthenticationError: The helper is missing, or failed.
            FormatError: The file is damaged; it stays as it is.
            InvalidInputError: The user name cannot be written down.
            StorageError: The file cannot be written.
        """
        helper, key = self.helper_for(registry), file_key(registry)
        entry: JsonObject = {}
        if helper:
            helper.store(key, credentials)
        else:
            entry = _entry(credentials)

        def change(auths: JsonObject) -> None:
            known = {name: value for name, value in (auths.get(key) or {}).items() if name not in _SECRET_FIELDS}
            # Other forms of the name hold older credentials, which some programs would take.
            for other in [name for name in auths if place_of(name) == registry and name != key]:
                del auths[other]
            # Beside a helper, an empty entry tells Docker that there is something to ask for.
            auths[key] = {**known, **entry}

        self._edit(change)

    def remove(self, registry: str) -> bool:
        """Forget the credentials for a registry, in the file and in its helper; whether there were any.

        Raises:
            AuthenticationError: The helper is missing, or failed; the file has forgotten them then.
            FormatError: The file is damaged; it stays as it is.
            StorageError: The file cannot be written.
        """
        helper, removed = self.helper_for(registry), False

        def change(auths: JsonObject) -> None:
            nonlocal removed
            for name in [name for name in auths if place_of(name) == registry]:
                removed = True
                del auths[name]

        self._edit(change)
        for server in dict.fromkeys((file_key(registry), registry)):
            if helper and helper.get(server) is not None:
                helper.erase(server)
                removed = True
        return removed

    def registries(self) -> list[str]:
        """All registries, and namespaces in them, that the file or one of its helpers has credentials for.

        Raises:
            AuthenticationError: The helper is missing, or failed.
            FormatError: The file is damaged.
            StorageError: It cannot be read.
        """
        file = read_credential_file(self.path)
        kept = Helper(file.store).servers() if file.store else []
        return sorted({*map(place_of, (*file.helpers, *kept)), *file.entries})

    def _edit(self, change: Callable[[JsonObject], None]) -> None:
        """Have `change` change the entries of the file, one process at a time."""
        with _locked(self.path):
            text = self._read()
            document = parse_secret(text.strip().encode() or b"{}", source=str(self.path)).document
            auths = {name: dict(value) for name, value in (document.get("auths") or {}).items()}
            before = json.dumps(auths)
            change(auths)
            if json.dumps(auths) == before:
                return
            content = _dump({**document, "auths": auths}, text)
            with atomic_file(self.path, mode=0o600) as file:
                file.write(content)
                # Root may do this for somebody else.
                with contextlib.suppress(OSError):
                    owner = self.path.stat()
                    os.fchown(file.fileno(), owner.st_uid, owner.st_gid)

    def _read(self) -> str:
        # Also says in good words what is wrong with it.
        read_credential_file(self.path)
        with storage_errors("read", self.path):
            return self.path.read_text(encoding="utf-8") if self.path.exists() else ""


def _entry(credentials: Credentials) -> JsonObject:
    if ":" in credentials.username:
        raise InvalidInputError(f"cannot write down the user name {credentials.username!r}: it has a colon")
    if credentials.identity_token:
        pair = f"{credentials.username}:"
        return {"auth": base64.b64encode(pair.encode()).decode(), "identitytoken": credentials.identity_token}
    return {"auth": credentials.basic.removeprefix("Basic ")}


def _dump(document: Mapping[str, Any], previous: str) -> bytes:
    """The document, indented as it was before."""
    found = _INDENT.match(previous)
    indent = found[1] if found else (_DEFAULT_INDENT if not previous.strip() or "\n" in previous.strip() else None)
    end = "\n" if not previous or previous.endswith("\n") else ""
    return (json.dumps(document, indent=indent, ensure_ascii=False) + end).encode()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock on a file's folder, which is made for its owner alone if it is not there."""
    with storage_errors("write", path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # File systems without locks have no other users, as far as we can tell.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
