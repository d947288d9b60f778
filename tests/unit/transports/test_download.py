"""Downloads send the address's credentials, and go on where a connection broke."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import AuthenticationError, TransportError
from docker_envs.transports.download import open_download
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.http import HttpClient
from tests.simulators.http_server import Answer, HttpSimulator, Request

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = bytes(range(256)) * 4096


def answer(request: Request) -> Answer:
    if request.path.startswith("/private") and request.authorization != basic("me:p@ss:word"):
        return Answer(401)
    start = int(request.headers.get("range", "bytes=0-")[6:-1])
    return Answer(206 if start else 200, CONTENT[start:])


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.fixture
def server() -> Iterator[HttpSimulator]:
    simulator = HttpSimulator(answer)
    with simulator.running():
        yield simulator


@pytest.fixture
def http() -> HttpClient:
    return HttpClient(rule=RetryRule(attempts=3, sleep=lambda _: None))


def download(http: HttpClient, url: str) -> bytes:
    with open_download(http, url) as stream:
        return stream.read()


def test_an_address_without_credentials(http: HttpClient, server: HttpSimulator) -> None:
    assert download(http, f"{server.url}/a?b=c") == CONTENT
    assert [request.target for request in server.log] == ["/a?b=c"]
    assert server.log[0].authorization is None


@pytest.mark.parametrize("userinfo", ["me:p%40ss:word", "me:p@ss:word"])
def test_credentials_of_the_address_are_sent(http: HttpClient, server: HttpSimulator, userinfo: str) -> None:
    assert download(http, f"http://{userinfo}@{server.address}/private#fragment") == CONTENT
    assert [request.target for request in server.log] == ["/private"]


def test_wrong_credentials_are_not_shown(http: HttpClient, server: HttpSimulator) -> None:
    with pytest.raises(AuthenticationError) as caught:
        download(http, f"http://me:hunter2@{server.address}/private")
    assert "hunter2" not in str(caught.value)


def test_a_broken_download_goes_on_where_it_was(http: HttpClient, server: HttpSimulator) -> None:
    server.faults = [("GET", Answer(body=CONTENT, sent=600_000))]
    assert download(http, f"{server.url}/a") == CONTENT
    first, second = server.log
    assert "range" not in first.headers
    assert 0 < int(second.headers["range"][6:-1]) <= 600_000


def test_a_server_that_starts_anew(http: HttpClient, server: HttpSimulator) -> None:
    server.faults = [("GET", Answer(body=CONTENT, sent=600_000)), ("GET", Answer(200, CONTENT))]
    assert download(http, f"{server.url}/a") == CONTENT


def test_a_connection_that_breaks_too_often(http: HttpClient, server: HttpSimulator) -> None:
    server.faults = [("GET", Answer(body=b"", announced=100, sent=0))] * 10
    with pytest.raises(TransportError, match="broke"):
        download(http, f"{server.url}/a")
    assert len(server.log) == 3
