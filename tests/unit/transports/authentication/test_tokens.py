from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import pytest

from docker_envs.errors import AuthenticationError, FormatError, TransportError
from docker_envs.transports.authentication.challenges import Endpoint
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.authentication.tokens import Authenticator
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.http import HttpClient
from tests.simulators.http_server import Answer, HttpSimulator, json_answer
from tests.simulators.registry import RegistrySimulator, TokenRules

if TYPE_CHECKING:
    from collections.abc import Iterator

PULL = "repository:a/b:pull"
PUSH = "repository:a/b:pull,push"
OTHER = "repository:c/d:pull"


class Known:
    """Credentials that a test knows."""

    def __init__(self, found: Credentials | None = None) -> None:
        self.found = found

    def find(self, registry: str, repository: str) -> Credentials | None:
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
    form = {"grant_type": "refresh_token", "refresh_token": "identity", "service": "a service"}
    form |= {"scope": f"{PUSH} {OTHER}", "client_id": "docker-envs"}
    assert dict(parse_qsl(request.body.decode())) == form
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
    assert caught.value.hint == "log in with `docker-envs login r.example`"
    assert "hush" not in str(caught.value)


def test_missing_credentials() -> None:
    with HttpSimulator(lambda _: json_answer({"details": "who are you?"}, 401)).running() as server:
        auth, endpoint = authenticator(server)
        with pytest.raises(AuthenticationError, match=r"wants credentials, and there are none .* who are you\?"):
            auth.authorization(endpoint, [PUSH])


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (json_answer({}), FormatError),
        (json_answer({"token": "line\nbreak"}), FormatError),
        (json_answer({"token": 3}), FormatError),
        (Answer(200, b"<html>"), FormatError),
    ],
)
def test_nonsense_of_token_servers(answer: Answer, error: type[Exception]) -> None:
    with HttpSimulator(lambda _: answer).running() as server:
        auth, endpoint = authenticator(server)
        with pytest.raises(error):
            auth.authorization(endpoint, [PULL])


def test_credentials_are_looked_up_for_the_repository(server: RegistrySimulator) -> None:
    asked = []

    class Asked:
        def find(self, registry: str, repository: str) -> Credentials | None:
            asked.append((registry, repository))
            return None

    auth = Authenticator(HttpClient(), Asked())
    endpoint = Endpoint("r.example", server.url)
    for header in (f'Bearer realm="{server.url}/token"', "Basic"):
        auth.learn(endpoint, header)
        for scopes in ([], ["registry:catalog:*"], [PUSH, OTHER]):
            auth.authorization(endpoint, scopes)
    auth.renew(endpoint, [PUSH], rejected=None, header=f'Basic scope="{OTHER}"')
    assert asked == [("r.example", ""), ("r.example", ""), ("r.example", "a/b")] * 2 + [("r.example", "a/b")]


def test_ready_tokens_need_no_token_server(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server, Credentials("", registry_token="ready"))
    assert auth.authorization(endpoint, [PULL]) == "Bearer ready"
    header = f'Bearer realm="{server.url}/token"'
    assert auth.renew(endpoint, [PULL], rejected="Bearer ready", header=header) == "Bearer ready"
    auth.learn(endpoint, "Basic")
    assert auth.authorization(endpoint, [PULL]) == "Bearer ready"
    assert server.log == []


def test_what_a_refusal_asks_for_comes_first(server: RegistrySimulator) -> None:
    auth, endpoint = authenticator(server)
    first = auth.authorization(endpoint, [PULL])
    header = f'Bearer realm="{server.url}/token",scope="repository:a/b:delete",error="insufficient_scope"'
    second = auth.renew(endpoint, [PULL], rejected=first, header=header)
    assert server.log[-1].query["scope"] == ["repository:a/b:delete", PULL]
    assert auth.authorization(endpoint, [PULL]) == second != first


