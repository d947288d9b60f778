from __future__ import annotations

import threading

import pytest

from docker_envs.errors import AuthenticationError, NotFoundError, TransportError, VerificationError
from docker_envs.transports.fetch import (
    RetryRule,
    error_detail,
    parse_retry_after,
    status_error,
)
from tests.unit.transports.helpers import FakeResponse, recording


def run(rule: RetryRule, errors: list[TransportError]) -> str:
    def action() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    return rule.run(action)


def test_waits_grow_to_a_ceiling() -> None:
    rule, waits = recording(attempts=8)
    assert run(rule, [TransportError("x", transient=True)] * 7) == "done"
    assert waits == [0.5, 1, 2, 4, 8, 16, 20]


def test_jitter_is_full() -> None:
    rule, waits = recording(jitter=0.0)
    run(rule, [TransportError("x", transient=True)] * 3)
    assert waits == [0, 0, 0]


def test_attempts_are_bounded() -> None:
    rule, waits = recording(attempts=3)
    with pytest.raises(TransportError, match="third"):
        run(rule, [TransportError(text, transient=True) for text in ("first", "second", "third", "fourth")])
    assert len(waits) == 2


def test_other_errors_are_final() -> None:
    rule, waits = recording()
    with pytest.raises(TransportError, match="final"):
        run(rule, [TransportError("final")])
    assert waits == []


def test_the_servers_wish_is_honoured() -> None:
    rule, waits = recording()
    run(rule, [TransportError("x", transient=True, retry_after=30)])
    assert waits == [30.5]


def test_a_wish_beyond_our_patience_ends_at_once() -> None:
    rule, waits = recording()
    with pytest.raises(TransportError, match="x"):
        run(rule, [TransportError("x", transient=True, retry_after=3600)])
    assert waits == []


def test_patience_is_for_all_waits_together() -> None:
    rule, waits = recording(patience=50)
    with pytest.raises(TransportError, match="x"):
        run(rule, [TransportError("x", transient=True, retry_after=20)] * 5)
    assert waits == [20.5, 20.5]


def test_progress_counts_anew() -> None:
    rule, waits = recording(attempts=3)
    done = 0

    def action() -> str:
        nonlocal done
        if done == 10:
            return "done"
        done += 1
        raise TransportError("x", transient=True, retry_after=50)

    assert rule.run(action, progress=lambda: done) == "done"
    assert len(waits) == 10


def test_time_without_progress_is_bounded() -> None:
    """Attempts count, not only waits: a server may take its time to fail."""
    now = [0.0]

    def action() -> None:
        now[0] += 250
        raise TransportError("slow", transient=True)

    rule = RetryRule(sleep=lambda _: None, clock=lambda: now[0], attempts=100)
    with pytest.raises(TransportError, match="slow"):
        rule.run(action)
    assert now[0] == 750


def test_waits_end_when_all_is_cancelled() -> None:
    cancelled, waits = threading.Event(), []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        cancelled.set()

    def action() -> None:
        raise TransportError("x", transient=True, retry_after=100)

    with pytest.raises(TransportError, match="x"):
        RetryRule(sleep=sleep).run(action, cancelled=cancelled)
    assert len(waits) == 1
    assert waits[0] < 1


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_what_is_wrong_is_moved_once_more(wrong: int) -> None:
    errors: list[Exception] = [VerificationError("wrong")] * wrong

    def action() -> str:
        if errors:
            raise errors.pop()
        return "done"

    rule, _ = recording()
    if wrong < 2:
        assert rule.run_verified(action) == "done"
    else:
        with pytest.raises(VerificationError):
            rule.run_verified(action)
    assert errors == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        (" 120 ", 120),
        ("Thu, 01 Jan 1970 00:17:00 GMT", 20),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, now=1000) == seconds


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (b'{"errors":[{"code":"DENIED","message":"no"},{"code":"B"}]}', "application/json", "DENIED: no; B"),
        (b'{"errors":[{"code":"DENIED","message":"no","detail":{"x":1}}]}', "application/json", "DENIED: no"),
        (b'{"details":"incorrect username"}', "application/json", "incorrect username"),
        (b'{"message":"rate limit"}', "", "rate limit"),
        (b"upstream\x1b[31m gone\r\n", "text/plain; charset=utf-8", "upstream [31m gone"),
        (b"<html>" * 10, "text/html", ""),
        (b'["x"]', "application/json", ""),
        (b"\xff\xfe", "application/json", ""),
        (b"", "", ""),
        (b"x" * 1000, "text/plain", "x" * 400 + "…"),
    ],
)
def test_servers_own_words(content: bytes, content_type: str, text: str) -> None:
    assert error_detail(FakeResponse(content, headers={"Content-Type": content_type})) == text


def test_servers_that_break_while_they_complain_are_still_reported() -> None:
    assert error_detail(FakeResponse(b"x", breaks_at=0)) == ""


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (401, AuthenticationError, False),
        (403, AuthenticationError, False),
        (404, NotFoundError, False),
        (400, TransportError, False),
        (405, TransportError, False),
        (408, TransportError, True),
        (429, TransportError, True),
        (499, TransportError, True),
        (500, TransportError, True),
        (501, TransportError, False),
        (503, TransportError, True),
        (511, TransportError, False),
        (522, TransportError, True),
    ],
)
def test_statuses_become_errors(status: int, kind: type[TransportError], *, transient: bool) -> None:
    error = status_error("GET", FakeResponse(b"", status=status), now=0)
    assert type(error) is kind
    assert error.transient is transient
    assert error.status == status
    assert str(error) == f"GET `https://host/path?…`: status {status}"


def test_rate_limits_say_when_to_try_again() -> None:
    error = status_error("GET", FakeResponse(b"", status=429, headers={"Retry-After": "90"}), now=0)
    assert error.retry_after == 90
    assert error.hint == "the server limits the number of requests: try again in 90 seconds, or log in"
