"""Programs that keep credentials, in the keychain of a system or with a cloud: `docker-credential-NAME`.

Spec: docker-credential-helpers, "Development": `get`, `store`, `erase` and `list`, with what they need on standard
input, so that no secret is ever an argument.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass

from docker_envs.errors import AuthenticationError, FormatError
from docker_envs.transports.authentication.credentials import Credentials, parse_secret

# What helpers take and give as the user name when the secret is an identity token.
_TOKEN_USER = "<token>"  # noqa: S105 - a marker, no secret
_NOT_FOUND = "credentials not found"
# Seconds; some ask their user, or a cloud.
_TIMEOUT = 120
_MAX_DETAIL_LENGTH = 200
_NAME = re.compile(r"[\w.+-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper by its name in `credsStore` or `credHelpers`.

    Raises:
        AuthenticationError: From each method: the program is missing, failed, or answered nonsense.
    """

    name: str

    @property
    def program(self) -> str:
        """What is run."""
        return f"docker-credential-{self.name}"

    def get(self, server: str) -> Credentials | None:
        """The credentials of a server; None when it has none."""
        answer = self._run("get", f"{server}\n")
        if answer is None:
            return None
        try:
            fields = parse_secret(answer, source=self.program)
            username, secret = fields.require("Username", str), fields.require("Secret", str)
        except FormatError as error:
            raise AuthenticationError(
                f"the credential helper `{self.program}` gave no credentials for `{server}`"
            ) from error
        if username == _TOKEN_USER:
            return Credentials("", identity_token=secret)
        return Credentials(username, secret) if username or secret else None

    def store(self, server: str, credentials: Credentials) -> None:
        """Keep credentials, instead of those that it has for the server."""
        secret = credentials.password or credentials.identity_token
        username = _TOKEN_USER if credentials.identity_token else credentials.username
        self._run("store", json.dumps({"ServerURL": server, "Username": username, "Secret": secret}), secret=secret)

    def erase(self, server: str) -> None:
        """Forget the credentials of a server, if it has any."""
        self._run("erase", f"{server}\n")

    def servers(self) -> list[str]:
        """All servers that it has credentials for, sorted."""
        answer = self._run("list", "")
        try:
            return sorted(parse_secret(answer or b"{}", source=self.program).document)
        except FormatError as error:
            raise AuthenticationError(f"the credential helper `{self.program}` gave no list of servers") from error

    def _run(self, action: str, text: str, *, secret: str = "") -> bytes | None:
        """What it prints; None when it does not have what was asked for."""
        if not _NAME.fullmatch(self.name):
            raise AuthenticationError(f"{self.name!r} is no name of a credential helper")
        failure = f"cannot run the credential helper `{self.program}`"
        hint = None
        try:
            done = subprocess.run(
                [self.program, action], input=text.encode(), capture_output=True, timeout=_TIMEOUT, check=False
            )
        except FileNotFoundError:
            failure = f"the credential helper `{self.program}` is not installed"
            hint = "install it, or remove it from `credsStore` and `credHelpers` in the file that names it"
        except subprocess.TimeoutExpired:
            failure += ": no answer"
        except (OSError, ValueError) as error:
            failure += f": {error}"
        else:
            return self._checked(done, action, secret)
        # Not inside of the block, since some of these errors keep what the program has printed.
        raise AuthenticationError(failure, hint=hint)

    def _checked(self, done: subprocess.CompletedProcess[bytes], action: str, secret: str) -> bytes | None:
        if not done.returncode:
            return done.stdout
        # Errors are on standard output, by the protocol; anything else there may be a secret.
        detail = done.stdout.decode(errors="replace").strip()
        if _NOT_FOUND in detail:
            return None
        reason = f"exit status {done.returncode}"
        if detail and "{" not in detail and not (secret and secret in detail):
            reason += f": {detail[:_MAX_DETAIL_LENGTH]}"
        raise AuthenticationError(f"the credential helper `{self.program}` failed to `{action}`: {reason}")
