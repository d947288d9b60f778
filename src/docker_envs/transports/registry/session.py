"""Requests to registries: where their API is, authentication, and their refusals in our words.

Spec: OCI distribution-spec 1.1, "Endpoints", "Error Codes", "Warnings".
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from docker_envs.errors import AuthenticationError, FormatError, NotFoundError, TransportError, VerificationError
from docker_envs.oci.reference import DOCKER_HUB, Reference, is_loopback
from docker_envs.transports.authentication.challenges import Endpoint
from docker_envs.transports.authentication.credentials import login_hint
from docker_envs.transports.authentication.keyed import Once
from docker_envs.transports.authentication.tokens import Authenticator
from docker_envs.transports.fetch import READ_TIMEOUT, error_detail
from docker_envs.transports.http import origin
from docker_envs.transports.redirects import join_location
from docker_envs.transports.registry.mirrors import MirrorResponse, Mirrors, is_mirrored
from docker_envs.transports.registry.registries_conf import RegistriesConf

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from docker_envs.report import Reporter
    from docker_envs.transports.authentication.credentials import CredentialSource
    from docker_envs.transports.fetch import Body, Fetcher, Response

_HUB_HOST = "registry-1.docker.io"
_ANSWERS = range(200, 500)
# RFC 7234, section 5.5, as the distribution-spec narrows it.
_WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')


class Access(Enum):
    """What is to be done with a repository: for messages, and as a token's scope has it.

    Spec: distribution, "Token Scope Documentation".
    """

    PULL = ("pull", "pull")
    PUSH = ("push to", "pull,push")
    DELETE = ("delete from", "pull,delete")
    LIST = ("list", "*")

    def __init__(self, verb: str, actions: str) -> None:
        self.verb = verb
        self.actions = actions


class RegistrySession:
    """Finds registries and keeps what was learnt about them; safe for many threads.

    Args:
        http: Sends the requests.
        credentials: Asked for registries that want authentication.
        plain_http: Registries (`host:port`) that may be spoken to without TLS, beside those on this machine.
        insecure: Registries (`host:port`) whose certificates are not checked, and that may lack TLS.
        registries: Mirrors and other settings; by default those of podman, read when something is pulled or pushed.
        reporter: Gets the warnings of registries.
    """

    def __init__(
        self,
        http: Fetcher,
        credentials: CredentialSource,
        *,
        plain_http: Collection[str] = (),
        insecure: Collection[str] = (),
        registries: RegistriesConf | None = None,
        reporter: Reporter,
    ) -> None:
        self.http = http
        self.auth = Authenticator(http, credentials)
        self.mirrors = Mirrors(reporter)
        self._plain_http = frozenset(plain_http)
        self._insecure = set(insecure)
        self._registries = registries
        self._reporter = reporter
        self._lock = threading.Lock()
        self._endpoints = Once(self._find)
        self._warnings: set[str] = set()
        for host in self._plain_http | self._insecure:
            http.name_host(host, insecure=host in self._insecure)

    @property
    def registries(self) -> RegistriesConf:
        """Settings of mirrors; read when they are needed first."""
        with self._lock:
            if self._registries is None:
                self._registries = RegistriesConf.load()
            return self._registries

    def endpoint(self, registry: str, *, insecure: bool = False) -> Endpoint:
        """Where a registry's API is; the first time, one or two requests.

        Args:
            registry: Host with optional port.
            insecure: Whether certificates do not matter, and plain HTTP is as good.

        Raises:
            TransportError: It cannot be reached.
        """
        if insecure or self.registries.is_insecure(registry):
            with self._lock:
                self._insecure.add(registry)
        return self._endpoints(registry)

    def _find(self, registry: str) -> Endpoint:
        self.http.name_host(registry, insecure=registry in self._insecure)
        host = _HUB_HOST if registry == DOCKER_HUB else registry
        secure, plain = Endpoint(registry, f"https://{host}"), Endpoint(registry, f"http://{host}")
        if registry in self._insecure:
            return self._find_either(secure, plain)
        if registry in self._plain_http or is_loopback(registry):
            return self._find_either(plain, secure)
        self._ping(secure)
        return secure

    def _find_either(self, first: Endpoint, second: Endpoint) -> Endpoint:
        answered = False
        try:
            answered = True
            if self._answers(first):
                return first
        except TransportError as error:
            answered = False
            if not error.transient and first.url.startswith("http:"):
                raise
        try:
            if self._answers(second):
                return second
        except TransportError:
            if answered:
                raise
        self._ping(first)
        return first

    def _answers(self, endpoint: Endpoint) -> bool:
        # Servers that expect TLS answer plain HTTP with 400, or not at all.
        return self._ping(endpoint, retry=False) != 400 or endpoint.url.startswith("https:")

    def _ping(self, endpoint: Endpoint, *, retry: bool = True) -> int:
        url = f"{endpoint.url}/v2/"
        with self.http.request("GET", url, expected=_ANSWERS, retry=retry) as response:
            if response.status == 401:
                self.auth.learn(endpoint, response.headers.get("WWW-Authenticate"))
            return response.status

    def repository(
        self, reference: Reference, *, access: Access = Access.PULL, mount_from: Reference | None = None
    ) -> Repository:
        """A repository to do something with, perhaps with mounts from another one of the same registry.

        What is only pulled may be elsewhere and have mirrors, as `registries.conf` says.

        Raises:
            InvalidInputError: Pulling it is forbidden.
        """
        if access is Access.PULL:
            sources = self.registries.sources(reference)
            mirrors = tuple(Repository.of(self, mirror, access, insecure) for mirror, insecure in sources.mirrors)
            return replace(Repository.of(self, sources.primary, access, sources.insecure), mirrors=mirrors)
        return Repository.of(self, reference, access, self.registries.is_insecure(reference.name), mount_from)

    def catalog(self, registry: str) -> Repository:
        """A registry whose repositories are to be listed."""
        scopes = ("registry:catalog:*",)
        return Repository(self, Reference(registry, "_catalog", None), scopes, Access.LIST)

    def warn(self, registry: str, header: str | None) -> None:
        """Pass on a registry's `Warning` header, each text once."""
        for text in _WARNING.findall(header or ""):
            line = f"`{registry}` warns: {text}"
            with self._lock:
                is_new = line not in self._warnings
                self._warnings.add(line)
            if is_new:
                self._reporter.warning(line)


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that requests can be sent to, with what they are allowed to do.

    Attributes:
        session: Sends them.
        reference: The image wanted; its registry and repository count, all of it is named in messages.
        scopes: For the token, the needed one first.
        access: What is to be done.
        insecure: Whether certificates do not matter, and plain HTTP is as good.
        mirrors: Asked for manifests and blobs before.
    """

    session: RegistrySession
    reference: Reference
    scopes: tuple[str, ...]
    access: Access
    insecure: bool = False
    mirrors: tuple[Repository, ...] = ()

    @classmethod
    def of(
        cls,
        session: RegistrySession,
        reference: Reference,
        access: Access,
        insecure: bool,
        mount_from: Reference | None = None,
    ) -> Repository:
        """A repository with the scopes that an access needs."""
        scopes = [f"repository:{reference.repository}:{access.actions}"]
        if mount_from is not None:
            scopes.append(f"repository:{mount_from.repository}:pull")
        return cls(session, reference, tuple(scopes), access, insecure)

    @property
    def endpoint(self) -> Endpoint:
        """Where the API is; found when it is needed, since a mirror may be enough.

        Raises:
            TransportError: It cannot be reached.
        """
        return self.session.endpoint(self.reference.registry, insecure=self.insecure)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        expected: Collection[int] = (200,),
        timeout: float = READ_TIMEOUT,
        retry: bool = True,
    ) -> Response:
        """Send a request with authentication; arguments as in `Fetcher.request`.

        Args:
            method: Of HTTP.
            path: Below the repository, such as `manifests/latest`; or an absolute URL that the registry gave.
            headers: Further headers.
            body: What to send.
            expected: Statuses that are no error.
            timeout: In seconds.
            retry: Whether transient errors are tried again here.

        Raises:
            AuthenticationError: Credentials are missing, wrong, or not enough.
            NotFoundError: The registry does not have it.
            TransportError: Anything else that went wrong.
        """
        if is_mirrored(method, path):
            for mirror in self.mirrors:
                if found := mirror._try(method, path, headers, {*expected} - {404}, timeout):
                    return found
        url = join_location(f"{self.endpoint.url}/v2/{self.reference.repository}/", path)
        answers = {*expected, 401, 403, 404, 405}
        auth = self.session.auth
        # Locations of uploads and next pages may be elsewhere, and credentials are for the registry only.
        ours = origin(url) == origin(self.endpoint.url)
        if not ours:
            self.session.http.check_target(self.endpoint.url, url)
        authorization = auth.authorization(self.endpoint, self.scopes) if ours else None

        def send() -> Response:
            extra = {"Authorization": authorization} if authorization else {}
            return self.session.http.request(
                method,
                url,
                headers={**(headers or {}), **extra},
                body=body,
                expected=answers,
                timeout=timeout,
                retry=retry,
            )

        response = send()
        if response.status == 401 and ours:
            rejected = authorization
            with response:
                header = response.headers.get("WWW-Authenticate")
                authorization = auth.renew(self.endpoint, self.scopes, rejected=rejected, header=header)
                if authorization in (None, rejected):
                    raise self._refusal(response, rejected)
            response = send()
        if response.status not in expected:
            with response:
                raise self._refusal(response, authorization)
        self.session.warn(self.endpoint.registry, response.headers.get("Warning"))
        return response

    def _try(
        self, method: str, path: str, headers: Mapping[str, str] | None, expected: Collection[int], timeout: float
    ) -> Response | None:
        """A mirror's answer, or None when it has nothing to give."""
        failed = partial(self.session.mirrors.pass_over, self.reference)
        if self.session.mirrors.is_usable(self.reference):
            try:
                response = self.request(method, path, headers=headers, expected=expected, timeout=timeout, retry=False)
                return MirrorResponse(response, path, failed)
            except (TransportError, VerificationError, FormatError) as error:
                failed(error)
        return None

    def location(self, response: Response) -> str:
        """The absolute URL in an answer's `Location`, which may be relative, and lack the scheme that a proxy adds.

        Raises:
            TransportError: There is none, or it is no URL.
        """
        found = response.headers.get("Location")
        if not found:
            raise TransportError(f"`{self.endpoint.registry}` accepted an upload, but named no location for it")
        url = join_location(response.url, found)
        parts, own = urlsplit(url), urlsplit(self.endpoint.url)
        if parts.hostname == own.hostname and parts.scheme != own.scheme:
            return parts._replace(scheme=own.scheme, netloc=own.netloc).geturl()
        return url

    def _refusal(self, response: Response, authorization: str | None) -> TransportError:
        status, detail = response.status, error_detail(response)
        if authorization:
            # Some servers repeat what they were sent.
            detail = detail.replace(authorization.partition(" ")[2], "…")
        if status == 404:
            return NotFoundError(f"`{self.reference}` not found{f': {detail}' if detail else ''}", status=status)
        if status == 405:
            text = f"`{self.endpoint.registry}` does not let anybody {self.access.verb} `{self.reference}`"
            hint = "it may be read-only for a while, or not keep images itself"
            return TransportError(f"{text}: status 405{f': {detail}' if detail else ''}", hint=hint, status=status)
        why = f": {detail or ('the registry wants credentials' if status == 401 else 'the registry denies it')}"
        action = f"no permission to {self.access.verb} `{self.reference}`"
        hint = login_hint(self.endpoint.registry)
        if self.access is Access.PULL:
            hint += ", and check the name: registries say the same of a repository that does not exist"
        return AuthenticationError(f"{action}{why}", hint=hint, status=status)
