"""Answers the challenges of registries: Basic, and Bearer tokens from the server that a challenge names.

Spec: distribution, "Token Authentication Specification".
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.errors import AuthenticationError
from docker_envs.transports.authentication.challenges import parse_challenges, token_server
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.authentication.keyed import KeyedLocks
from docker_envs.transports.authentication.token_server import TokenAnswer, TokenServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.transports.authentication.challenges import Challenge, Endpoint
    from docker_envs.transports.authentication.credentials import CredentialSource
    from docker_envs.transports.fetch import Fetcher

# How much earlier than it expires a token is replaced, at most, in seconds.
_MARGIN = 10.0
_REPOSITORY_SCOPE = re.compile(r"repository(?:\([^)]*\))?:(.+):[^:]*")


@dataclass(frozen=True, slots=True)
class _Token:
    header: str = field(repr=False)
    scopes: frozenset[str]
    expires: float


class Authenticator:
    """Gives the `Authorization` header for requests; safe for many threads, which share tokens.

    A token is fetched by one thread; others wait only if they need the same one.

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
        self._fetching = KeyedLocks()
        # Guards the rest; never held while waiting for anything.
        self._lock = threading.Lock()
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[str, list[_Token]] = defaultdict(list)
        # What token servers gave to be used instead of credentials.
        self._refresh: dict[tuple[str, Credentials], Credentials] = {}

    def learn(self, endpoint: Endpoint, header: str | None) -> Challenge:
        """Remember the challenge of a registry, Bearer rather than Basic.

        Raises:
            AuthenticationError: There is none that we can answer.
        """
        challenges = {challenge.scheme: challenge for challenge in reversed(parse_challenges(header or ""))}
        chosen = challenges.get("bearer") or challenges.get("basic")
        if chosen is None:
            offered = ", ".join(list(challenges)[:5])[:200] or "nothing"
            raise AuthenticationError(
                f"`{endpoint.registry}` wants authentication, but offers {offered}; expected Basic or Bearer"
            )
        with self._lock:
            self._challenges[endpoint.registry] = chosen
        return chosen

    def authorization(self, endpoint: Endpoint, scopes: Sequence[str], *, rejected: str | None = None) -> str | None:
        """The header's value, or None where no challenge was seen or no credentials are known.

        Args:
            endpoint: The registry.
            scopes: What the request needs, the most important first, such as `repository:library/debian:pull`. The
                first one tells for which repository credentials are looked up.
            rejected: A value that the registry did not take; a token is replaced then.

        Raises:
            AuthenticationError: The token server refused, or credentials cannot be looked up.
            TransportError: The token server cannot be reached.
        """
        return self._authorize(endpoint, scopes, _repository(scopes), rejected)

    def renew(
        self, endpoint: Endpoint, scopes: Sequence[str], *, rejected: str | None, header: str | None
    ) -> str | None:
        """Another value after an answer 401: a new token, for what the registry says the request needs as well.

        Args:
            endpoint: The registry.
            scopes: As for `authorization`.
            rejected: The value that was sent.
            header: `WWW-Authenticate` of the answer.

        Returns:
            As `authorization`; `rejected` itself when there is no other.
        """
        wider = self.learn(endpoint, header).wider(scopes)
        return self._authorize(endpoint, wider, _repository(scopes), rejected)

    def _authorize(
        self, endpoint: Endpoint, scopes: Sequence[str], repository: str, rejected: str | None
    ) -> str | None:
        with self._lock:
            challenge = self._challenges.get(endpoint.registry)
        if challenge is None:
            return None
        if challenge.scheme == "basic":
            found = self._credentials.find(endpoint.registry, repository)
            return found.header if found else None
        if known := self._known(endpoint, scopes, rejected):
            return known.header
        with self._fetching.hold((endpoint.registry, frozenset(scopes))):
            # Another thread may have fetched it meanwhile.
            if known := self._known(endpoint, scopes, rejected):
                return known.header
            fetched = self._fetch(endpoint, challenge, scopes, repository)
            with self._lock:
                self._tokens[endpoint.registry].append(fetched)
            return fetched.header

    def _known(self, endpoint: Endpoint, scopes: Sequence[str], rejected: str | None) -> _Token | None:
        with self._lock:
            tokens, now = self._tokens[endpoint.registry], self._clock()
            tokens[:] = [token for token in tokens if token.expires > now and token.header != rejected]
            return next((token for token in tokens if token.scopes.issuperset(scopes)), None)

    def _fetch(self, endpoint: Endpoint, challenge: Challenge, scopes: Sequence[str], repository: str) -> _Token:
        found = self._credentials.find(endpoint.registry, repository)
        if found and found.registry_token:
            return _Token(found.header, frozenset(scopes), math.inf)
        realm = token_server(self._http, endpoint, challenge)
        server = TokenServer(self._http, endpoint.registry, realm, challenge.parameters.get("service", ""))
        began = self._clock()
        answer = self._ask(server, scopes, found)
        if found and answer.refresh_token:
            with self._lock:
                self._refresh[realm, found] = Credentials(found.username, identity_token=answer.refresh_token)
        margin = min(_MARGIN, answer.lifetime / 6)
        return _Token(f"Bearer {answer.token}", frozenset(scopes), began + answer.lifetime - margin)

    def _ask(self, server: TokenServer, scopes: Sequence[str], found: Credentials | None) -> TokenAnswer:
        with self._lock:
            refresh = self._refresh.get((server.realm, found)) if found else None
        if found and refresh:
            try:
                return server.ask(refresh, scopes)
            except AuthenticationError:
                # It may have been for one use, or for a short time; what the user gave still counts.
                with self._lock:
                    self._refresh.pop((server.realm, found), None)
        return server.ask(found, scopes)


def _repository(scopes: Sequence[str]) -> str:
    named = _REPOSITORY_SCOPE.fullmatch(scopes[0]) if scopes else None
    return named[1] if named else ""
