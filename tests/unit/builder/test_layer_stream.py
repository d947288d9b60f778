"""Layers that are sent while they are made."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.layer_stream import LayerStream
from docker_envs.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker_envs.streams import ByteSource

PIECES = [random.Random(number).randbytes(300_000) for number in range(5)]
WAIT = 10.0


class Registry:
    """Reads what is sent, as often as wanted, and notes what came."""

    def __init__(self, times: int = 1) -> None:
        self.times = times
        self.sent: list[bytes] = []
        self.errors: list[TransportError] = []
        self.came = threading.Event()

    def send(self, opener: Callable[[], ByteSource]) -> str | None:
        for _ in range(self.times):
            self.sent.append(b"")
            try:
                with opener() as stream:
                    while chunk := stream.read(100_000):
                        self.sent[-1] += chunk
                        self.came.set()
            except TransportError as error:
                self.errors.append(error)
                return None
        return "somewhere"


@pytest.mark.parametrize("times", [1, 2])
def test_what_is_written_is_sent_at_once_and_whole(tmp_path: Path, times: int) -> None:
    registry = Registry(times)
    with LayerStream(registry.send, threading.Event()) as stream:
        with (tmp_path / "layer").open("w+b") as file:
            sink = stream.tee(file)
            sink.write(PIECES[0])
            assert registry.came.wait(WAIT)
            for piece in PIECES[1:]:
                sink.write(piece)
        # The store gives it another name before all of it is sent.
        (tmp_path / "layer").rename(tmp_path / "blob")
        assert stream.location() == "somewhere"
    assert registry.sent == [b"".join(PIECES)] * times
    assert (tmp_path / "blob").read_bytes() == b"".join(PIECES)


def test_small_pieces_do_not_wait_in_a_buffer(tmp_path: Path) -> None:
    registry = Registry()
    with (tmp_path / "layer").open("w+b") as file, LayerStream(registry.send, threading.Event()) as stream:
        stream.tee(file).write(b"x")
        assert registry.came.wait(WAIT)
        assert stream.location() == "somewhere"
    assert registry.sent == [b"x"]


def test_a_layer_that_cannot_be_made_has_no_end(tmp_path: Path) -> None:
    registry = Registry()

    def make() -> None:
        with (tmp_path / "layer").open("w+b") as file, LayerStream(registry.send, threading.Event()) as stream:
            stream.tee(file).write(PIECES[0])
            raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        make()
    assert len(registry.errors) == 1


def test_cancelling_ends_a_reader_that_waits(tmp_path: Path) -> None:
    registry, cancelled = Registry(), threading.Event()
    with (tmp_path / "layer").open("w+b") as file, LayerStream(registry.send, cancelled) as stream:
        stream.tee(file).write(PIECES[0])
        assert registry.came.wait(WAIT)
        cancelled.set()
        assert stream.location() is None
    assert len(registry.errors) == 1


def test_a_layer_that_is_made_elsewhere_is_not_sent() -> None:
    registry = Registry()
    with LayerStream(registry.send, threading.Event()) as stream:
        assert stream.location() is None
    assert registry.sent == []
