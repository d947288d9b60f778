"""A token server that a real docker-registry trusts: RS256 tokens, signed by `openssl`, with a certificate of its own.

Spec: distribution, "Docker Registry v2 Bearer token specification" (the claims), "Token Authentication Specification"
and "Token Authentication: OAuth2"; RFC 7515, section 4.1.6 (`x5c`).
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.simulators.http_server import Answer, HttpSimulator, Request, json_answer

if TYPE_CHECKING:
    from pathlib import Path

ISSUER, SERVICE = "the tests", "the registry"
#: Seconds for which docker-registry takes a token that has expired.
LEEWAY = 60


@dataclass
class TokenRules:
    """How the server behaves; a test may change it at any time.

    Attributes:
        users: Passwords by user.
        refresh_tokens: Users by refresh token; None when the server knows GET alone.
        private: Prefixes of repositories that nobody pulls anonymously.
        lifetime: For how many seconds the registry takes a token.
        stated: What the server says the lifetime is.
        first_scope_only: Whether other scopes than the first are ignored, as some servers do.
    """

    users: dict[str, str] = field(default_factory=dict)
    refresh_tokens: dict[str, str] | None = field(default_factory=dict)
    private: tuple[str, ...] = ("private/",)
    lifetime: float = 300
    stated: int = 300
    first_scope_only: bool = False


class RealTokenServer(HttpSimulator):
    """The server; `certificate` is what the registry's `rootcertbundle` must name."""

    def __init__(self, folder: Path, rules: TokenRules) -> None:
        super().__init__()
        self.rules = rules
        self.certificate = folder / "token-server.pem"
        self._key = folder / "token-server.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tokens", "-days", "2",
             "-keyout", self._key, "-out", self.certificate],
            check=True, capture_output=True,
        )  # fmt: skip
        lines = self.certificate.read_text().splitlines()
        self._header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(lines[1:-1])]}

    @property
    def scopes(self) -> list[list[str]]:
        """What was asked for, request by request."""
        return [_scopes(request) for request in self.log]

    def answer(self, request: Request) -> Answer:
        if request.method == "POST" and self.rules.refresh_tokens is None:
            return Answer(405)
        known, user = self._user(request)
        if not known:
            status = 400 if request.method == "POST" else 401
            return json_answer({"details": "incorrect username or password", "error": "invalid_grant"}, status)
        scopes = _scopes(request)
        access = [self._access(scope, user) for scope in scopes[: 1 if self.rules.first_scope_only else None]]
        token = self.sign(user, [each for each in access if each["actions"]])
        return json_answer({"token": token, "access_token": token, "expires_in": self.rules.stated})

    def sign(self, user: str, access: list[dict[str, Any]]) -> str:
        """A token, whose end lies so far back that the registry's leeway is over after the lifetime."""
        now = time.time()
        claims = {
            "iss": ISSUER, "aud": SERVICE, "sub": user, "access": access, "jti": f"{now}-{len(self.log)}",
            "iat": int(now), "nbf": int(now) - 120, "exp": int(now + self.rules.lifetime - LEEWAY),
        }  # fmt: skip
        signed = f"{_encode(json.dumps(self._header).encode())}.{_encode(json.dumps(claims).encode())}"
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self._key], input=signed.encode(), check=True, capture_output=True
        )
        return f"{signed}.{_encode(signature.stdout)}"

    def _user(self, request: Request) -> tuple[bool, str]:
        """Whether the request may have a token, and the name that it gave."""
        if request.method == "POST":
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            if form["grant_type"] == "password":
                return self._knows(form["username"], form["password"]), form["username"]
            user = (self.rules.refresh_tokens or {}).get(form["refresh_token"], "")
            return bool(user), user
        if not request.authorization:
            return True, ""
        name, _, password = base64.b64decode(request.authorization.removeprefix("Basic ")).decode().partition(":")
        return self._knows(name, password), name

    def _knows(self, user: str, password: str) -> bool:
        return user in self.rules.users and self.rules.users[user] == password

    def _access(self, scope: str, user: str) -> dict[str, Any]:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        public = kind == "repository" and not name.startswith(self.rules.private)
        allowed = {"pull", "push", "delete", "*"} if user else ({"pull"} if public else set())
        return {"type": kind, "name": name, "actions": [action for action in actions.split(",") if action in allowed]}


def _scopes(request: Request) -> list[str]:
    if request.method == "POST":
        return parse_qs(request.body.decode()).get("scope", [""])[0].split()
    return request.query.get("scope", [])


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
