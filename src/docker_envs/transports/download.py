"""Downloads from web servers: credentials in the address are sent, and a broken download goes on where it was.

Spec: RFC 3986, section 3.2.1 (user information); RFC 9110, section 14.2 (Range).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.resuming import ResumingReader, range_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.streams import ByteSource
    from docker_envs.transports.fetch import Response
    from docker_envs.transports.http import HttpClient


def open_download(http: HttpClient, url: str, *, headers: Mapping[str, str] | None = None) -> ByteSource:
    """A stream of what is at an http(s) address, not verified; the caller closes it.

    Raises:
        TransportError: It cannot be opened; while reading, the connection broke too often.
    """
    address, own = _split_credentials(url)

    def open_at(offset: int) -> Response:
        sent = {**own, **(headers or {}), **range_from(offset)}
        return http.request("GET", address, headers=sent, expected=(200, 206), retry=False)

    return ResumingReader(open_at, http.rule)


def _split_credentials(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    name, _, password = user.partition(":")
    address = urlunsplit((parts.scheme, host, parts.path, parts.query, ""))
    return address, {"Authorization": Credentials(unquote(name), unquote(password)).basic}
