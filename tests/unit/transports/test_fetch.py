from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import AuthenticationError, FormatError, NotFoundError, TransportError, VerificationError
from docker_envs.transports.fetch import (
    ResumingReader,
    RetryRule,
    error_detail,
    parse_retry_after,
    range_from,
    status_error,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class FakeResponse(io.BytesIO):
    """An answer in memory that breaks after some bytes."""

    def __init__(
        self,
        content: bytes,
        *,
        status: int = 200,
        breaks_at: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(content)
        self.status = status
        self.url = "https://host/path?secret=1"
        self.headers: Mapping[str, str] = headers or {}
        self._breaks_at = breaks_at

    def read(self, size: int | None = -1, /) -> bytes:
        if self._breaks_at is not None and self.tell() >= self._breaks_at:
            raise TransportError("broken", transient=True)
        return super().read(size)

    def read_limited(self, limit: int, *, source: str) -> bytes:
        raise FormatError(source, f"{limit}")


def run(rule: RetryRule, errors: list[TransportError]) -> str:
    def action() -> str:
        if errors:
            raise errors.pop(0)
        return "done"

    return rule.run(action)


def recording(jitter: float = 1.0, **limits: float) -> tuple[RetryRule, list[float]]:
    waits: list[float] = []
    rule = RetryRule(sleep=waits.append, jitter=lambda: jitter, **limits)  # type: ignore[arg-type]
    return rule, waits


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


CONTENT = bytes(range(256)) * 40


def read_resuming(*breaks_at: int | None, status: int = 206) -> tuple[bytes, list[int], list[FakeResponse]]:
    offsets: list[int] = []
    given: list[FakeResponse] = []

    def open_at(offset: int) -> FakeResponse:
        first = offset if status == 206 else 0
        limit = breaks_at[len(given)]
        given.append(FakeResponse(CONTENT[first:], status=status if offset else 200, breaks_at=limit))
        offsets.append(offset)
        return given[-1]

    rule, _ = recording()
    with ResumingReader(open_at, rule) as stream:
        pieces = list(iter(lambda: stream.read(1000), b""))
    return b"".join(pieces), offsets, given


def test_broken_downloads_go_on_where_they_broke() -> None:
    content, offsets, given = read_resuming(3000, 2000, None)
    assert content == CONTENT
    assert offsets == [0, 3000, 5000]
    assert all(response.closed for response in given)


def test_servers_without_ranges_are_read_from_the_start() -> None:
    content, offsets, _ = read_resuming(3000, None, status=200)
    assert content == CONTENT
    assert offsets == [0, 3000]


def test_broken_downloads_end_with_the_error_when_nothing_helps() -> None:
    rule, waits = recording(attempts=4)
    reader = ResumingReader(lambda _: FakeResponse(b"x" * 10, breaks_at=0), rule)
    with pytest.raises(TransportError, match="broken"):
        reader.read()
    reader.close()
    assert len(waits) == 3


def reader_of(*answers: FakeResponse | TransportError, size: int | None = None) -> tuple[ResumingReader, list[int]]:
    offsets: list[int] = []
    waiting = list(answers)

    def open_at(offset: int) -> FakeResponse:
        offsets.append(offset)
        answer = waiting.pop(0)
        if isinstance(answer, TransportError):
            raise answer
        return answer

    return ResumingReader(open_at, recording()[0], size=size), offsets


def partly(first: int, *, claimed: int | None = None) -> FakeResponse:
    headers = {"Content-Range": f"bytes {first if claimed is None else claimed}-{len(CONTENT) - 1}/{len(CONTENT)}"}
    return FakeResponse(CONTENT[first:], status=206, headers=headers)


def pieces(stream: ResumingReader) -> bytes:
    with stream:
        return b"".join(iter(lambda: stream.read(1000), b""))


def test_any_number_of_breaks_is_got_over_while_something_comes() -> None:
    answers = [FakeResponse(CONTENT[first:], status=206, breaks_at=100) for first in range(0, len(CONTENT), 100)]
    answers[0].status = 200
    stream, offsets = reader_of(*answers, FakeResponse(b"", status=206))
    with stream:
        assert b"".join(iter(lambda: stream.read(100), b"")) == CONTENT
    assert len(offsets) > 100


def test_ranges_that_begin_before_are_skipped_to() -> None:
    stream, _ = reader_of(FakeResponse(CONTENT, breaks_at=3000), partly(2000))
    assert pieces(stream) == CONTENT


def test_ranges_that_begin_behind_are_asked_for_again() -> None:
    stream, offsets = reader_of(FakeResponse(CONTENT, breaks_at=3000), partly(3000, claimed=4000), partly(3000))
    assert pieces(stream) == CONTENT
    assert offsets == [0, 3000, 3000]


def test_ranges_that_are_refused_are_not_insisted_on() -> None:
    refused = TransportError("no", status=416)
    stream, offsets = reader_of(FakeResponse(CONTENT, breaks_at=3000), refused, FakeResponse(CONTENT))
    assert pieces(stream) == CONTENT
    assert offsets == [0, 3000, 0]


def test_an_early_end_is_asked_about_once() -> None:
    stream, offsets = reader_of(FakeResponse(CONTENT[:3000]), partly(3000), size=len(CONTENT))
    assert pieces(stream) == CONTENT
    assert offsets == [0, 3000]
    stream, offsets = reader_of(FakeResponse(CONTENT[:3000]), FakeResponse(b"", status=206), size=len(CONTENT))
    assert pieces(stream) == CONTENT[:3000]


def test_a_break_behind_the_last_byte_does_not_matter() -> None:
    stream, offsets = reader_of(FakeResponse(CONTENT, breaks_at=len(CONTENT)), size=len(CONTENT))
    assert pieces(stream) == CONTENT
    assert offsets == [0]


def test_after_a_break_less_is_asked_for_at_once() -> None:
    """What a read had got when its connection broke is lost."""
    sizes: list[int] = []

    class Fragile(FakeResponse):
        def read(self, size: int | None = -1, /) -> bytes:
            sizes.append(size or 0)
            if (size or 0) > 70_000:
                raise TransportError("broken", transient=True)
            return super().read(size)

    stream, _ = reader_of(*[Fragile(CONTENT) for _ in range(9)])
    with stream:
        assert stream.read(1 << 20) == CONTENT
    assert sizes == [1 << 20, 1 << 16]


def test_range_header() -> None:
    assert range_from(0) == {}
    assert range_from(7) == {"Range": "bytes=7-"}


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
