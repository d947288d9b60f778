"""The builder's work on threads: results in order, the most expensive item first, all ending together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from docker_envs.transports.parallel import run_parallel

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cancelled(Exception):  # noqa: N818 - no error: others hear of the one that caused it
    """Ends a worker whose work is no longer wanted."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_parallel(
    function: Callable[[Item, threading.Event], Result],
    items: Sequence[Item],
    *,
    workers: int,
    cost: Callable[[Item], int],
) -> list[Result]:
    """Apply `function` to all items, the most expensive first; results in the order of the items.

    Args:
        function: Gets an item, and an event that is set when it shall give up (see `checked`).
        items: What to work on.
        workers: Number of threads.
        cost: How much work an item is.

    Raises:
        BaseException: The first error of any item, or `KeyboardInterrupt`.
    """
    results: dict[int, Result] = {}

    def job(index: int) -> Callable[[threading.Event], object]:
        return lambda cancelled: results.__setitem__(index, function(items[index], cancelled))

    order = sorted(range(len(items)), key=lambda index: -cost(items[index]))
    run_parallel([job(index) for index in order], workers=workers)
    return [results[index] for index in range(len(items))]


def checked(items: Iterable[Item], cancelled: threading.Event) -> Iterator[Item]:
    """Pass items on until the work is given up.

    Raises:
        Cancelled: It was.
    """
    for item in items:
        if cancelled.is_set():
            raise Cancelled
        yield item


def pause(cancelled: threading.Event, seconds: float) -> None:
    """Wait, until the work is given up.

    Raises:
        Cancelled: It was.
    """
    if cancelled.wait(seconds):
        raise Cancelled
