"""Answers the challenges of registries: Basic, and Bearer tokens from the server that a challenge names.

Spec: RFC 9110, section 11.6.1 (WWW-Authenticate); distribution, "Token Authentication Specification" and "Token
Authentication: OAuth2".
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from docker_envs.errors import AuthenticationError, NotFoundError, TransportError
from docker_envs.fields import Fields
from docker_envs.transports.authentication.credentials import login_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.transports.authentication.credentials import Credentials, CredentialSource
    from docker_envs.transports.fetch import Fetcher

#: The largest answer of a token server that is read, in bytes.
MAX_TOKEN_SIZE = 1 << 20

_CLIENT_ID = "docker-envs"
# The specification's default for `expires_in`, in seconds, and how much earlier a token is replaced.
_DEFAULT_LIFETIME = 60
_MARGIN = 10
# RFC 9110, section 5.6.2 (token) and 5.6.4 (quoted-string).
_CHALLENGE_PART = re.compile(r'([!#$%&\'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?', re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in that a server offers; scheme and names of parameters in lower case."""

    scheme: str
    parameters: dict[str, str]


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


@dataclass(frozen=True, slots=True)
class _Token:
    header: str = field(repr=False)
    scopes: frozenset[str]
    expires: float


class Authenticator:
    """Gives the `Authorization` header for requests; safe for many threads, which share tokens.

    Args:
        http: For token servers.
        credentials: Where user names and passwords come from; asked only for registries that challenge.
        clock: Monotonic seconds.
    """

    def __init__(
        self, http: Fetcher, credentials: CredentialSource, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._clock = clock
        self._lock = threading.Lock()
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[str, list[_Token]] = defaultdict(list)

    def learn(self, endpoint: Endpoint, header: str | None) -> None:
        """Remember the challenge of a registry, Bearer rather than Basic.

        Raises:
            AuthenticationError: There is none that we can answer.
        """
        challenges = {challenge.scheme: challenge for challenge in reversed(parse_challenges(header or ""))}
        chosen = challenges.get("bearer") or challenges.get("basic")
        if chosen is None:
            offered = ", ".join(challenges) or "nothing"
            raise AuthenticationError(
                f"`{endpoint.registry}` wants authentication, but offers {offered}; expected Basic or Bearer"
            )
        with self._lock:
            self._challenges[endpoint.registry] = chosen

    def authorization(self, endpoint: Endpoint, scopes: Sequence[str], *, rejected: str | None = None) -> str | None:
        """The header's value, or None where no challenge was seen or no credentials are known.

        Args:
            endpoint: The registry.
            scopes: What the request needs, the most important first, such as `repository:library/debian:pull`.
            rejected: A value that the registry did not take; a token is replaced then.

        Raises:
            AuthenticationError: The token server refused, or credentials cannot be looked up.
            TransportError: The token server cannot be reached.
        """
        with self._lock:
            challenge = self._challenges.get(endpoint.registry)
            if challenge is None:
                return None
            if challenge.scheme == "basic":
                found = self._credentials.find(endpoint.registry)
                return found.basic if found else None
            tokens, now = self._tokens[endpoint.registry], self._clock()
            tokens[:] = [token for token in tokens if token.expires > now and token.header != rejected]
            for token in tokens:
                if token.scopes.issuperset(scopes):
                    return token.header
            tokens.append(self._fetch(endpoint, challenge, scopes))
            return tokens[-1].header

    def _fetch(self, endpoint: Endpoint, challenge: Challenge, scopes: Sequence[str]) -> _Token:
        realm = challenge.parameters.get("realm", "")
        _check_realm(endpoint, realm)
        service = challenge.parameters.get("service", "")
        found = self._credentials.find(endpoint.registry)
        try:
            answer = None
            if found and found.identity_token:
                answer = self._post(realm, service, scopes, found)
            if answer is None:
                answer = self._get(realm, service, scopes, found)
        except AuthenticationError as error:
            raise _refused(endpoint.registry, found, error) from error
        text = answer.get("token", str) or answer.get("access_token", str)
        if not text or not _TOKEN.fullmatch(text):
            raise AuthenticationError(f"the token server of `{endpoint.registry}` gave no token")
        lifetime = answer.document.get("expires_in")
        lifetime = lifetime if isinstance(lifetime, int | float) and lifetime > 0 else _DEFAULT_LIFETIME
        return _Token(f"Bearer {text}", frozenset(scopes), self._clock() + max(lifetime - _MARGIN, _MARGIN))

    def _get(self, realm: str, service: str, scopes: Sequence[str], found: Credentials | None) -> Fields:
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in scopes]
        headers = {}
        if found:
            headers["Authorization"] = found.basic
        url = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(query)}"
        with self._http.open(url, headers=headers) as response:
            return Fields.parse(response.read_limited(MAX_TOKEN_SIZE, source=realm), source=realm)

    def _post(self, realm: str, service: str, scopes: Sequence[str], found: Credentials) -> Fields | None:
        """The answer to OAuth2's grant; None from servers that do not know it."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": found.identity_token,
            "service": service,
            "scope": " ".join(scopes),
            "client_id": _CLIENT_ID,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            with self._http.request("POST", realm, headers=headers, body=urlencode(form).encode()) as response:
                return Fields.parse(response.read_limited(MAX_TOKEN_SIZE, source=realm), source=realm)
        except NotFoundError:
            return None
        except TransportError as error:
            if error.status == 405:
                return None
            raise


def _check_realm(endpoint: Endpoint, realm: str) -> None:
    parts = urlsplit(realm)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise AuthenticationError(f"`{endpoint.registry}` names no token server, but {realm!r}")
    if parts.scheme == "http" and endpoint.url.startswith("https:"):
        raise AuthenticationError(f"`{endpoint.registry}` names a token server without encryption: `{realm}`")


def _refused(registry: str, found: Credentials | None, error: AuthenticationError) -> AuthenticationError:
    if found is None:
        text = f"`{registry}` wants credentials, and there are none for it"
    else:
        text = f"`{registry}` refused the credentials" + (f" of user `{found.username}`" if found.username else "")
    return AuthenticationError(f"{text} ({error})", hint=login_hint(registry), status=error.status)
