from __future__ import annotations

import io
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import DigestMismatchError, FormatError, InvalidInputError, StorageError, TransportError
from docker_envs.transports.fetch import Body, RetryRule
from docker_envs.transports.http import HttpClient, _PoolKey, origin
from tests.simulators.http_server import Answer, HttpSimulator, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENT = RetryRule(sleep=lambda _: None)


@pytest.fixture
def server() -> Iterator[HttpSimulator]:
    with HttpSimulator(lambda request: Answer(200, request.body or b"hello")).running() as simulator:
        yield simulator


@pytest.fixture
def other() -> Iterator[HttpSimulator]:
    with HttpSimulator(lambda _: Answer(200, b"from the other")).running() as simulator:
        yield simulator


@pytest.fixture
def client() -> HttpClient:
    return HttpClient(rule=PATIENT)


def read(client: HttpClient, url: str, **headers: str) -> bytes:
    with client.open(url, headers=headers) as response:
        return response.read()


def test_get(server: HttpSimulator, client: HttpClient) -> None:
    with client.open(f"{server.url}/a?b=c") as response:
        assert response.status == 200
        assert response.headers["CONTENT-length"] == "5"
        assert [response.read(3), response.read(3), response.read(3)] == [b"hel", b"lo", b""]
    assert server.log[0].target == "/a?b=c"
    assert server.log[0].headers["accept-encoding"] == "identity"
    assert server.log[0].headers["user-agent"].startswith("docker-envs/")


def test_contents_are_never_decoded(server: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("GET", Answer(200, b"\x1f\x8bno gzip", {"Content-Encoding": "gzip"}))]
    assert read(client, server.url) == b"\x1f\x8bno gzip"


def test_connections_are_kept(client: HttpClient) -> None:
    ports = set()
    with HttpSimulator(lambda _: Answer(200, b"x" * 1000)).running() as server:
        for _ in range(3):
            with client.open(server.url) as response:
                # Not read to its end on purpose.
                response.read(10)
            connections = client._pools[_PoolKey(None, None)].connection_from_url(server.url).num_connections
            ports.add(connections)
    assert ports == {1}


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_transient_statuses_are_tried_again(server: HttpSimulator, client: HttpClient, status: int) -> None:
    server.faults = [("GET", Answer(status)), ("GET", Answer(status))]
    assert read(client, server.url) == b"hello"
    assert len(server.log) == 3


def test_retry_after_is_waited_for(server: HttpSimulator) -> None:
    waits: list[float] = []
    client = HttpClient(rule=RetryRule(sleep=waits.append, jitter=lambda: 0.0))
    server.faults = [("GET", Answer(429, headers={"Retry-After": "7"}))]
    read(client, server.url)
    assert waits == [7]


def test_broken_connections_are_tried_again(server: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("GET", Answer(silent=True)), ("GET", Answer(silent=True))]
    assert read(client, server.url) == b"hello"


def test_retries_can_be_left_to_the_caller(server: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("GET", Answer(503))]
    with pytest.raises(TransportError, match="status 503") as caught:
        client.request("GET", server.url, retry=False)
    assert caught.value.transient
    assert len(server.log) == 1


def test_other_statuses_are_errors_with_the_servers_words(server: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("GET", refusal(400, "NAME_INVALID", "bad name"))]
    with pytest.raises(TransportError) as caught:
        read(client, f"{server.url}/x?token=secret")
    assert str(caught.value) == f"GET `{server.url}/x?…`: status 400: NAME_INVALID: bad name"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(200, b"0123456789", sent=4), id="connection closed early"),
        pytest.param(Answer(200, b"0123456789", announced=20), id="length too large"),
    ],
)
def test_truncated_bodies_are_errors(server: HttpSimulator, client: HttpClient, answer: Answer) -> None:
    server.faults = [("GET", answer)]
    with (
        client.open(server.url) as response,
        pytest.raises(TransportError, match=r"connection to `.+` broke") as caught,
    ):
        response.read_limited(100, source="it")
    assert caught.value.transient


def test_length_too_small_ends_early(server: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("GET", Answer(200, b"0123456789", announced=5))]
    assert read(client, server.url) == b"01234"


@pytest.mark.parametrize(("limit", "fits"), [(5, True), (4, False)])
def test_bodies_are_bounded(server: HttpSimulator, client: HttpClient, limit: int, *, fits: bool) -> None:
    with client.open(server.url) as response:
        if fits:
            assert response.read_limited(limit, source="it") == b"hello"
        else:
            with pytest.raises(FormatError, match="it: longer than 4 bytes"):
                response.read_limited(limit, source="it")


