"""Threads that want the same thing wait for one another; those that want different things do not."""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

Key = TypeVar("Key", bound="Hashable")
Value = TypeVar("Value")


class KeyedLocks:
    """A lock for each key."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)

    @contextmanager
    def hold(self, key: Hashable) -> Iterator[None]:
        """Hold the lock of `key` for the block."""
        with self._lock:
            lock = self._locks[key]
        with lock:
            yield


class Once(Generic[Key, Value]):
    """Values that are made once for each key, by the first thread that asks; after an error, by the next.

    Args:
        make: Gives the value of a key.
    """

    def __init__(self, make: Callable[[Key], Value]) -> None:
        self._make = make
        self._locks = KeyedLocks()
        self._values: dict[Key, Value] = {}

    def __call__(self, key: Key) -> Value:
        """The value of `key`."""
        with self._locks.hold(key):
            if key not in self._values:
                self._values[key] = self._make(key)
            return self._values[key]
