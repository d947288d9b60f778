"""`docker-envs login` and `docker-envs logout`: credentials for registries."""

from __future__ import annotations

import getpass
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import AuthFile, CaFile, Insecure, PlainHttp, connection
from docker_envs.errors import InvalidInputError
from docker_envs.images.transports import Transports
from docker_envs.oci.reference import DOCKER_HUB, Reference
from docker_envs.report import SILENT

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.images.transports import Connection
    from docker_envs.transports.authentication.credentials import Credentials

Registry = Annotated[str, typer.Argument(metavar="REGISTRY", help="Host with optional port.")]
User = Annotated[str | None, typer.Option("--username", "-u", metavar="USER", help="User name.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Take the password from standard input.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Store without encryption, and do not ask.")]
All = Annotated[bool, typer.Option("--all", "-a", help="All registries.")]

# More than any password or token, in bytes.
_MAX_PASSWORD_SIZE = 1 << 16


def login_command(
    *,
    registry: Registry = DOCKER_HUB,
    username: User = None,
    password_stdin: PasswordStdin = False,
    yes: Yes = False,
    plain_http: PlainHttp = None,
    insecure: Insecure = None,
    ca_file: CaFile = None,
    auth_file: AuthFile = None,
) -> None:
    """Log in to a registry.

    The registry is asked first. What it takes is kept by the credential helper that the file names, or else, if you
    agree, in the file itself.
    """
    from docker_envs.transports.authentication.logins import LoginFile

    name = parse_registry(registry)
    file = LoginFile(auth_file)
    plain = file.helper_for(name) is None
    if plain and not yes and not sys.stdin.isatty():
        raise InvalidInputError(
            f"nobody can be asked whether the password may be stored without encryption in `{file.path}`",
            hint="agree with `--yes`, or have a credential helper in `credsStore` of that file",
        )
    credentials = _ask_credentials(username, from_stdin=password_stdin)
    _check(name, credentials, connection(plain_http, insecure, ca_file, auth_file))
    question = f"the password will be stored without encryption in {file.path}; go on?"
    if plain and not yes and not typer.confirm(question, err=True):
        print("not logged in; nothing was stored", file=sys.stderr)
        raise typer.Exit(1)
    file.store(name, credentials)
    print(f"logged in to `{name}` as `{credentials.username}`", file=sys.stderr)
    _note_other_source(auth_file, name, credentials)


def logout_command(*, registry: Registry = DOCKER_HUB, everything: All = False, auth_file: AuthFile = None) -> None:
    """Remove the credentials for a registry.

    They go from the file and from its credential helper.
    """
    from docker_envs.transports.authentication.logins import LoginFile

    file = LoginFile(auth_file)
    names = file.registries() if everything else [parse_registry(registry)]
    for name in names:
        removed = file.remove(name)
        print(f"logged out of `{name}`" if removed else f"not logged in to `{name}`", file=sys.stderr)
        _note_other_source(auth_file, name, None)
    if not names:
        print("not logged in to any registry", file=sys.stderr)


def parse_registry(text: str) -> str:
    """A registry as people write it, perhaps as a URL.

    Raises:
        InvalidInputError: It is none.
    """
    host = text.removeprefix("https://").removeprefix("http://").rstrip("/")
    host = host.removesuffix("/v1").removesuffix("/v2")
    try:
        # A name in it makes clear that the first part is meant as the host.
        found = Reference.parse(f"{host}/repository/name")
    except InvalidInputError:
        found = None
    if found is None or found.repository != "repository/name":
        raise InvalidInputError(f"{text!r} is no registry", hint="give its host, such as `ghcr.io` or `localhost:5000`")
    return found.registry


def _ask_credentials(username: str | None, *, from_stdin: bool) -> Credentials:
    from docker_envs.transports.authentication.credentials import Credentials

    if from_stdin:
        if not username:
            raise InvalidInputError("`--password-stdin` needs `--username`")
        password = _read_password()
    elif not sys.stdin.isatty():
        raise InvalidInputError(
            "there is no terminal to ask for the password",
            hint="give it on standard input, with `--password-stdin` and `--username USER`",
        )
    else:
        username = username or typer.prompt("Username", err=True)
        password = getpass.getpass()
    if not username or not password:
        raise InvalidInputError(f"the {'password' if username else 'user name'} is empty")
    return Credentials(username, password)


def _read_password() -> str:
    content = sys.stdin.buffer.read(_MAX_PASSWORD_SIZE + 1)
    problem = f"longer than {_MAX_PASSWORD_SIZE:,} bytes"
    if len(content) <= _MAX_PASSWORD_SIZE:
        try:
            return content.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            problem = "no UTF-8"
    # Not inside of the block, since the decoder's error keeps what it was given.
    raise InvalidInputError(f"the password is {problem}")


def _check(registry: str, credentials: Credentials, connection: Connection) -> None:
    from docker_envs.transports.registry.login import GivenCredentials, check_login
    from docker_envs.transports.registry.session import RegistrySession

    session = RegistrySession(
        Transports(connection).http,
        GivenCredentials(registry, credentials),
        plain_http=connection.plain_http,
        insecure=connection.insecure,
        reporter=SILENT,
    )
    check_login(session, registry, credentials)


def _note_other_source(auth_file: Path | None, registry: str, expected: Credentials | None) -> None:
    """Say so when other credentials than expected are the ones in use."""
    from docker_envs.transports.authentication.config_files import StoredCredentials, named_file

    if expected is None and named_file(auth_file, os.environ):
        return
    found = StoredCredentials(auth_file).locate(registry, "")
    if found is not None and found.credentials != expected:
        print(f"note: the credentials for `{registry}` in `{found.source}` are used", file=sys.stderr)
