"""HTTP over urllib3, which no other module imports: connections, redirects, proxies, TLS, and errors in our own words.

Spec: RFC 9110, section 15.4 (redirects).
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from docker_envs.errors import FormatError, InvalidInputError, StorageError, TransportError
from docker_envs.transports.fetch import READ_TIMEOUT, Body, RetryRule, status_error
from docker_envs.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Mapping
    from types import TracebackType

    import urllib3

    from docker_envs.streams import ByteSource

_CONNECT_TIMEOUT = 15.0
_MAX_REDIRECTS = 8
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READ_SIZE = 1 << 20
# Reading so much to the end is cheaper than a new connection.
_DRAIN_SIZE = 1 << 16
# The connect timeout also holds for each write, so that small writes make slow networks usable.
_WRITE_SIZE = 1 << 16
# More than any number of workers, so that no connection is thrown away.
_CONNECTIONS_PER_HOST = 32
_USER_AGENT = f"docker-envs/{__version__}"


class HttpResponse:
    """An answer whose body streams; a context manager."""

    def __init__(self, raw: urllib3.BaseHTTPResponse, url: str) -> None:
        self._raw = raw
        self.url = url

    @property
    def status(self) -> int:
        """The status code."""
        return self._raw.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names in any case."""
        return self._raw.headers

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes of the body as sent (all when negative); empty at the end.

        Raises:
            TransportError: The connection broke before the end.
        """
        import urllib3

        try:
            return self._raw.read(size if size >= 0 else None, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise _broken(self.url, error) from error

    def read_limited(self, limit: int, *, source: str) -> bytes:
        """The whole body.

        Raises:
            FormatError: It is longer than `limit` bytes.
            TransportError: The connection broke before the end.
        """
        pieces, count = [], 0
        while chunk := self.read(min(_READ_SIZE, limit + 1 - count)):
            pieces.append(chunk)
            count += len(chunk)
            if count > limit:
                raise FormatError(source, f"longer than {limit:,} bytes")
        return b"".join(pieces)

    def close(self) -> None:
        """Give the connection back; one with much of a body still to come is closed."""
        remaining = self._raw.length_remaining
        if remaining is not None and remaining <= _DRAIN_SIZE:
            self._raw.drain_conn()
        else:
            self._raw.close()
        self._raw.release_conn()

    def __enter__(self) -> HttpResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()


class HttpClient:
    """Sends requests over kept connections; safe for many threads.

    Proxies come from the system (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`), trusted certificates from its store.

    Args:
        rule: How transient errors are tried again.
    """

    def __init__(self, *, rule: RetryRule | None = None) -> None:
        self.rule = rule or RetryRule()
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str | None], urllib3.PoolManager] = {}
        self._reached: set[str] = set()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Body | None = None,
        expected: Container[int] = (200,),
        timeout: float = READ_TIMEOUT,
        retry: bool = True,
    ) -> HttpResponse:
        """Send a request; see `fetch.Fetcher`.

        Raises:
            TransportError: No connection, or a status that is not expected.
            StorageError: The body cannot be read.
        """

        def attempt() -> HttpResponse:
            response = self._follow(method, url, dict(headers or {}), body, timeout)
            if response.status in expected:
                return response
            with response:
                raise status_error(method, response, now=time.time())

        return self.rule.run(attempt) if retry else attempt()

    def open(self, url: str, *, headers: Mapping[str, str] | None = None) -> HttpResponse:
        """GET something that must be there; see `request`."""
        return self.request("GET", url, headers=headers)

    def _follow(
        self, method: str, url: str, headers: dict[str, str], body: bytes | Body | None, timeout: float
    ) -> HttpResponse:
        for _ in range(_MAX_REDIRECTS):
            response = self._send(method, url, headers, body, timeout)
            location = response.headers.get("Location")
            if not location or response.status not in _REDIRECTS:
                return response
            target = urljoin(url, location)
            # What is sent in a body may be secret, so it does not go to another host.
            if method not in ("GET", "HEAD") and (response.status < 307 or origin(target) != origin(url)):
                return response
            response.close()
            check_redirect(url, target)
            if origin(target) != origin(url):
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            url = target
        raise TransportError(f"{method} `{url}`: more than {_MAX_REDIRECTS} redirects")

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | Body | None, timeout: float
    ) -> HttpResponse:
        import urllib3

        sent = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", **headers}
        with contextlib.ExitStack() as stack:
            payload: bytes | Generator[memoryview] | None = body if isinstance(body, bytes) else None
            if isinstance(body, Body):
                sent["Content-Length"] = str(body.size)
                payload = stack.enter_context(contextlib.closing(_pieces(body.opener)))
            try:
                raw = self._pool(url).urlopen(
                    method,
                    url,
                    body=payload,
                    headers=sent,
                    timeout=urllib3.Timeout(connect=_CONNECT_TIMEOUT, read=timeout),
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
            except urllib3.exceptions.HTTPError as error:
                raise self._translate(url, error) from error
        self._reached.add(origin(url))
        return HttpResponse(raw, url)

    def _pool(self, url: str) -> urllib3.PoolManager:
        scheme = urlsplit(url).scheme
        if scheme not in ("http", "https"):
            raise InvalidInputError(f"cannot fetch {url!r}: expected `http://` or `https://`")
        key = (scheme, _proxy(url))
        with self._lock:
            if key not in self._pools:
                self._pools[key] = _make_pool(*key)
            return self._pools[key]

    def _translate(self, url: str, error: urllib3.exceptions.HTTPError) -> TransportError:
        from urllib3 import exceptions

        host = urlsplit(url).netloc.rpartition("@")[2]
        if isinstance(error, exceptions.LocationParseError):
            return TransportError(f"cannot connect to `{host}`: no valid host name")
        if isinstance(error, exceptions.ProxyError):
            return TransportError(
                f"cannot connect to `{host}` through the proxy: {_reason(error)}",
                hint="check `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`",
            )
        if isinstance(error, exceptions.SSLError):
            return _tls_error(host, error)
        if isinstance(error, exceptions.ConnectTimeoutError):
            # A host that answered before is worth another try, a wrong name is not.
            transient = origin(url) in self._reached
            hint = "check the name, the network and the proxy settings"
            return TransportError(f"cannot connect to `{host}`: {_reason(error)}", hint=hint, transient=transient)
        return _broken(url, error)


def origin(url: str) -> str:
    """What decides whether two URLs are of one server: scheme, host and port."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def check_redirect(url: str, target: str) -> None:
    """Refuse a redirect that leaves TLS, or that leads from elsewhere to this machine or its link-local network.

    Addresses that names resolve to are not looked at, nor private ones refused: registries inside of a company do
    redirect to stores beside them.

    Raises:
        TransportError: It must not be followed.
    """
    source, aim = urlsplit(url), urlsplit(target)
    if aim.scheme not in ("http", "https") or (source.scheme == "https" and aim.scheme != "https"):
        raise TransportError(
            f"`{url}`: refused the redirect to `{aim.scheme}://{aim.hostname}`, which is not encrypted"
        )
    if source.hostname != aim.hostname and _is_local(aim.hostname) and not _is_local(source.hostname):
        raise TransportError(f"`{url}`: refused the redirect to the local address `{aim.hostname}`")


def _is_local(host: str | None) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _pieces(opener: Callable[[], ByteSource]) -> Generator[memoryview]:
    # An `OSError` of the body must not look like one of the connection.
    try:
        with opener() as stream:
            while chunk := stream.read(_READ_SIZE):
                view = memoryview(chunk)
                for start in range(0, len(view), _WRITE_SIZE):
                    yield view[start : start + _WRITE_SIZE]
    except OSError as error:
        raise StorageError(f"cannot read what is to be sent: {error}") from error


def _proxy(url: str) -> str | None:
    import urllib.request

    parts = urlsplit(url)
    if _is_local(parts.hostname) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme) or urllib.request.getproxies().get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _make_pool(scheme: str, proxy: str | None) -> urllib3.PoolManager:
    import urllib3

    context = ssl.create_default_context() if scheme == "https" else None
    if proxy is None:
        return urllib3.PoolManager(maxsize=_CONNECTIONS_PER_HOST, ssl_context=context)
    parts = urlsplit(proxy)
    if parts.scheme not in ("http", "https"):
        raise TransportError(f"cannot use the proxy `{proxy}`: expected `http://` or `https://`")
    headers = None
    if parts.username:
        headers = urllib3.make_headers(
            proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}",
        )
    return urllib3.ProxyManager(proxy, maxsize=_CONNECTIONS_PER_HOST, ssl_context=context, proxy_headers=headers)


def _tls_error(host: str, error: Exception) -> TransportError:
    reason = _reason(error)
    hint = "install the certificate of its authority, or name it in `SSL_CERT_FILE`"
    if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error):
        hint = "it seems to speak plain HTTP; allow that for this host if you trust the network in between"
    return TransportError(f"no secure connection to `{host}`: {reason}", hint=hint)


def _broken(url: str, error: Exception) -> TransportError:
    host = urlsplit(url).netloc.rpartition("@")[2]
    return TransportError(f"the connection to `{host}` broke: {_reason(error)}", transient=True)


def _reason(error: BaseException) -> str:
    """The innermost cause, in the system's words."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    if isinstance(error, TimeoutError):
        return "timed out"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
