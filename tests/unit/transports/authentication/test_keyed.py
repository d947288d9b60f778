from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from docker_envs.transports.authentication.keyed import KeyedLocks, Once


def test_other_keys_are_free() -> None:
    locks = KeyedLocks()
    with locks.hold("a"), locks.hold("b"), ThreadPoolExecutor(1) as pool:
        entered = threading.Event()

        def enter() -> None:
            with locks.hold("a"):
                entered.set()

        waiting = pool.submit(enter)
        assert not entered.wait(0.05)
        # Leaving this block without `a` would wait for ever.
        locks._locks["a"].release()
        waiting.result(10)
        locks._locks["a"].acquire()


def test_values_are_made_once() -> None:
    made: list[str] = []
    barrier = threading.Barrier(8)

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    once = Once(make)

    def ask(_: int) -> str:
        barrier.wait(10)
        return once("a")

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"A"}
    assert once("b") == "B"
    assert made == ["a", "b"]


def test_errors_are_not_kept() -> None:
    outcomes = iter([ValueError("x"), None])

    def make(_: str) -> None:
        if outcome := next(outcomes):
            raise outcome

    once = Once(make)
    with pytest.raises(ValueError, match="x"):
        once("a")
    assert once("a") is None
