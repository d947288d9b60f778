"""How much memory a piece of work takes."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def peak_memory(work: Callable[[], object]) -> int:
    """The most bytes that Python held at once while `work` ran, beyond those that it held before."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
