from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import AuthenticationError, FormatError
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.authentication.tokens import Authenticator, Challenge, Endpoint, parse_challenges
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.http import HttpClient
from tests.simulators.http_server import Answer, HttpSimulator, json_answer
from tests.simulators.registry import RegistrySimulator, TokenRules

if TYPE_CHECKING:
    from collections.abc import Iterator

PULL = "repository:a/b:pull"
PUSH = "repository:a/b:pull,push"
OTHER = "repository:c/d:pull"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        ("Basic", [Challenge("basic", {})]),
        ('BEARER Realm="https://t/x?a=b,c",service=s',
         [Challenge("bearer", {"realm": "https://t/x?a=b,c", "service": "s"})]),
        ('Bearer realm="a" , scope="repository:x:pull,push repository:y:pull"',
         [Challenge("bearer", {"realm": "a", "scope": "repository:x:pull,push repository:y:pull"})]),
        (r'Bearer realm="a \"quoted\" \\ one"', [Challenge("bearer", {"realm": r'a "quoted" \ one'})]),
        ('Basic realm="x", Bearer realm="y", service="z"',
         [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y", "service": "z"})]),
        ('realm="lost"', []),
    ],
)  # fmt: skip
def test_challenges(header: str, expected: list[Challenge]) -> None:
    assert parse_challenges(header) == expected


class Known:
    """Credentials that a test knows."""

    def __init__(self, found: Credentials | None = None) -> None:
        self.found = found

    def find(self, registry: str) -> Credentials | None:
        return self.found


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator(TokenRules(users={"me": "hush"}, identity_tokens=("identity",)))
    with simulator.running():
        yield simulator


def authenticator(
    server: HttpSimulator, found: Credentials | None = None, clock: Clock | None = None
) -> tuple[Authenticator, Endpoint]:
    auth = Authenticator(HttpClient(rule=RetryRule(attempts=1)), Known(found), clock=clock or Clock())
    endpoint = Endpoint("r.example", server.url)
    auth.learn(endpoint, f'Bearer realm="{server.url}/token?x=1",service="a service"')
    return auth, endpoint


def test_nothing_is_sent_unasked(server: RegistrySimulator) -> None:
    auth = Authenticator(HttpClient(), Known(Credentials("me", "hush")))
    assert auth.authorization(Endpoint("r.example", server.url), [PULL]) is None


def test_basic(server: RegistrySimulator) -> None:
    auth = Authenticator(HttpClient(), Known(Credentials("me", "hush")))
    endpoint = Endpoint("r.example", server.url)
    auth.learn(endpoint, 'Basic realm="x"')
    assert auth.authorization(endpoint, [PULL]) == "Basic bWU6aHVzaA=="
    assert server.log == []


def test_bearer_comes_before_basic(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server)
    auth.learn(endpoint, f'Basic realm="x", Bearer realm="{server.url}/token"')
    assert (auth.authorization(endpoint, [PULL]) or "").startswith("Bearer ")


@pytest.mark.parametrize("header", [None, "", "Negotiate abc", 'Digest realm="x"'])
def test_unknown_schemes_are_errors(header: str | None) -> None:
    auth = Authenticator(HttpClient(), Known())
    with pytest.raises(AuthenticationError, match="expected Basic or Bearer"):
        auth.learn(Endpoint("r.example", "https://r.example"), header)


def test_anonymous_token(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server)
    assert auth.authorization(endpoint, [PUSH, OTHER]) == "Bearer token-1"
    assert server.log[0].query == {"x": ["1"], "service": ["a service"], "scope": [PUSH, OTHER]}
    assert server.log[0].authorization is None


def test_token_with_credentials(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server, Credentials("me", "hush"))
    auth.authorization(endpoint, [PULL])
    assert server.log[0].authorization == "Basic bWU6aHVzaA=="


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_both_names_of_the_token(server: RegistrySimulator, name: str) -> None:
    assert server.tokens is not None
    server.tokens.field_name = name
    auth, endpoint = authenticator(server)
    assert auth.authorization(endpoint, [PULL]) == "Bearer token-1"


def test_tokens_are_kept_per_scope(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server)
    assert auth.authorization(endpoint, [PULL]) == auth.authorization(endpoint, [PULL])
    assert auth.authorization(endpoint, [OTHER]) == "Bearer token-2"
    assert auth.authorization(endpoint, [PULL]) == "Bearer token-1"
    assert len(server.log) == 2


