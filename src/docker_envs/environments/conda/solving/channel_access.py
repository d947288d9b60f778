"""How channels are reached: mirrors, credentials, or not at all.

Spec: pixi docs, "Configuration", "Mirror configuration".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from docker_envs.environments.conda.solving.channel_credentials import AuthorizedRequest, ChannelCredentials
from docker_envs.errors import InvalidInputError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

Opened = TypeVar("Opened")

_REPODATA_RETRIES = 3


@dataclass(frozen=True)
class ChannelAccess:
    """Where bytes of channels come from; records and images name the channel itself in any case.

    Attributes:
        offline: Whether only caches and `file://` may be used.
        mirrors: URLs to be tried in order in place of a URL that starts like the key; the key itself only if listed.
    """

    offline: bool = False
    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for url in (*self.mirrors, *(mirror for mirrors in self.mirrors.values() for mirror in mirrors)):
            if urlsplit(url).scheme not in ("http", "https"):
                raise InvalidInputError(
                    f"mirror `{url}`: expected an `http://` or `https://` URL",
                    hint="name a channel of this machine with `--channel`",
                )

    @cached_property
    def credentials(self) -> ChannelCredentials:
        """The user's, read when first needed.

        Raises:
            AuthenticationError: A file with credentials is damaged.
        """
        return ChannelCredentials.load()

    def requests(self, url: str) -> list[AuthorizedRequest]:
        """How to ask for a file of a channel: each is to be tried when those before it failed.

        Raises:
            TransportError: There is no network to be used.
            AuthenticationError: A file with credentials is damaged.
        """
        if self.offline:
            raise TransportError(
                f"`{url}` is not in the cache, and `--offline` forbids the network",
                hint="build once without `--offline`, or use a `file://` channel",
            )
        return [self.credentials.authorize(candidate) for candidate in self._candidates(url)]

    def open(self, url: str, open_url: Callable[[str, Mapping[str, str]], Opened]) -> Opened:
        """Open a file of a channel from the first place that has it.

        Args:
            url: Where the channel says that it is.
            open_url: Opens an http(s) URL with headers.

        Raises:
            TransportError: No place has it; the error is that of the last one.
            AuthenticationError: A file with credentials is damaged.
        """
        *others, last = self.requests(url)
        for request in others:
            try:
                return open_url(request.url, request.headers)
            except TransportError:
                continue
        return open_url(last.url, last.headers)

    def gateway(self, cache: Path) -> Any:
        """Rattler's gateway to repodata.

        Args:
            cache: Directory for repodata.

        Raises:
            AuthenticationError: A file with credentials is damaged.
        """
        import rattler
        from rattler import networking

        if self.offline:
            config = rattler.SourceConfig(cache_action="force-cache-only")
            return rattler.Gateway(cache_dir=cache, default_config=config)
        # Rattler reads the same files, and its errors would be less clear.
        self.credentials  # noqa: B018
        middlewares: list[Any] = [networking.RetryMiddleware(_REPODATA_RETRIES), networking.AuthenticationMiddleware()]
        if self.mirrors:
            mirrors = {url: list(mirrors) for url, mirrors in self.mirrors.items()}
            middlewares.insert(0, networking.MirrorMiddleware(mirrors))
        return rattler.Gateway(cache_dir=cache, client=rattler.Client(middlewares))

    def _candidates(self, url: str) -> list[str]:
        """The longest key that a URL starts with decides."""
        for key in sorted(self.mirrors, key=len, reverse=True):
            start = f"{key.rstrip('/')}/"
            if url.startswith(start):
                return [f"{mirror.rstrip('/')}/{url.removeprefix(start)}" for mirror in self.mirrors[key]] or [url]
        return [url]
