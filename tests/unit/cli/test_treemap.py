"""Treemaps: nothing is lost, nothing overlaps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.cli.treemap import Rectangle, divide

SPACE = Rectangle(10, 20, 300, 200)
SIZES = st.lists(st.integers(0, 1 << 40), max_size=40).map(lambda sizes: sorted(sizes, reverse=True))


@given(SIZES)
def test_areas_are_as_sizes(sizes: list[int]) -> None:
    found = divide(SPACE, sizes)
    assert len(found) == len(sizes)
    total = sum(sizes)
    for size, cell in zip(sizes, found, strict=True):
        assert cell.area == pytest.approx(size / total * SPACE.area if total else 0, rel=1e-3, abs=1e-3)


@given(SIZES)
def test_cells_stay_inside_and_apart(sizes: list[int]) -> None:
    found = [cell for cell in divide(SPACE, sizes) if cell.area > 1e-3]
    for cell in found:
        assert cell.x >= SPACE.x - 1e-6
        assert cell.y >= SPACE.y - 1e-6
        assert cell.x + cell.width <= SPACE.x + SPACE.width + 1e-6
        assert cell.y + cell.height <= SPACE.y + SPACE.height + 1e-6
    for number, one in enumerate(found):
        for other in found[:number]:
            width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert width < 1e-6 or height < 1e-6


def test_equal_sizes_are_squares() -> None:
    found = divide(Rectangle(0, 0, 200, 200), [1, 1, 1, 1])
    assert {(cell.width, cell.height) for cell in found} == {(100, 100)}


def test_inset() -> None:
    assert Rectangle(0, 0, 10, 20).inset(1, 5) == Rectangle(1, 6, 8, 13)
    assert Rectangle(0, 0, 1, 1).inset(1, 5).area == 0