def test_a_wider_token_serves_a_narrower_need(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server)
    wide = auth.authorization(endpoint, [PUSH, OTHER])
    assert auth.authorization(endpoint, [PUSH]) == wide
    assert auth.authorization(endpoint, [OTHER]) == wide


def test_rejected_tokens_are_replaced_once_for_all(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server)
    first = auth.authorization(endpoint, [PULL])
    second = auth.authorization(endpoint, [PULL], rejected=first)
    assert second != first
    # Another thread that was rejected with the first token meanwhile.
    assert auth.authorization(endpoint, [PULL], rejected=first) == second
    assert len(server.log) == 2


def test_tokens_expire_a_little_early(server: RegistrySimulator) -> None:
    clock = Clock()
    auth, endpoint = authenticator(server, clock=clock)
    first = auth.authorization(endpoint, [PULL])
    clock.now = 289
    assert auth.authorization(endpoint, [PULL]) == first
    clock.now = 291
    assert auth.authorization(endpoint, [PULL]) != first


@pytest.mark.parametrize("lifetime", [None, 0, -5, "300", 60])
def test_tokens_without_a_lifetime_live_a_minute(lifetime: object) -> None:
    clock = Clock()
    with HttpSimulator(lambda _: json_answer({"token": "t", "expires_in": lifetime})).running() as server:
        auth, endpoint = authenticator(server, clock=clock)
        for clock.now in (0, 49, 51):
            auth.authorization(endpoint, [PULL])
        assert len(server.log) == 2


def test_threads_share_a_token(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server)
    threads = [threading.Thread(target=auth.authorization, args=(endpoint, [PULL])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.log) == 1


def test_identity_tokens_use_oauth2(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server, Credentials("me", identity_token="identity"))
    assert auth.authorization(endpoint, [PUSH, OTHER]) == "Bearer token-1"
    (request,) = server.log
    assert request.method == "POST"
    assert b"grant_type=refresh_token&refresh_token=identity&service=a+service&scope=repository" in request.body
    assert "identity" not in request.target


def test_identity_tokens_without_oauth2_serve_as_password(server: RegistrySimulator) -> None:
    assert server.tokens is not None
    server.tokens.identity_tokens = None
    server.tokens.users = {"me": "identity"}
    auth, endpoint = authenticator(server, Credentials("me", identity_token="identity"))
    assert auth.authorization(endpoint, [PUSH]) == "Bearer token-1"
    assert [request.method for request in server.log] == ["POST", "GET"]


@pytest.mark.parametrize(
    "found", [Credentials("me", "wrong-hush"), Credentials("me", identity_token="wrong-hush")], ids=["basic", "oauth2"]
)
def test_refused_credentials(server: RegistrySimulator, found: Credentials) -> None:
    auth, endpoint = authenticator(server, found)
    with pytest.raises(AuthenticationError, match=r"`r.example` refused the credentials of user `me`") as caught:
        auth.authorization(endpoint, [PUSH])
    assert caught.value.hint == "log in with `docker login r.example`"
    assert "hush" not in str(caught.value)


def test_missing_credentials() -> None:
    with HttpSimulator(lambda _: json_answer({"details": "who are you?"}, 401)).running() as server:
        auth, endpoint = authenticator(server)
        with pytest.raises(AuthenticationError, match=r"wants credentials, and there are none .* who are you\?"):
            auth.authorization(endpoint, [PUSH])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (json_answer({}), AuthenticationError),
        (json_answer({"token": "line\nbreak"}), AuthenticationError),
        (json_answer({"token": 3}), FormatError),
        (Answer(200, b"<html>"), FormatError),
    ],
)
def test_nonsense_of_token_servers(answer: Answer, error: type[Exception]) -> None:
    with HttpSimulator(lambda _: answer).running() as server:
        auth, endpoint = authenticator(server)
        with pytest.raises(error):
            auth.authorization(endpoint, [PULL])


@pytest.mark.parametrize("realm", ["http://tokens.example/", "file:///etc/passwd", "", "nonsense"])
def test_credentials_are_not_sent_anywhere(realm: str) -> None:
    auth = Authenticator(HttpClient(), Known(Credentials("me", "hush")))
    endpoint = Endpoint("r.example", "https://r.example")
    auth.learn(endpoint, f'Bearer realm="{realm}"')
    with pytest.raises(AuthenticationError, match="token server"):
        auth.authorization(endpoint, [PULL])
