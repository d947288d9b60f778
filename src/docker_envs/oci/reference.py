"""Names of images: `[registry/]repository[:tag][@digest]`.

Spec: OCI distribution-spec 1.1, "Pulling manifests" (grammar of `<name>` and `<reference>`); the rules for what Docker
Hub leaves out follow github.com/distribution/reference, `normalize.go`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace

from docker_envs.digest import Digest
from docker_envs.errors import InvalidInputError, InvalidReferenceError

DOCKER_HUB = "docker.io"
DEFAULT_TAG = "latest"

_HUB_ALIASES = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_REPOSITORY = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\Z")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_HOST = re.compile(rf"(\[[0-9a-fA-F:.]+\]|{_LABEL}(\.{_LABEL})*)(:[0-9]{{1,5}})?\Z")
_MAX_REPOSITORY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Reference:
    """An image in a registry; `str()` is the full, canonical form.

    Attributes:
        registry: Host with optional port; `docker.io` for Docker Hub.
        repository: Path in the registry, `library/` included.
        tag: Tag, or None when only a digest was given.
        digest: Digest of the manifest or index, which wins over the tag.
    """

    registry: str
    repository: str
    tag: str | None = DEFAULT_TAG
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse what people write, with Docker Hub's defaults.

        Raises:
            InvalidReferenceError: The text is no reference.
        """
        name, at, digest_text = text.partition("@")
        digest = None
        if at:
            try:
                digest = Digest(digest_text)
            except InvalidInputError as error:
                raise InvalidReferenceError(text, str(error)) from error
        name, tag = _split_tag(name)
        registry, repository = _split_registry(name)
        if tag is None and digest is None:
            tag = DEFAULT_TAG
        _check(text, registry, repository, tag)
        return cls(registry, repository, tag, digest)

    @property
    def identifier(self) -> str:
        """What names the manifest in the registry's API: the digest if there is one, else the tag."""
        return self.digest or self.tag or DEFAULT_TAG

    @property
    def name(self) -> str:
        """Registry and repository, without tag and digest."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """As Docker shows it: without `docker.io/` and `library/`."""
        if self.registry != DOCKER_HUB:
            return self.name
        head, _, rest = self.repository.partition("/")
        if _is_host(head):
            return self.name  # else it would be read as a registry
        return rest if head == "library" and "/" not in rest else self.repository

    @property
    def familiar(self) -> str:
        """`familiar_name` with tag, as in `docker images`."""
        return f"{self.familiar_name}:{self.tag}" if self.tag else f"{self.familiar_name}@{self.digest}"

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository at a digest; the tag is kept for people."""
        return replace(self, digest=digest)

    def with_tag(self, tag: str) -> Reference:
        """The same repository at a tag.

        Raises:
            InvalidReferenceError: `tag` breaks the grammar.
        """
        _check(f"{self.name}:{tag}", self.registry, self.repository, tag)
        return replace(self, tag=tag, digest=None)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"


def is_loopback(registry: str) -> bool:
    """Whether a registry's host is this machine (where plain HTTP is the custom)."""
    host = registry.rsplit(":", 1)[0] if not registry.endswith("]") else registry
    host = host.strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split_tag(name: str) -> tuple[str, str | None]:
    head, colon, tail = name.rpartition(":")
    return (head, tail) if colon and "/" not in tail else (name, None)


def _split_registry(name: str) -> tuple[str, str]:
    host, slash, rest = name.partition("/")
    if not slash or not _is_host(host):
        host, rest = DOCKER_HUB, name
    if host in _HUB_ALIASES:
        host = DOCKER_HUB
    if host == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return host, rest


def _is_host(component: str) -> bool:
    return "." in component or ":" in component or component == "localhost" or component != component.lower()


def _check(text: str, registry: str, repository: str, tag: str | None) -> None:
    if not _HOST.match(registry):
        raise InvalidReferenceError(text, f"{registry!r} is no host name")
    if not _REPOSITORY.match(repository):
        if repository.lower() != repository and _REPOSITORY.match(repository.lower()):
            raise InvalidReferenceError(text, "repository names are lower case")
        raise InvalidReferenceError(text, f"{repository!r} is no repository name")
    if len(registry) + len(repository) + 1 > _MAX_REPOSITORY_LENGTH:
        raise InvalidReferenceError(text, f"longer than {_MAX_REPOSITORY_LENGTH} characters")
    if tag is not None and not _TAG.match(tag):
        raise InvalidReferenceError(text, f"{tag!r} is no tag")
