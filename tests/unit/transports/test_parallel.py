from __future__ import annotations

import _thread
import threading
import time
from functools import partial

import pytest

from docker_envs.transports.parallel import run_parallel


def test_all_jobs_run_on_a_few_threads() -> None:
    done: list[int] = []
    names: set[str] = set()

    def job(number: int, cancelled: threading.Event) -> None:
        assert not cancelled.is_set()
        done.append(number)
        names.add(threading.current_thread().name)

    run_parallel([partial(job, number) for number in range(100)], workers=3)
    assert sorted(done) == list(range(100))
    assert len(names) <= 3


def test_nothing_to_do() -> None:
    run_parallel([], workers=4)


def test_jobs_run_at_once() -> None:
    barrier = threading.Barrier(4, timeout=10)
    run_parallel([lambda _: barrier.wait()] * 4, workers=4)


def test_the_first_error_ends_the_others() -> None:
    started: list[str] = []
    ended = threading.Event()

    def long(cancelled: threading.Event) -> None:
        started.append("long")
        assert cancelled.wait(10)
        ended.set()
        raise RuntimeError("cancelled")

    def bad(_: threading.Event) -> None:
        raise ValueError("first")

    def never(_: threading.Event) -> None:
        started.append("never")

    with pytest.raises(ValueError, match="first"):
        run_parallel([long, bad, *[never] * 50], workers=2)
    assert ended.is_set()
    assert started.count("never") < 50


def test_interrupts_end_all_promptly() -> None:
    """Ctrl-C, which Python delivers to the main thread."""
    cancelled_jobs: list[bool] = []

    def job(cancelled: threading.Event) -> None:
        if len(cancelled_jobs) == 0:
            _thread.interrupt_main()
        cancelled_jobs.append(cancelled.wait(10))

    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_parallel([job] * 8, workers=2)
    assert time.monotonic() - before < 5
    assert all(cancelled_jobs)
    assert not [thread for thread in threading.enumerate() if "work" in thread.name]
