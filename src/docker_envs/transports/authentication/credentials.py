"""Who somebody is to a registry, and what knows it.

Spec: RFC 7617 (Basic); distribution, "Token Authentication: OAuth2" (identity tokens).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Protocol

from docker_envs.errors import FormatError
from docker_envs.fields import Fields
from docker_envs.oci.reference import DOCKER_HUB


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name with a password, an identity token or a token for the registry (of which there is one); never shown.

    Attributes:
        username: May be empty beside a token.
        password: Empty when there is a token.
        identity_token: For OAuth2's `refresh_token` grant.
        registry_token: A Bearer token that the registry takes as it is.
    """

    username: str
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an `Authorization` header with user name and password."""
        pair = f"{self.username}:{self.password or self.identity_token}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    @property
    def header(self) -> str:
        """The value of an `Authorization` header for a registry that gives no tokens."""
        return f"Bearer {self.registry_token}" if self.registry_token else self.basic

    def redact(self, text: str) -> str:
        """`text` without what is secret here, for the words of a server that may repeat what it was sent."""
        secrets = (self.password, self.identity_token, self.registry_token, self.basic.removeprefix("Basic "))
        for secret in filter(None, secrets):
            text = text.replace(secret, "…")
        return text


class CredentialSource(Protocol):
    """Knows credentials; safe for many threads."""

    def find(self, registry: str, repository: str) -> Credentials | None:
        """Those for a repository of a registry, if there are any.

        Args:
            registry: Host with optional port; `docker.io` for Docker Hub.
            repository: Path in the registry; empty when the registry as a whole is meant.

        Raises:
            AuthenticationError: They cannot be looked up.
            FormatError: What holds them is damaged.
            StorageError: A file cannot be read.
        """


def parse_secret(content: bytes, *, source: str) -> Fields:
    """Decode a JSON object that holds secrets: what does not decode is not in the error, nor in its causes.

    Raises:
        FormatError: `content` is no JSON object.
    """
    try:
        return Fields.parse(content, source=source)
    except FormatError as error:
        reason = error.reason
    # Not inside of the block, since errors of decoders keep what they were given.
    raise FormatError(source, reason)


def login_hint(registry: str) -> str:
    """How to give credentials for a registry."""
    return f"log in with `docker-envs login{'' if registry == DOCKER_HUB else f' {registry}'}`"