def body_of(content: bytes) -> tuple[Body, list[io.BytesIO]]:
    opened: list[io.BytesIO] = []

    def opener() -> io.BytesIO:
        opened.append(io.BytesIO(content))
        return opened[-1]

    return Body(opener, len(content)), opened


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_bodies_are_streamed_with_their_length(server: HttpSimulator, client: HttpClient, size: int) -> None:
    body, opened = body_of(b"x" * size)
    client.request("PUT", server.url, body=body).close()
    assert server.log[0].body == b"x" * size
    assert server.log[0].headers["content-length"] == str(size)
    assert "transfer-encoding" not in server.log[0].headers
    assert all(stream.closed for stream in opened)


@pytest.mark.parametrize("fault", [Answer(500), Answer(silent=True)], ids=["status", "broken"])
def test_streamed_bodies_are_sent_again(server: HttpSimulator, client: HttpClient, fault: Answer) -> None:
    server.faults = [("PUT", fault)]
    body, opened = body_of(b"x" * 2_000_000)
    client.request("PUT", server.url, body=body).close()
    assert server.log[-1].body == b"x" * 2_000_000
    assert len(opened) == 2
    assert all(stream.closed for stream in opened)


class Broken(io.BytesIO):
    def __init__(self, error: Exception) -> None:
        super().__init__(b"x" * 10)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        raise self._error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("disk on fire"), StorageError),
        (DigestMismatchError("it", expected="a", actual="b"), DigestMismatchError),
    ],
)
def test_errors_of_a_body_are_final_and_clear(
    server: HttpSimulator, client: HttpClient, error: Exception, expected: type[Exception]
) -> None:
    with pytest.raises(expected):
        client.request("PUT", server.url, body=Body(lambda: Broken(error), 10))
    assert len([request for request in server.log if len(request.body) == 10]) == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_to_another_host_lose_authorization(
    server: HttpSimulator, other: HttpSimulator, client: HttpClient, status: int
) -> None:
    server.faults = [("GET", Answer(status, headers={"Location": f"{other.url}/there?signature=1"}))]
    with client.open(server.url, headers={"authorization": "Basic eA==", "Accept": "x/y"}) as response:
        assert response.url == f"{other.url}/there?signature=1"
        assert response.read() == b"from the other"
    assert server.log[0].authorization == "Basic eA=="
    assert other.log[0].authorization is None
    assert other.log[0].headers["accept"] == "x/y"


def test_authorization_does_not_come_back(server: HttpSimulator, other: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("GET", Answer(302, headers={"Location": f"{other.url}/there"}))]
    other.faults = [("GET", Answer(302, headers={"Location": f"{server.url}/back"}))]
    assert read(client, server.url, Authorization="Basic eA==") == b"hello"
    assert server.log[1].authorization is None


def test_redirects_on_the_same_host_keep_authorization(server: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("GET", Answer(302, headers={"Location": "../relative"}))]
    read(client, f"{server.url}/a/b", Authorization="Basic eA==")
    assert server.log[1].path == "/relative"
    assert server.log[1].authorization == "Basic eA=="


def test_redirects_end(client: HttpClient) -> None:
    with (
        HttpSimulator(lambda _: Answer(302, headers={"Location": "/again"})).running() as server,
        pytest.raises(TransportError, match="more than 8 redirects"),
    ):
        read(client, server.url)


def test_bodies_are_not_sent_to_another_host(server: HttpSimulator, other: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("POST", Answer(307, headers={"Location": other.url}))]
    with pytest.raises(TransportError, match="status 307"):
        client.request("POST", server.url, body=b"secret")
    assert other.log == []


def test_bodies_follow_on_the_same_host(server: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("POST", Answer(307, headers={"Location": "/there"}))]
    client.request("POST", server.url, body=b"form").close()
    assert [(request.path, request.body) for request in server.log] == [("/", b"form"), ("/there", b"form")]


def test_origins_know_default_ports() -> None:
    assert origin("https://A.example/x") == origin("https://a.example:443/y")
    assert origin("https://a.example") != origin("http://a.example")
    assert origin("http://a.example:81") != origin("http://a.example")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_hosts_that_never_answered_fail_at_once() -> None:
    waits: list[float] = []
    port = free_port()
    with pytest.raises(TransportError) as caught:
        read(HttpClient(rule=RetryRule(sleep=waits.append)), f"http://127.0.0.1:{port}/x")
    assert str(caught.value) == f"cannot connect to `127.0.0.1:{port}`: connection refused"
    assert caught.value.hint == "check the name, the network and the proxy settings"
    assert waits == []


