from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import InvalidInputError, TransportError
from docker_envs.transports.redirects import Reach, Targets, is_this_machine, join_location, reach_of_literal

NAMES = {
    "a.example": ["8.8.8.8"],
    "store.example": ["8.8.4.4", "2001:4860:4860::8844"],
    "rebound.example": ["8.8.8.8", "127.0.0.1"],
    "inside.example": ["10.1.2.3"],
    "beside.example": ["192.168.1.9"],
    "shared.example": ["100.64.0.1"],
    "unique.example": ["fd00::1"],
    "here.example": ["127.0.0.1"],
}


class Resolver:
    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, host: str) -> list[str]:
        self.asked.append(host)
        return NAMES.get(host, [])


def targets() -> Targets:
    return Targets(resolve=Resolver())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("https://a.example/x", "https://a.example:8443/y"),
        ("https://a.example/x", "https://store.example/y"),
        ("http://a.example/x", "https://store.example/y"),
        ("http://a.example/x", "http://store.example/y"),
        ("https://a.example/x", "https://unknown.example/y"),
        ("http://127.0.0.1:5000/x", "http://127.0.0.1:9000/y"),
        ("http://127.0.0.1:5000/x", "http://10.0.0.7/y"),
        ("http://localhost/x", "http://127.0.0.1:9000/y"),
        ("https://10.0.0.1/x", "https://192.168.3.4/y"),
        ("https://inside.example/x", "https://beside.example/y"),
        ("https://inside.example/x", "https://10.9.9.9/y"),
        ("https://inside.example/x", "https://a.example/y"),
        ("https://here.example/x", "https://localhost/y"),
    ],
)
def test_where_servers_may_send_us(source: str, target: str) -> None:
    targets().check(source, target)


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("https://a.example/x", "http://a.example/y", "not encrypted"),
        ("https://a.example/x", "ftp://a.example/y", "expected `https://` and a host"),
        ("https://a.example/x", "file:///etc/passwd", "expected `https://` and a host"),
        ("http://a.example/x", "http:///y", "expected `https://` and a host"),
        ("https://a.example/x", "https://169.254.169.254/latest", "this machine or its link"),
        ("https://a.example/x", "https://[fe80::1%25eth0]/y", "this machine or its link"),
        ("http://a.example/x", "http://localhost/y", "this machine or its link"),
        ("http://a.example/x", "http://evil.localhost/y", "this machine or its link"),
        ("http://a.example/x", "http://localhost./y", "this machine or its link"),
        ("http://a.example/x", "http://[::1]/y", "this machine or its link"),
        ("http://a.example/x", "http://[::ffff:127.0.0.1]/y", "this machine or its link"),
        ("http://a.example/x", "http://[64:ff9b::7f00:1]/y", "this machine or its link"),
        ("http://a.example/x", "http://0.0.0.0/y", "this machine or its link"),
        ("http://a.example/x", "http://[::]/y", "this machine or its link"),
        ("http://a.example/x", "http://127.1/y", "this machine or its link"),
        ("http://a.example/x", "http://2130706433/y", "this machine or its link"),
        ("http://a.example/x", "http://0x7f.0.0.1/y", "this machine or its link"),
        ("http://a.example/x", "http://224.0.0.1/y", "this machine or its link"),
        ("http://a.example/x", "http://here.example/y", "this machine or its link"),
        ("http://a.example/x", "http://rebound.example/y", "this machine or its link"),
        ("http://a.example/x", "http://10.0.0.7/y", "a private network"),
        ("http://a.example/x", "http://172.16.0.7/y", "a private network"),
        ("http://a.example/x", "http://192.168.0.7/y", "a private network"),
        ("http://a.example/x", "http://inside.example/y", "a private network"),
        ("http://a.example/x", "http://shared.example/y", "a private network"),
        ("http://a.example/x", "http://unique.example/y", "a private network"),
        ("http://inside.example/x", "http://127.0.0.1/y", "this machine or its link"),
        ("http://inside.example/x", "http://169.254.169.254/y", "this machine or its link"),
        ("http://8.8.8.8/x", "http://10.0.0.7/y", "a private network"),
        ("http://rebound.example/x", "http://127.0.0.1/y", "this machine or its link"),
        ("http://unknown.example/x", "http://10.0.0.7/y", "a private network"),
    ],
)
def test_where_servers_may_not_send_us(source: str, target: str, reason: str) -> None:
    with pytest.raises(TransportError, match="refused to go to") as caught:
        targets().check(source, target)
    assert reason in str(caught.value)
    assert not caught.value.transient


