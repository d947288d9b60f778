from __future__ import annotations

import email.utils
import logging
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import AuthenticationError, DockerEnvsError, TransportError
from docker_envs.fields import Fields
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.authentication.token_server import TokenAnswer, TokenServer, _lifetime
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.http import HttpClient
from tests.simulators.http_server import Answer, HttpSimulator, Request, json_answer
from tests.unit.transports.authentication.leaks import HUSH, everything_said

SCOPE = "repository:a/b:pull"
ME = Credentials("me", HUSH)
IDENTITY = Credentials("me", identity_token=HUSH)


def ask(server: HttpSimulator, found: Credentials | None, path: str = "/token") -> str:
    http = HttpClient(rule=RetryRule(attempts=1))
    return TokenServer(http, "r.example", server.url + path, "a service").ask(found, [SCOPE]).token


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/token", "/token?service=a+service&scope=repository%3Aa%2Fb%3Apull"),
        ("/token?x=1%202", "/token?x=1%202&service=a+service&scope=repository%3Aa%2Fb%3Apull"),
        ("/token#part", "/token?service=a+service&scope=repository%3Aa%2Fb%3Apull"),
        ("", "/?service=a+service&scope=repository%3Aa%2Fb%3Apull"),
    ],
)
def test_the_address_of_a_realm_is_kept(path: str, expected: str) -> None:
    with HttpSimulator(lambda _: json_answer({"token": "t"})).running() as server:
        assert ask(server, None, path) == "t"
        assert [request.target for request in server.log] == [expected]


def test_tokens_are_not_shown() -> None:
    assert HUSH not in repr(TokenAnswer(HUSH, 60, HUSH))


def only(method: str, status: int) -> HttpSimulator:
    """A token server that knows one method."""
    return HttpSimulator(lambda request: json_answer({"token": "t"}) if request.method == method else Answer(status))


@pytest.mark.parametrize("status", [404, 405])
def test_servers_with_one_way_only(status: int) -> None:
    with only("GET", status).running() as server:
        assert ask(server, IDENTITY) == "t"
        assert [request.method for request in server.log] == ["POST", "GET"]
        assert server.log[-1].authorization == IDENTITY.basic
    with only("POST", status).running() as server:
        assert ask(server, ME) == "t"
        assert [request.method for request in server.log] == ["GET", "POST"]
        form = dict(parse_qsl(server.log[-1].body.decode()))
    assert form == {
        "grant_type": "password", "username": "me", "password": HUSH,
        "service": "a service", "scope": SCOPE, "client_id": "docker-envs",
    }  # fmt: skip


def test_anonymous_tokens_are_not_posted_for() -> None:
    with only("POST", 404).running() as server, pytest.raises(TransportError):
        ask(server, None)
    assert len(server.log) == 1


@pytest.mark.parametrize("found", [ME, IDENTITY], ids=["password", "identity"])
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_not_sent_twice(found: Credentials, status: int) -> None:
    """Servers lock accounts after a few wrong passwords."""
    with HttpSimulator(lambda _: Answer(status)).running() as server, pytest.raises(AuthenticationError):
        ask(server, found)
    assert len(server.log) == 1


def echo(request: Request) -> Answer:
    said = f"{request.authorization} {request.body.decode()} {HUSH}"
    return json_answer({"details": said}, 401, **{"X-Said": said})


@pytest.mark.parametrize(
    "answer",
    [
        echo,
        lambda _: json_answer({"token": 3, "access_token": HUSH}),
        lambda _: Answer(200, f'{{"token": "{HUSH}'.encode()),
        lambda _: Answer(200, f'{{"token": "{HUSH}\xff"}}'.encode("latin-1")),
        lambda _: json_answer({"token": f"{HUSH}\n"}),
        lambda _: Answer(200, HUSH.encode(), announced=100),
        lambda _: Answer(silent=True),
        lambda _: json_answer({"error": "invalid_grant", "error_description": HUSH}, 400),
        lambda _: json_answer({"token": HUSH}, 500),
    ],
    ids=["echo", "type", "half", "utf-8", "control", "short", "silent", "oauth2", "500"],
)
@pytest.mark.parametrize("found", [ME, IDENTITY], ids=["password", "identity"])
def test_no_error_or_log_holds_secrets(caplog: pytest.LogCaptureFixture, answer: Any, found: Credentials) -> None:
    caplog.set_level(logging.DEBUG)
    with HttpSimulator(answer).running() as server, pytest.raises(DockerEnvsError) as caught:
        ask(server, found)
    assert "/token" in caplog.text
    said = everything_said(caught.value) + caplog.text
    assert HUSH not in said
    assert found.basic.removeprefix("Basic ") not in said


NOW = 1_700_000_000
DATE = email.utils.formatdate(NOW, usegmt=True)


@pytest.mark.parametrize(
    ("document", "date", "expected"),
    [
        ({}, DATE, 60),
        ({"expires_in": 300}, DATE, 300),
        ({"expires_in": 5}, DATE, 5),
        ({"expires_in": 0.5}, DATE, 0.5),
        ({"expires_in": 0}, DATE, 60),
        ({"expires_in": True}, DATE, 60),
        ({"expires_in": "300"}, DATE, 60),
        ({"expires_in": 10**400}, DATE, 86400),
        ({"expires_in": 300, "issued_at": "2023-11-14T22:13:20Z"}, DATE, 300),
        ({"expires_in": 300, "issued_at": "2023-11-14T22:12:20.123456789Z"}, DATE, 300 - 59.876544),
        ({"expires_in": 300, "issued_at": "2023-11-14T23:12:20+01:00"}, DATE, 240),
        ({"expires_in": 300, "issued_at": "2023-11-14T22:12:20"}, DATE, 240),
        ({"issued_at": "2023-11-14T22:12:50Z"}, DATE, 30),
        # Times that cannot be.
        ({"expires_in": 300, "issued_at": "2023-11-14T22:00:00Z"}, DATE, 300),
        ({"expires_in": 300, "issued_at": "2023-11-14T23:00:00Z"}, DATE, 300),
        ({"expires_in": 300, "issued_at": "yesterday"}, DATE, 300),
        ({"expires_in": 300, "issued_at": 3}, DATE, 300),
        ({"expires_in": 300, "issued_at": "2023-11-14T22:12:20Z"}, None, 300),
        ({"expires_in": 300, "issued_at": "2023-11-14T22:12:20Z"}, "soon", 300),
    ],
)
def test_lifetimes(document: dict[str, object], date: str | None, expected: float) -> None:
    assert _lifetime(Fields(document, "x"), date) == pytest.approx(expected)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none(), max_size=1)


@given(VALUES, VALUES, st.none() | st.text())
def test_any_lifetime_is_bounded(expires_in: Any, issued_at: Any, date: str | None) -> None:
    fields = Fields({"expires_in": expires_in, "issued_at": issued_at}, "x")
    assert 0 < _lifetime(fields, date) <= 86400