def test_hosts_that_answered_before_are_tried_again() -> None:
    waits: list[float] = []
    client = HttpClient(rule=RetryRule(sleep=waits.append, attempts=3))
    with HttpSimulator(lambda _: Answer(200, headers={"Connection": "close"})).running() as server:
        read(client, server.url)
    with pytest.raises(TransportError, match="refused"):
        read(client, server.url)
    assert len(waits) == 2


@pytest.mark.parametrize("url", ["ftp://host/x", "/etc/passwd", "file:///etc/passwd"])
def test_other_schemes_are_refused(client: HttpClient, url: str) -> None:
    with pytest.raises(InvalidInputError, match="expected `http://` or `https://`"):
        client.open(url)


def test_user_information_is_never_shown(client: HttpClient) -> None:
    with pytest.raises(TransportError) as caught:
        client.open(f"http://user:secret@127.0.0.1:{free_port()}/x")
    assert "secret" not in str(caught.value)


@pytest.fixture
def proxy(server: HttpSimulator, monkeypatch: pytest.MonkeyPatch) -> HttpSimulator:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://me:p%40ss@{server.address}")
    return server


def test_proxies_of_the_system_are_used(proxy: HttpSimulator, client: HttpClient) -> None:
    assert read(client, "http://registry.invalid/v2/") == b"hello"
    assert proxy.log[0].target == "http://registry.invalid/v2/"
    assert proxy.log[0].headers["proxy-authorization"] == "Basic bWU6cEBzcw=="


def test_no_proxy_is_honoured(proxy: HttpSimulator, client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", ".invalid")
    with pytest.raises(TransportError, match=r"cannot connect to `registry.invalid`"):
        read(client, "http://registry.invalid/v2/")
    assert proxy.log == []


def test_this_machine_needs_no_proxy(proxy: HttpSimulator, other: HttpSimulator, client: HttpClient) -> None:
    assert read(client, other.url) == b"from the other"
    assert proxy.log == []


def test_missing_proxies_are_named_as_the_reason(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(TransportError, match=r"`registry.invalid` through the proxy: connection refused"):
        read(client, "http://registry.invalid/v2/")


def test_proxies_that_break_are_tried_again(proxy: HttpSimulator, client: HttpClient) -> None:
    read(client, "http://registry.invalid/v2/")
    proxy.faults = [("GET", Answer(silent=True))] * 2
    assert read(client, "http://registry.invalid/v2/") == b"hello"


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
def test_socks_needs_a_package(client: HttpClient, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    monkeypatch.setenv("http_proxy", f"{scheme}://me:hush@127.0.0.1:1080")
    monkeypatch.setitem(sys.modules, "socks", None)
    with pytest.raises(TransportError) as caught:
        read(client, "http://registry.invalid/v2/")
    assert str(caught.value) == f"cannot use the proxy `{scheme}://127.0.0.1:1080`: support for SOCKS is not installed"
    assert caught.value.hint == "install it with `pip install 'urllib3[socks]'`"


def test_other_kinds_of_proxies(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "ftp://me:hush@127.0.0.1:21")
    with pytest.raises(TransportError, match=r"`ftp://127.0.0.1:21`: expected `http://`, `https://` or `socks5://`"):
        read(client, "http://registry.invalid/v2/")


def test_redirects_to_private_hosts_are_refused(proxy: HttpSimulator, client: HttpClient) -> None:
    proxy.faults = [("GET", Answer(302, headers={"Location": "http://10.0.0.1/secret"}))]
    with pytest.raises(TransportError, match=r"refused to go to `http://10.0.0.1`"):
        read(client, "http://registry.invalid/v2/")
    client.name_host("10.0.0.1")
    proxy.faults = [("GET", Answer(302, headers={"Location": "http://10.0.0.1/secret"}))]
    assert read(client, "http://registry.invalid/v2/") == b"hello"
    assert [request.target for request in proxy.log][1:] == ["http://registry.invalid/v2/", "http://10.0.0.1/secret"]


def test_redirects_that_are_no_urls(server: HttpSimulator, client: HttpClient) -> None:
    server.faults = [("GET", Answer(302, headers={"Location": "http://[::1"}))]
    with pytest.raises(TransportError, match="which is no URL"):
        read(client, server.url)


def test_slow_servers_time_out(client: HttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(TransportError, match="broke: timed out") as caught:
            client.request("GET", url, timeout=0.05, retry=False)
    assert caught.value.transient