@pytest.mark.parametrize("named", ["inside.example", "inside.example:5000"])
def test_where_the_user_sends_us(named: str) -> None:
    found = targets()
    found.name(named)
    found.check("https://a.example/x", "https://inside.example:443/y")
    with pytest.raises(TransportError, match="a private network"):
        found.check("https://a.example/x", "https://beside.example/y")


@pytest.mark.parametrize("host", ["", "https://a.example", "a.example/app", "a.example:port", "[::1", "me@a.example"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(InvalidInputError, match="expected `host` or `host:port`"):
        targets().name(host)


def test_leaving_tls_is_refused_for_named_hosts_too() -> None:
    found = targets()
    found.name("inside.example")
    with pytest.raises(TransportError, match="not encrypted"):
        found.check("https://inside.example/x", "http://inside.example/y")


def test_names_are_resolved_once() -> None:
    resolver = Resolver()
    found = Targets(resolve=resolver)
    for _ in range(3):
        found.check("https://inside.example/x", "https://beside.example/y")
        found.check("https://a.example/x", "https://store.example/y")
    assert resolver.asked == ["beside.example", "inside.example", "store.example"]


def test_names_behind_a_proxy_are_not_resolved_and_addresses_are_still_refused() -> None:
    resolver = Resolver()
    found = Targets(resolve=resolver, proxied=lambda _: True)
    found.check("https://a.example/x", "https://inside.example/y")
    assert resolver.asked == []
    with pytest.raises(TransportError, match="a private network"):
        found.check("https://a.example/x", "https://10.0.0.1/y")


def test_queries_are_not_shown() -> None:
    with pytest.raises(TransportError) as caught:
        targets().check("https://a.example/x?token=hush", "https://10.0.0.1/y?signature=hush")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("8.8.8.8", Reach.PUBLIC),
        ("::ffff:8.8.8.8", Reach.PUBLIC),
        ("64:ff9b::808:808", Reach.PUBLIC),
        ("10.0.0.1", Reach.PRIVATE),
        ("127.0.0.1", Reach.LOCAL),
        ("registry.example", None),
    ],
)
def test_reach_of_literals(host: str, reach: Reach | None) -> None:
    assert reach_of_literal(host) is reach


@pytest.mark.parametrize(("host", "here"), [(None, True), ("", True), ("127.0.0.2", True), ("a.example", False)])
def test_this_machine(host: str | None, *, here: bool) -> None:
    assert is_this_machine(host) is here


def test_locations_are_joined() -> None:
    assert join_location("https://a.example/v2/x?y=1", "../z?q=%20") == "https://a.example/z?q=%20"


@pytest.mark.parametrize("location", ["http://[::1", "https://a.example:port/", "https://a.example:99999/"])
def test_locations_that_are_no_urls(location: str) -> None:
    with pytest.raises(TransportError, match="which is no URL"):
        join_location("https://a.example/", location)


URLS = st.one_of(
    st.text(max_size=30),
    st.from_regex(r"\A(https?|ftp)?:?//[\[\]0-9a-f:.%@\\ x]{0,20}(:\d{0,6})?(/\S{0,5})?\Z"),
)


@given(source=URLS, target=URLS, location=URLS)
def test_any_text_is_a_url_or_refused(source: str, target: str, location: str) -> None:
    with contextlib.suppress(TransportError):
        joined = join_location("https://a.example/", location)
        targets().check("https://a.example/", joined)
    with contextlib.suppress(TransportError):
        targets().check("https://a.example/", target)
    with contextlib.suppress(InvalidInputError):
        targets().name(source)
