"""Work on threads: results in order, the most expensive first, and all of it ends together."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.builder.parallel import Cancelled, checked, cores, map_parallel

if TYPE_CHECKING:
    from collections.abc import Iterator


@given(st.lists(st.integers()), st.integers(1, 5))
def test_results_are_in_the_order_of_the_items(items: list[int], workers: int) -> None:
    assert map_parallel(lambda item, _: item * 2, items, workers=workers, cost=abs) == [item * 2 for item in items]


def test_the_most_expensive_item_is_first() -> None:
    started: list[int] = []
    map_parallel(lambda item, _: started.append(item), [1, 5, 3, 5, 2], workers=1, cost=lambda item: item)
    assert started == [5, 5, 3, 2, 1]


def test_no_more_workers_than_asked_for() -> None:
    running, most = set[int](), list[int]()
    lock = threading.Lock()
    gate = threading.Barrier(3, timeout=10)

    def work(item: int, _: threading.Event) -> None:
        with lock:
            running.add(item)
            most.append(len(running))
        gate.wait()
        with lock:
            running.discard(item)

    map_parallel(work, range(9), workers=3, cost=lambda _: 0)
    assert max(most) == 3


def test_the_first_error_ends_the_others_and_comes_out() -> None:
    endings: list[str] = []
    waiting = threading.Event()

    def work(item: str, cancelled: threading.Event) -> None:
        if item == "fails":
            assert waiting.wait(10)
            raise ValueError("of this item")

        def forever() -> Iterator[int]:
            while True:
                waiting.set()
                yield 0

        try:
            for _ in checked(forever(), cancelled):
                pass
        except Cancelled:
            endings.append(item)
            raise

    costs = {"goes on": 3, "fails": 2, "never starts": 1}
    with pytest.raises(ValueError, match="of this item"):
        map_parallel(work, list(costs), workers=2, cost=costs.__getitem__)
    assert endings == ["goes on"]


def test_checked_passes_items_on_until_the_event() -> None:
    cancelled = threading.Event()
    items = checked(iter([1, 2, 3]), cancelled)
    assert next(items) == 1
    cancelled.set()
    with pytest.raises(Cancelled):
        next(items)
    assert list(checked([1, 2], threading.Event())) == [1, 2]


def test_cores_are_those_that_the_process_may_use() -> None:
    assert cores() == len(os.sched_getaffinity(0))
