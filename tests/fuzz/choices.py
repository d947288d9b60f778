"""Choices out of a few bytes, so that any fuzzer may make them; when the bytes are used up, the first of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Choices:
    """Takes its decisions from `recipe`, front to back."""

    def __init__(self, recipe: bytes) -> None:
        self._left = recipe

    @property
    def more(self) -> bool:
        """Whether there are decisions left."""
        return bool(self._left)

    def number(self, below: int) -> int:
        """A number from 0 on."""
        width = 1 if below <= 256 else 2 if below <= 65_536 else 4
        taken, self._left = self._left[:width], self._left[width:]
        return int.from_bytes(taken, "big") % below

    def pick(self, options: Sequence[T]) -> T:
        return options[self.number(len(options))]

    def some(self, limit: int) -> bytes:
        """Up to `limit` bytes."""
        size = self.number(limit + 1)
        taken, self._left = self._left[:size], self._left[size:]
        return taken

    def rest(self) -> bytes:
        taken, self._left = self._left, b""
        return taken
