"""HTTP over urllib3, which no other module imports: connections, redirects, and errors in our own words.

Spec: RFC 9110, section 15.4 (redirects).
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

from docker_envs.errors import FormatError, InvalidInputError, StorageError, TransportError
from docker_envs.transports.fetch import READ_TIMEOUT, Body, RetryRule, one_line, status_error
from docker_envs.transports.proxies import proxy_for
from docker_envs.transports.redirects import Targets, join_location
from docker_envs.transports.tls import TlsContexts, is_break, tls_error
from docker_envs.version import __version__

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Container, Generator, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import urllib3

    from docker_envs.streams import ByteSource
    from docker_envs.transports.tls import TlsSettings

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
        except (urllib3.exceptions.HTTPError, ValueError, OverflowError) as error:
            # Not all odd lengths of chunks are errors of urllib3's own.
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


class _PoolKey(NamedTuple):
    proxy: str | None
    tls: TlsSettings | None


class HttpClient:
    """Sends requests over kept connections; safe for many threads.

    Proxies come from the environment (see `proxies`), trusted certificates from the system's store and `certs.d` (see
    `tls`).

    Args:
        rule: How transient errors are tried again.
        ca_files: PEM files of authorities that are trusted for all hosts, beside the system's.
        insecure: Hosts (`host:port`, or `host` with the usual port) whose certificates are not checked; this does not
            hold for hosts that they redirect to.
        certs_dirs: Folders with a folder of certificates for each host; those of podman and Docker by default.
    """

    def __init__(
        self,
        *,
        rule: RetryRule | None = None,
        ca_files: Iterable[Path] = (),
        insecure: Collection[str] = (),
        certs_dirs: Sequence[Path] | None = None,
    ) -> None:
        self.rule = rule or RetryRule()
        self._tls = TlsContexts(ca_files=ca_files, certs_dirs=certs_dirs)
        self._targets = Targets(proxied=lambda url: proxy_for(url) is not None)
        self._lock = threading.Lock()
        self._pools: dict[_PoolKey, urllib3.PoolManager] = {}
        self._reached: set[str] = set()
        for host in insecure:
            self.name_host(host, insecure=True)

    def name_host(self, host: str, *, insecure: bool = False) -> None:
        """Learn that the user named a host; see `fetch.Fetcher`."""
        self._targets.name(host)
        if insecure:
            self._tls.skip_check(host)

    def check_target(self, source: str, target: str) -> None:
        """Refuse to be sent from one URL to another; see `fetch.Fetcher`.

        Raises:
            TransportError: We must not go there.
        """
        self._targets.check(source, target)

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
            target = join_location(url, location)
            # What is sent in a body may be secret, so it does not go to another host.
            if method not in ("GET", "HEAD") and (response.status < 307 or origin(target) != origin(url)):
                return response
            response.close()
            self._targets.check(url, target)
            if origin(target) != origin(url):
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            url = target
        raise TransportError(f"{method} `{url}`: more than {_MAX_REDIRECTS} redirects")

    def _send(
        self, method: str, url: str, headers: dict[str, str], body: bytes | Body | None, timeout: float
    ) -> HttpResponse:
        import urllib3

        sent = {"User-Agent": _USER_AGENT, "Accept-Encoding": "identity", **headers}
        silence = min(timeout, self.rule.silence)
        with contextlib.ExitStack() as stack:
            payload: bytes | Generator[memoryview] | None = body if isinstance(body, bytes) else None
            if isinstance(body, Body):
                if body.size is not None:
                    sent["Content-Length"] = str(body.size)
                payload = stack.enter_context(contextlib.closing(_pieces(body.opener)))
            try:
                raw = self._pool(url).urlopen(
                    method,
                    url,
                    body=payload,
                    headers=sent,
                    timeout=urllib3.Timeout(connect=min(_CONNECT_TIMEOUT, silence), read=silence),
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
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https"):
            raise InvalidInputError(f"cannot fetch {url!r}: expected `http://` or `https://`")
        settings = self._tls.settings(host_of(url)) if parts.scheme == "https" else None
        key = _PoolKey(proxy_for(url), settings)
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._make_pool(key)
            return self._pools[key]

    def _make_pool(self, key: _PoolKey) -> urllib3.PoolManager:
        import urllib3

        context = None
        if key.tls is not None:
            context = self._tls.context(key.tls)
            if not key.tls.verify:
                # The user asked for it; a warning for each connection tells nothing new.
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if key.proxy is None:
            return urllib3.PoolManager(maxsize=_CONNECTIONS_PER_HOST, ssl_context=context)
        parts = urlsplit(key.proxy)
        if parts.scheme in ("socks5", "socks5h"):
            return _make_socks_pool(key.proxy, context)
        if parts.scheme not in ("http", "https"):
            raise TransportError(f"cannot use the proxy `{key.proxy}`: expected `http://`, `https://` or `socks5://`")
        headers = None
        if parts.username:
            headers = urllib3.make_headers(
                proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}",
            )
        return urllib3.ProxyManager(
            key.proxy,
            maxsize=_CONNECTIONS_PER_HOST,
            ssl_context=context,
            proxy_headers=headers,
            proxy_ssl_context=self._tls.context(self._tls.settings(host_of(key.proxy))),
        )

    def _translate(self, url: str, error: urllib3.exceptions.HTTPError) -> TransportError:
        from urllib3 import exceptions

        host = host_of(url)
        if isinstance(error, exceptions.LocationParseError):
            return TransportError(f"cannot connect to `{host}`: no valid host name")
        # A host that answered before is worth another try, a wrong name is not.
        transient = origin(url) in self._reached
        if isinstance(error, exceptions.ProxyError):
            return TransportError(
                f"cannot connect to `{host}` through the proxy: {_reason(error)}",
                hint="check `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`",
                transient=transient,
            )
        if isinstance(error, exceptions.SSLError) and not (transient and is_break(_innermost(error))):
            return tls_error(host, _innermost(error))
        if isinstance(error, exceptions.ConnectTimeoutError):
            hint = "check the name, the network and the proxy settings"
            return TransportError(f"cannot connect to `{host}`: {_reason(error)}", hint=hint, transient=transient)
        return _broken(url, error)


def origin(url: str) -> str:
    """What decides whether two URLs are of one server: scheme, host and port."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def host_of(url: str) -> str:
    """Host and port as the URL has them, in lower case."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


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


def _make_socks_pool(proxy: str, context: ssl.SSLContext | None) -> urllib3.PoolManager:
    # urllib3 would raise and warn.
    if importlib.util.find_spec("socks") is None:
        raise TransportError(
            f"cannot use the proxy `{proxy}`: support for SOCKS is not installed",
            hint="install it with `pip install 'urllib3[socks]'`",
        )
    from urllib3.contrib.socks import SOCKSProxyManager

    return SOCKSProxyManager(proxy, maxsize=_CONNECTIONS_PER_HOST, ssl_context=context)


def _broken(url: str, error: Exception) -> TransportError:
    return TransportError(f"the connection to `{host_of(url)}` broke: {_reason(error)}", transient=True)


def _reason(error: BaseException) -> str:
    """The innermost cause, in the system's words."""
    error = _innermost(error)
    if isinstance(error, TimeoutError):
        return "timed out"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return one_line(text[:1].lower() + text[1:])


def _innermost(error: BaseException) -> BaseException:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error
