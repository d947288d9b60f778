from __future__ import annotations

import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs import errors
from docker_envs.errors import (
    AuthenticationError,
    DigestMismatchError,
    DockerEnvsError,
    FormatError,
    InvalidDeclarationError,
    InvalidReferenceError,
    PathEscapeError,
    PrefixTooLongError,
    SizeMismatchError,
    TransportError,
    redact,
)


def tree_in_docstring() -> dict[str, str]:
    """Each class with its parent, as the drawing at the top of the module has them."""
    parents: dict[str, str] = {}
    branch: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)(\w+Error)\b", line)
        if match:
            depth = len(match[1]) // 4
            branch[depth:] = [match[2]]
            parents[match[2]] = branch[depth - 1] if depth else "Exception"
    return parents


def test_drawn_tree_equals_the_classes() -> None:
    classes = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if kind.__module__ == errors.__name__
    }
    assert tree_in_docstring() == classes


def test_every_error_is_documented_and_has_one_parent() -> None:
    for _, kind in inspect.getmembers(errors, inspect.isclass):
        assert kind.__doc__
        assert len(kind.__bases__) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot reach `https://ann:secret@host/v2/`", "cannot reach `https://host/v2/`"),
        ("https://ann:p@ss@host/x", "https://host/x"),
        ("https://token@host:5000/x", "https://host:5000/x"),
        ("https://host/t/tk-123-abc/main/noarch", "https://host/t/<TOKEN>/main/noarch"),
        ("https://host/t/tk-123", "https://host/t/<TOKEN>"),
        ("https://host/a/t/tk-1/b", "https://host/a/t/<TOKEN>/b"),
        ("https://host/blob?X-Amz-Signature=abc&x=1 failed", "https://host/blob?… failed"),
        ("https://host/blob-?sig=abc", "https://host/blob-?…"),
        ("https://host?sig=abc", "https://host?…"),
        ("`https://host/x?sig=abc`: status 403", "`https://host/x?…`: status 403"),
        ("'https://host/x?sig=abc'", "'https://host/x?…'"),
        ("https://a:b@one/x?y=z then https://c:d@two/t/tok/e?f", "https://one/x?… then https://two/t/<TOKEN>/e?…"),
        ("a?b and lib/t/file.t and user@host", "a?b and lib/t/file.t and user@host"),
        ("https://host/x: no `lib/t/file.t`, `numpy 1.?.*`, me@host", None),
        ("https://host/@scope/package", None),
        ("https://host:8080/a/@scope/package", None),
        ("`https://user:pa#ss/wo?rd@host/x` fails", "`https://host/x` fails"),
        ("docker://debian@sha256:abc", None),
        ("docker://host/debian:12@sha256:abc", None),
    ],
)
def test_redaction(text: str, expected: str | None) -> None:
    assert redact(text) == (text if expected is None else expected)


SECRETS = st.text("abcdefXYZ0123456789:@._~!$&*+,;=%-", min_size=4, max_size=20).map(lambda text: f"S3CR{text}T")


@given(SECRETS, st.sampled_from(["https://u:{}@host/p", "https://{}@host", "http://h/t/{}/x", "https://h/x?token={}"]))
def test_no_secret_survives(secret: str, shape: str) -> None:
    error = DockerEnvsError(f"cannot read `{shape.format(secret)}`", hint=f"try {shape.format(secret)}")
    assert secret not in str(error)
    assert secret not in repr(error)
    assert secret not in (error.hint or "")


@given(st.text())
def test_redaction_is_idempotent(text: str) -> None:
    assert redact(redact(text)) == redact(text)


def test_plain_text_stays() -> None:
    assert str(DockerEnvsError("what? a `b@c`")) == "what? a `b@c`"
    assert DockerEnvsError("x").hint is None


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (InvalidReferenceError("A b", "no"), "invalid image reference 'A b': no", None),
        (InvalidDeclarationError("env.yml:3", "no `name`", hint="add one"), "env.yml:3: no `name`", "add one"),
        (FormatError("x.tar", "truncated"), "x.tar: truncated", None),
        (PathEscapeError("x.tar", "../a"), "x.tar: path '../a' points outside of the root", None),
        (DigestMismatchError("b", expected="e", actual="a"), "b: wrong digest: expected e, got a", None),
        (SizeMismatchError("b", expected=1234567), "b: wrong size: expected 1,234,567 bytes, got more", None),
        (SizeMismatchError("b", expected=10, actual=0), "b: wrong size: expected 10 bytes, got 0", None),
        (PrefixTooLongError(package="p", path="bin/x", prefix="/é", limit=2),
         "package `p`: prefix `/é` (3 bytes) does not fit into the placeholder of `bin/x` (2 bytes)",
         "choose a prefix of at most 2 bytes with `--prefix`"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_messages(error: DockerEnvsError, message: str, hint: str | None) -> None:
    assert str(error) == message
    assert error.hint == hint
    assert not error.transient


def test_only_transport_errors_are_worth_another_try() -> None:
    assert TransportError("x", transient=True, status=503).transient
    assert AuthenticationError("x", status=401).status == 401
    assert not DockerEnvsError("x").transient
