"""Whether a registry takes credentials.

Spec: OCI distribution-spec 1.1, "Determining Support"; distribution, "Token Authentication Specification".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.errors import AuthenticationError
from docker_envs.transports.fetch import error_detail

if TYPE_CHECKING:
    from docker_envs.transports.authentication.credentials import Credentials
    from docker_envs.transports.registry.session import RegistrySession

_HINT = "check user name and password; some registries want an access token as the password"


class GivenCredentials:
    """The credentials of one registry, a `CredentialSource`.

    Args:
        registry: Host with optional port.
        credentials: For all of its repositories.
    """

    def __init__(self, registry: str, credentials: Credentials) -> None:
        self._registry = registry
        self._credentials = credentials

    def find(self, registry: str, repository: str) -> Credentials | None:
        """The credentials, if it is their registry."""
        return self._credentials if registry == self._registry else None


def check_login(session: RegistrySession, registry: str, credentials: Credentials) -> None:
    """Ask a registry whether it takes credentials.

    One that lets everybody in is shown them nevertheless: it may want them for more than a look.

    Args:
        session: Gives these credentials to the registry.
        registry: Host with optional port.
        credentials: What is to be checked.

    Raises:
        AuthenticationError: It does not take them.
        TransportError: It cannot be reached.

    Cost: two requests, or three with a token server.
    """
    endpoint = session.endpoint(registry)
    try:
        header = session.auth.authorization(endpoint, ()) or credentials.header
    except AuthenticationError as error:
        # To log in is no advice here.
        raise AuthenticationError(
            str(error), hint=_HINT if error.status else error.hint, status=error.status
        ) from error
    url = f"{endpoint.url}/v2/"
    with session.http.request("GET", url, headers={"Authorization": header}, expected=(200, 401, 403)) as response:
        if response.status == 200:
            return
        detail = credentials.redact(error_detail(response)).replace(header, "…")
    raise AuthenticationError(
        f"`{registry}` refused the credentials of user `{credentials.username}`{f' ({detail})' if detail else ''}",
        hint=_HINT,
        status=response.status,
    )
