"""Where a server may send us: with a redirect, the address of an upload, or that of a token server.

Whoever answers on the internet must not make us speak to machines that only we can reach: this one, and those of our
network. What the user named may be anywhere.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from enum import IntEnum
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from docker_envs.errors import InvalidInputError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

# RFC 6052, section 2.1: IPv4 addresses as networks without IPv4 see them.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Reach(IntEnum):
    """From how near an address can be reached; a server may send us only to one that is as far as its own."""

    PUBLIC = 0
    PRIVATE = 1
    LOCAL = 2


class Targets:
    """Checks where servers send us, and remembers what the user named; safe for many threads.

    Names are resolved, each once. The connection resolves them again, so that a name server which changes its answer
    in between (DNS rebinding) is not stopped by this.

    Args:
        proxied: Whether a URL is fetched through a proxy. The name is then the proxy's to resolve, and is not here.
        resolve: Gives the addresses of a host; none for one that is unknown.
    """

    def __init__(
        self, *, proxied: Callable[[str], bool] = lambda _: False, resolve: Callable[[str], list[str]] | None = None
    ) -> None:
        self._proxied = proxied
        self._resolve = resolve or _addresses
        self._lock = threading.Lock()
        self._named: set[str] = set()
        self._resolved: dict[str, set[Reach]] = {}

    def name(self, host: str) -> None:
        """Let servers send us to a host (`host` or `host:port`), since the user named it.

        Raises:
            InvalidInputError: It is none.
        """
        try:
            name, _ = urlsplit(f"//{host}").hostname, urlsplit(f"//{host}").port
        except ValueError:
            name = None
        if not name or any(char in host for char in "/@?#"):
            raise InvalidInputError(f"expected `host` or `host:port`, got {host!r}")
        with self._lock:
            self._named.add(name)

    def check(self, source: str, target: str) -> None:
        """Refuse what leaves TLS, or leads from farther away to this machine or to a private network.

        Args:
            source: URL of who sends us.
            target: URL of where to.

        Raises:
            TransportError: We must not go there.

        Cost: a name that was not met before is resolved.
        """
        join_location(source, target)  # refuses what is no URL
        from_parts, to_parts = urlsplit(source), urlsplit(target)
        # Not all of it: query strings hold signatures, and nobody can do much with the path.
        place = f"`{to_parts.scheme}://{to_parts.hostname}`"
        refusal = f"`{source}`: refused to go to {place}, where it sends us"
        if to_parts.scheme not in ("http", "https") or not to_parts.hostname:
            raise TransportError(f"{refusal}: expected `https://` and a host")
        if from_parts.scheme == "https" and to_parts.scheme != "https":
            raise TransportError(f"{refusal}: it is not encrypted")
        if to_parts.hostname == from_parts.hostname or to_parts.hostname in self._named:
            return
        # With addresses near and far, a target counts as near and who sends us as far.
        reach = max(self._reaches(to_parts.hostname, target))
        if reach > Reach.PUBLIC and reach > min(self._reaches(from_parts.hostname or "", source)):
            what = "this machine or its link" if reach is Reach.LOCAL else "a private network"
            raise TransportError(
                f"{refusal}: it is on {what}", hint="only a server that is there itself may send us there"
            )

    def _reaches(self, host: str, url: str) -> set[Reach]:
        """Those of a host's addresses; a name that does not resolve is the connection's to fail with."""
        if (literal := reach_of_literal(host)) is not None:
            return {literal}
        if self._proxied(url):
            return {Reach.PUBLIC}
        with self._lock:
            known = self._resolved.get(host)
        if known is None:
            known = {_reach_of(address) for address in self._resolve(host)} or {Reach.PUBLIC}
            with self._lock:
                self._resolved[host] = known
        return known


def join_location(source: str, location: str) -> str:
    """The absolute URL that a `Location` means, which may be relative.

    Raises:
        TransportError: It is no URL.
    """
    try:
        target = urljoin(source, location)
        # Raises for what is no port.
        urlsplit(target).port  # noqa: B018
    except ValueError as error:
        raise TransportError(f"`{source}` sends us to {location!r}, which is no URL: {error}") from error
    return target


def is_this_machine(host: str | None) -> bool:
    """Whether a host is written as this machine or its link; names are not resolved."""
    return not host or reach_of_literal(host) is Reach.LOCAL


def reach_of_literal(host: str) -> Reach | None:
    """The reach of an address in any notation that connections understand, or of `localhost`; None for other names."""
    host = host.partition("%")[0].rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return Reach.LOCAL
    return next(map(_reach_of, _addresses(host, socket.AI_NUMERICHOST)), None)


def _addresses(host: str, flags: int = 0) -> list[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    except (OSError, UnicodeError):
        return []
    return [str(address[0]) for *_, address in found]


def _reach_of(text: str) -> Reach:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            address = address.ipv4_mapped or address
    if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
        return Reach.LOCAL
    return Reach.PUBLIC if address.is_global else Reach.PRIVATE
