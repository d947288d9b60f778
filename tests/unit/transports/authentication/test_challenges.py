from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import AuthenticationError
from docker_envs.transports.authentication.challenges import Challenge, Endpoint, parse_challenges, token_server
from docker_envs.transports.http import HttpClient
from docker_envs.transports.redirects import Targets

PULL, PUSH = "repository:a/b:pull", "repository:a/b:pull,push"
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


HOSTILE = [
    'a="' + '\\"' * 30_000,
    "a" + " " * 30_000,
    "a=" + " " * 30_000,
    "a =" * 20_000,
    'a="x' * 20_000,
    'a="\\' * 20_000,
    "," * 60_000,
]


@pytest.mark.parametrize("header", HOSTILE, ids=lambda header: header[:4])
def test_hostile_headers_take_no_time(header: str) -> None:
    before = time.process_time()
    parse_challenges(f"Bearer {header}")
    assert time.process_time() - before < 1


PIECES = [
    "Bearer",
    "basic",
    "realm",
    "scope",
    "=",
    '"',
    "\\",
    ",",
    " ",
    "https://",
    "[",
    "]",
    ":",
    "@",
    "/",
    "x",
    "%",
    "é",
    "\x00",
]


@given(st.text() | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_header_is_read(header: str) -> None:
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower() != ""
        wider = challenge.wider([PULL])
        assert wider[-1] == PULL
        assert len(wider) <= 5


@given(st.lists(st.sampled_from(PIECES)).map("".join) | st.text())
def test_any_realm_is_taken_or_refused(realm: str) -> None:
    for url in (f"https://r.example/{realm}", f"https://{realm}"):
        with contextlib.suppress(AuthenticationError):
            assert realm_of(url) == url


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("", (PULL,)),
        (PULL, (PULL,)),
        (PUSH, (PUSH, PULL)),
        (f"{PUSH} {OTHER}", (PUSH, OTHER, PULL)),
        (f"{OTHER} {OTHER}", (OTHER, PULL)),
        ("registry:catalog:*", ("registry:catalog:*", PULL)),
        ("x" * 513, (PULL,)),
        (" ".join(f"repository:{name}:pull" for name in "abcdef"),
         ("repository:a:pull", "repository:b:pull", "repository:c:pull", "repository:d:pull", PULL)),
    ],
)  # fmt: skip
def test_scopes_that_a_challenge_adds_come_first(named: str, expected: tuple[str, ...]) -> None:
    assert Challenge("bearer", {"scope": named}).wider([PULL]) == expected


def test_scopes_that_are_covered_are_not_added() -> None:
    """A server that looks at the first scope only would give too little."""
    assert Challenge("bearer", {"scope": PULL}).wider([PUSH, OTHER]) == (PUSH, OTHER)


class Network(HttpClient):
    """Knows the addresses of a few names, and none of others."""

    def __init__(self) -> None:
        super().__init__()
        self._targets = Targets(resolve=lambda host: NAMES.get(host, []))


NAMES = {
    "public.example": ["93.184.216.34"],
    "tokens.example": ["93.184.216.35"],
    "inside.example": ["10.0.0.5"],
    "tokens.inside.example": ["10.0.0.6"],
    "mixed.example": ["93.184.216.36", "fd00::1"],
    "metadata.example": ["169.254.169.254"],
    "here.example": ["127.0.0.1"],
}


def realm_of(realm: str, registry: str = "https://r.example") -> str:
    return token_server(Network(), Endpoint("r.example", registry), Challenge("bearer", {"realm": realm}))


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("public.example", "public.example"),
        ("public.example", "tokens.example"),
        ("public.example", "unknown.example"),
        ("inside.example", "tokens.inside.example"),
        ("inside.example", "tokens.example"),
        ("10.0.0.5", "192.168.1.1"),
        ("127.0.0.1:5000", "localhost:5001"),
        ("localhost:5000", "10.0.0.5"),
    ],
)
def test_token_servers_as_public_as_the_registry(registry: str, realm: str) -> None:
    url = f"https://{realm}/token"
    assert realm_of(url, f"https://{registry}") == url


@pytest.mark.parametrize(
    ("registry", "realm"),
    [
        ("public.example", "127.0.0.1"),
        ("public.example", "localhost"),
        ("public.example", "169.254.169.254"),
        ("public.example", "10.0.0.5"),
        ("public.example", "[::1]"),
        ("public.example", "[::ffff:10.0.0.5]"),
        ("public.example", "0x7f000001"),
        ("public.example", "inside.example"),
        ("public.example", "mixed.example"),
        ("public.example", "metadata.example"),
        ("inside.example", "metadata.example"),
        ("inside.example", "here.example"),
        ("10.0.0.5", "127.0.0.1"),
        ("unknown.example", "192.168.1.1"),
    ],
)
def test_token_servers_that_are_more_private_than_the_registry(registry: str, realm: str) -> None:
    with pytest.raises(
        AuthenticationError, match=r"names a token server that is refused: .*refused to go to"
    ) as caught:
        realm_of(f"https://{realm}/token", f"https://{registry}")
    assert caught.value.hint is not None


def test_a_token_server_that_was_named_may_be_anywhere() -> None:
    http = Network()
    http.name_host("10.0.0.5:5001")
    realm = "https://10.0.0.5:5001/token"
    assert token_server(http, Endpoint("r", "https://public.example"), Challenge("bearer", {"realm": realm})) == realm


@pytest.mark.parametrize(
    "realm",
    ["", "nonsense", "/token", "//tokens.example/", "file:///etc/passwd", "https://", "https://[::1", "https://h:port/",
     "https://h:99999/", "https://h:0/", "https://h/a b", "https://h/\u0663"],
)  # fmt: skip
def test_realms_that_are_none(realm: str) -> None:
    with pytest.raises(AuthenticationError, match="names no token server"):
        realm_of(realm)


def test_long_realms_are_not_shown_in_full() -> None:
    with pytest.raises(AuthenticationError) as caught:
        realm_of("x" * 100_000)
    assert len(str(caught.value)) < 400


def test_realms_without_encryption() -> None:
    assert realm_of("http://r.example/token", "http://r.example") == "http://r.example/token"
    with pytest.raises(AuthenticationError, match="it is not encrypted"):
        realm_of("http://r.example/token")