def answers(*documents: dict[str, object] | Answer) -> HttpSimulator:
    """A server that gives one answer after another."""
    left = iter(documents)

    def answer(_: object) -> Answer:
        document = next(left)
        return document if isinstance(document, Answer) else json_answer(document)

    return HttpSimulator(answer)


REFUSED = json_answer({"error": "invalid_grant"}, 400)


def test_refresh_tokens_are_used_from_then_on() -> None:
    given = answers(
        {"token": "1", "refresh_token": "r1"},
        {"access_token": "2", "refresh_token": "r2"},
        {"access_token": "3"},
        {"access_token": "4"},
    )
    with given.running() as server:
        auth, endpoint = authenticator(server, Credentials("me", "hush"))
        header = None
        for _ in range(4):
            header = auth.authorization(endpoint, [PULL], rejected=header)
        used = [dict(parse_qsl(request.body.decode())).get("refresh_token") for request in server.log]
    # The third answer names no other, so that the one before it stays good.
    assert used == [None, "r1", "r2", "r2"]
    assert header == "Bearer 4"


@pytest.mark.parametrize("refusal", [REFUSED, json_answer({}, 401)])
def test_refresh_tokens_that_are_refused_are_forgotten(refusal: Answer) -> None:
    with answers({"token": "1", "refresh_token": "r1"}, refusal, {"token": "2"}, {"token": "3"}).running() as server:
        auth, endpoint = authenticator(server, Credentials("me", "hush"))
        header = None
        for expected in "123":
            header = auth.authorization(endpoint, [PULL], rejected=header)
            assert header == f"Bearer {expected}"
        assert [request.method for request in server.log] == ["GET", "POST", "GET", "GET"]


class Slow:
    """A token server that answers when it may."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.simulator = HttpSimulator(self.answer)

    def answer(self, _: object) -> Answer:
        self.asked.release()
        assert self.may_answer.wait(10)
        return json_answer({"token": "late"})


def test_slow_token_servers_hold_up_nobody_else(server: RegistrySimulator) -> None:
    slow = Slow()
    with slow.simulator.running() as late, ThreadPoolExecutor() as pool:
        auth, endpoint = authenticator(server)
        other = Endpoint("slow.example", late.url)
        auth.learn(other, f'Bearer realm="{late.url}/token"')
        waiting = [pool.submit(auth.authorization, other, [PULL]) for _ in range(4)]
        assert slow.asked.acquire(timeout=10)
        assert auth.authorization(endpoint, [PULL]) == "Bearer token-1"
        waiting.append(pool.submit(auth.authorization, other, [OTHER]))
        assert slow.asked.acquire(timeout=10), "another scope of the same registry waits"
        slow.may_answer.set()
        assert {found.result() for found in waiting} == {"Bearer late"}
        assert len(late.log) == 2


def test_slow_credentials_hold_up_nobody_else(server: RegistrySimulator) -> None:
    asked, may_answer = threading.Event(), threading.Event()

    class Keychain:
        def find(self, registry: str, repository: str) -> Credentials | None:
            if registry == "slow.example":
                asked.set()
                assert may_answer.wait(10)
            return None

    auth = Authenticator(HttpClient(), Keychain())
    endpoints = [Endpoint(name, server.url) for name in ("slow.example", "r.example")]
    for endpoint in endpoints:
        auth.learn(endpoint, f'Bearer realm="{server.url}/token"')
    with ThreadPoolExecutor() as pool:
        late = pool.submit(auth.authorization, endpoints[0], [PULL])
        assert asked.wait(10)
        assert auth.authorization(endpoints[1], [PULL]) == "Bearer token-1"
        may_answer.set()
        assert late.result() == "Bearer token-2"


def test_errors_do_not_stay(server: RegistrySimulator) -> None:
    server.faults = [("GET /token", Answer(401)), ("GET /token", Answer(500))]
    auth, endpoint = authenticator(server)
    for error in (AuthenticationError, TransportError):
        with pytest.raises(error):
            auth.authorization(endpoint, [PULL])
    assert auth.authorization(endpoint, [PULL]) == "Bearer token-1"
