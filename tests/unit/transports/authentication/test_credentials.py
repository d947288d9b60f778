from __future__ import annotations

import pytest

from docker_envs.errors import FormatError
from docker_envs.transports.authentication.credentials import Credentials, login_hint, parse_secret
from tests.unit.transports.authentication.leaks import HUSH, everything_said


@pytest.mark.parametrize(
    "found",
    [Credentials("me", "hush"), Credentials("me", identity_token="hush"), Credentials("me", registry_token="hush")],
)
def test_secrets_are_not_shown(found: Credentials) -> None:
    assert "hush" not in f"{found} {found!r} {[found]}"


def test_basic_authorization() -> None:
    """RFC 7617, section 2: the example of the specification."""
    assert Credentials("Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert Credentials("Aladdin", identity_token="open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_ready_tokens_are_sent_as_they_are() -> None:
    assert Credentials("me", registry_token="t").header == "Bearer t"
    assert Credentials("me", "p").header == Credentials("me", "p").basic


def test_what_a_server_repeats_is_taken_out() -> None:
    found = Credentials("Aladdin", "open sesame")
    said = "no user Aladdin with open sesame in Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert found.redact(said) == "no user Aladdin with … in Basic …"


@pytest.mark.parametrize(
    "content", [b'{"auth": "hush', b'"hush"', b'{"auth": "hush\xff"}', b"\xffhush", b"[" * 200_000]
)
def test_content_that_cannot_be_read_is_not_in_the_error(content: bytes) -> None:
    with pytest.raises(FormatError, match=r"^place: ") as caught:
        parse_secret(content, source="place")
    assert HUSH not in everything_said(caught.value)


def test_hints() -> None:
    assert login_hint("docker.io") == "log in with `docker-envs login`"
    assert login_hint("r.example:5000") == "log in with `docker-envs login r.example:5000`"
