from __future__ import annotations

import pytest

from docker_envs.errors import TransportError
from docker_envs.transports.resuming import ResumingReader, range_from
from tests.unit.transports.helpers import FakeResponse, recording

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
