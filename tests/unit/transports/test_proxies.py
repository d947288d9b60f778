from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.transports.proxies import is_excluded, proxy_for


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "excluded"),
    [
        ("", "a.example", 443, False),
        ("*", "a.example", 443, True),
        ("a.example", "a.example", 443, True),
        ("A.Example", "a.exAMPLE", 443, True),
        ("a.example", "b.a.example", 443, True),
        ("a.example", "ba.example", 443, False),
        ("a.example", "a.example.com", 443, False),
        (".example", "a.example", 443, True),
        (".a.example", "a.example", 443, False),
        ("*.a.example", "b.a.example", 443, True),
        ("*.a.example", "a.example", 443, False),
        ("a.example:443", "a.example", 443, True),
        ("a.example:443", "b.a.example", 443, True),
        ("a.example:443", "a.example", 5000, False),
        (".a.example:5000", "b.a.example", 5000, True),
        ("a.example", "a.example.", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.1/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "a.example", 443, False),
        ("10.0.0.0/99", "10.1.2.3", 443, False),
        ("fd00::/8", "fd12::1", 443, True),
        ("fd00::/8", "10.0.0.1", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3", "10.1.2.30", 443, False),
        ("10.1.2.3:5000", "10.1.2.3", 5000, True),
        ("10.1.2.3:5000", "10.1.2.3", 443, False),
        ("fd12::1", "fd12::1", 443, True),
        ("fd12:0::1", "fd12::1", 443, True),
        ("[fd12::1]:5000", "fd12::1", 5000, True),
        ("[fd12::1]:5000", "fd12::1", 443, False),
        ("[fd12::1]", "fd12::1", 443, True),
        ("2.3", "10.1.2.3", 443, True),
        ("b.example, a.example", "a.example", 443, True),
        ("b.example a.example", "a.example", 443, True),
        (", :443,,", "a.example", 443, False),
    ],
)
def test_exclusions(no_proxy: str, host: str, port: int, *, excluded: bool) -> None:
    assert is_excluded(host, port, no_proxy) is excluded


@given(no_proxy=st.text(alphabet="a.:[]/*,1 %f-é", max_size=20), host=st.text(alphabet="a.:1f%é", max_size=10))
def test_entries_that_say_nothing_do_no_harm(no_proxy: str, host: str) -> None:
    assert is_excluded(host, 443, no_proxy) in (True, False)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "https://a.example/x", None),
        ({"HTTPS_PROXY": "http://p:3128"}, "https://a.example/x", "http://p:3128"),
        ({"https_proxy": "http://p:3128"}, "https://a.example/x", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://a.example/x", None),
        ({"HTTP_PROXY": "http://p:3128"}, "http://a.example/x", "http://p:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, "https://a.example/x", None),
        ({"ALL_PROXY": "socks5h://p:1080"}, "https://a.example/x", "socks5h://p:1080"),
        ({"ALL_PROXY": "http://q", "HTTPS_PROXY": "http://p"}, "https://a.example/x", "http://p"),
        ({"HTTPS_PROXY": "p:3128"}, "https://a.example/x", "http://p:3128"),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "a.example:443"}, "https://a.example/x", None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "a.example:443"}, "https://a.example:5000/x", "http://p"),
        ({"HTTPS_PROXY": "http://p", "no_proxy": "10.0.0.0/8"}, "https://me:hush@10.0.0.1:5000/x", None),
        ({"HTTPS_PROXY": "http://p"}, "https://127.0.0.1/x", None),
        ({"HTTPS_PROXY": "http://p"}, "https://localhost:5000/x", None),
        ({"HTTPS_PROXY": "http://p"}, "https://[::1]:5000/x", None),
    ],
)
def test_which_proxy(environment: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    assert proxy_for(url) == proxy
