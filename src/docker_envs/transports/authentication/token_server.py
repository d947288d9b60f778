"""Requests to token servers.

Spec: distribution, "Token Authentication Specification" and "Token Authentication: OAuth2"; RFC 6749, sections 4.3
(password), 5.2 (errors) and 6 (refresh tokens).
"""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from docker_envs.errors import AuthenticationError, FormatError, TransportError
from docker_envs.transports.authentication.credentials import login_hint, parse_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.fields import Fields
    from docker_envs.transports.authentication.credentials import Credentials
    from docker_envs.transports.fetch import Fetcher, Response

#: The largest answer of a token server that is read, in bytes.
MAX_TOKEN_SIZE = 1 << 20

_CLIENT_ID = "docker-envs"
# The specification's default for `expires_in`, and the longest time that is believed, in seconds.
_DEFAULT_LIFETIME = 60.0
_MAX_LIFETIME = 86400.0
_TOKEN = re.compile(r"[\x21-\x7e]+")
# How a server says that it does not know the method, or the address with that method.
_OTHER_METHOD = frozenset({404, 405})


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """What a token server gives.

    Attributes:
        token: For the registry.
        lifetime: Seconds from the request on.
        refresh_token: To be used instead of the credentials next time, if there is one.
    """

    token: str = field(repr=False)
    lifetime: float
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TokenServer:
    """A token server of a registry.

    Attributes:
        http: Sends the requests.
        registry: Its name, for messages.
        realm: The server's URL.
        service: What it knows the registry as.
    """

    http: Fetcher
    registry: str
    realm: str
    service: str

    def ask(self, found: Credentials | None, scopes: Sequence[str]) -> TokenAnswer:
        """Get a token.

        Without an identity token it is a GET, as all servers know it. If that is not how this one does it, the other
        way is tried.

        Args:
            found: Whose token; None for an anonymous one.
            scopes: What it shall be good for; the server may grant less.

        Raises:
            AuthenticationError: It refused.
            FormatError: The answer holds no token.
            TransportError: It cannot be reached.
        """
        try:
            return self._ask(found, scopes)
        except AuthenticationError as error:
            detail, status = str(error), error.status
        if found is None:
            text = f"`{self.registry}` wants credentials, and there are none for it"
        else:
            whose = f" of user `{found.username}`" if found.username else ""
            text = f"`{self.registry}` refused the credentials{whose}"
            detail = found.redact(detail)
        # Not inside of the block, so that no cause repeats what the server says of the credentials.
        raise AuthenticationError(f"{text} ({detail})", hint=login_hint(self.registry), status=status)

    def _ask(self, found: Credentials | None, scopes: Sequence[str]) -> TokenAnswer:
        ways = [self._get, self._post] if found and not found.identity_token else [self._get]
        if found and found.identity_token:
            ways = [self._post, self._get]
        for way in ways[:-1]:
            try:
                return way(found, scopes)
            except TransportError as error:
                if error.status not in _OTHER_METHOD:
                    raise
        return ways[-1](found, scopes)

    def _get(self, found: Credentials | None, scopes: Sequence[str]) -> TokenAnswer:
        query = [("service", self.service)] if self.service else []
        query += [("scope", scope) for scope in scopes]
        parts = urlsplit(self.realm)
        url = parts._replace(query="&".join(filter(None, (parts.query, urlencode(query)))), fragment="").geturl()
        with self.http.open(url, headers={"Authorization": found.basic} if found else {}) as response:
            return self._answer(response)

    def _post(self, found: Credentials | None, scopes: Sequence[str]) -> TokenAnswer:
        """As OAuth2 has it."""
        assert found is not None
        form = {"service": self.service, "scope": " ".join(scopes), "client_id": _CLIENT_ID}
        if found.identity_token:
            form |= {"grant_type": "refresh_token", "refresh_token": found.identity_token}
        else:
            form |= {"grant_type": "password", "username": found.username, "password": found.password}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        try:
            with self.http.request("POST", self.realm, headers=headers, body=urlencode(form).encode()) as response:
                return self._answer(response)
        except TransportError as error:
            if error.status != 400:
                raise
            detail = str(error)
        # OAuth2 has no other status for wrong credentials.
        raise AuthenticationError(detail, status=400)

    def _answer(self, response: Response) -> TokenAnswer:
        fields = parse_secret(response.read_limited(MAX_TOKEN_SIZE, source=self.realm), source=self.realm)
        token = fields.get("token", str) or fields.get("access_token", str)
        if not token or not _TOKEN.fullmatch(token):
            raise FormatError(self.realm, "no token")
        return TokenAnswer(token, _lifetime(fields, response.headers.get("Date")), fields.get("refresh_token", str))


def _lifetime(fields: Fields, date: str | None) -> float:
    """Seconds; a token that was issued a while ago, by the server's own clock, lives so much shorter."""
    stated = fields.document.get("expires_in")
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not stated > 0:
        stated = _DEFAULT_LIFETIME
    lifetime = float(min(stated, _MAX_LIFETIME))
    try:
        issued = datetime.fromisoformat(fields.document.get("issued_at") or "")
        now = email.utils.parsedate_to_datetime(date or "")
        age = (now - (issued if issued.tzinfo else issued.replace(tzinfo=UTC))).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return lifetime
    # Nobody issues what has expired; such times are not to be trusted.
    return lifetime - age if 0 < age < lifetime else lifetime
