"""What servers ask for in `WWW-Authenticate`, and which token servers may be asked.

Spec: RFC 9110, section 11.6.1 (WWW-Authenticate); distribution, "Token Authentication Specification".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from docker_envs.errors import AuthenticationError, TransportError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.transports.fetch import Fetcher

# RFC 9110, section 5.6.2 (token) and 5.6.4 (quoted-string).
_CHALLENGE_PART = re.compile(r'([!#$%&\'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?', re.ASCII)
# Of what a challenge may add to the scopes of a request.
_MAX_SCOPES = 4
_MAX_SCOPE_LENGTH = 512
_MAX_SHOWN = 200
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a server offers; scheme and names of parameters in lower case."""

    scheme: str
    parameters: dict[str, str]

    def wider(self, scopes: Sequence[str]) -> tuple[str, ...]:
        """`scopes`, and before them those that the challenge names and they do not cover.

        Some token servers look at the first scope only.
        """
        named = self.parameters.get("scope", "").split(" ")
        lacking = [scope for scope in dict.fromkeys(named) if scope and not any(_covers(own, scope) for own in scopes)]
        return (*[scope for scope in lacking if len(scope) <= _MAX_SCOPE_LENGTH][:_MAX_SCOPES], *scopes)


def _covers(scope: str, narrower: str) -> bool:
    resource, _, actions = scope.rpartition(":")
    other, _, wanted = narrower.rpartition(":")
    return resource == other and set(wanted.split(",")) <= set(actions.split(","))


def parse_challenges(header: str) -> list[Challenge]:
    """The challenges of a `WWW-Authenticate` header, in their order; what cannot be read is passed over."""
    found: list[Challenge] = []
    for match in _CHALLENGE_PART.finditer(header):
        name, quoted, plain = match.groups()
        if quoted is None and plain is None:
            found.append(Challenge(name.lower(), {}))
        elif found:
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            found[-1].parameters[name.lower()] = value
    return found


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a registry's API is; `url` is scheme and host, without a path."""

    registry: str
    url: str


def token_server(http: Fetcher, endpoint: Endpoint, challenge: Challenge) -> str:
    """The URL of the token server that a registry names.

    A registry names whom it likes, but only one that is as public as itself: else any could have us send requests to
    this machine, to a cloud's metadata service, or into a private network.

    Raises:
        AuthenticationError: There is no URL, it is without encryption though the registry has it, or too private.
    """
    realm = challenge.parameters.get("realm", "")
    try:
        parts = urlsplit(realm)
        usable = bool(parts.hostname) and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _PRINTABLE.fullmatch(realm):
        raise AuthenticationError(f"`{endpoint.registry}` names no token server, but {realm[:_MAX_SHOWN]!r}")
    try:
        http.check_target(endpoint.url, realm)
    except TransportError as error:
        raise AuthenticationError(
            f"`{endpoint.registry}` names a token server that is refused: {error}", hint=error.hint
        ) from error
    return realm
