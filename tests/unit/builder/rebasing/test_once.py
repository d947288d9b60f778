"""One thread makes a value, the others wait for it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from docker_envs.builder.rebasing.once import Once


def test_a_value_is_made_once() -> None:
    once: Once[str, int] = Once()
    waiting, made = threading.Barrier(4), []

    def make() -> int:
        made.append(1)
        return 7

    def ask() -> int:
        waiting.wait(10)
        return once.get("key", make)

    with ThreadPoolExecutor(4) as executor:
        asked = [executor.submit(ask) for _ in range(4)]
    assert [each.result() for each in asked] == [7] * 4
    assert made == [1]


def test_an_error_is_everybodys() -> None:
    once: Once[str, int] = Once()
    with pytest.raises(ZeroDivisionError):
        once.get("key", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        once.get("key", lambda: 1)
    assert once.get("other", lambda: 1) == 1
