"""A treemap: a rectangle divided into others whose areas are as given sizes, as near to squares as may be.

Bruls, Huizing, van Wijk: "Squarified Treemaps" (2000).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Rectangle(NamedTuple):
    """A rectangle in units of its drawing, from the left and the top."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """In square units."""
        return self.width * self.height

    def inset(self, margin: float, top: float = 0) -> Rectangle:
        """What is left inside of a margin, and below a title."""
        return Rectangle(
            self.x + margin,
            self.y + margin + top,
            max(self.width - 2 * margin, 0),
            max(self.height - 2 * margin - top, 0),
        )


def divide(space: Rectangle, sizes: Sequence[float]) -> list[Rectangle]:
    """Divide a rectangle by sizes.

    Args:
        space: What is divided.
        sizes: Not negative, the largest first.

    Returns:
        A rectangle for each size; those of size 0 have no area.
    """
    total = sum(sizes)
    scale = space.area / total if total else 0
    areas = [size * scale for size in sizes]
    found: list[Rectangle] = []
    while len(found) < len(areas):
        start = len(found)
        end = start + 1
        side = min(space.width, space.height)
        while end < len(areas) and _worst(areas[start : end + 1], side) <= _worst(areas[start:end], side):
            end += 1
        row, space = _cut(space, areas[start:end])
        found += row
    return found


def _worst(areas: Sequence[float], side: float) -> float:
    """How far from a square the worst rectangle of a row along a side is: 1 is a square."""
    total = sum(areas)
    if not total or not side or not areas[-1]:
        return float("inf")
    return max(side * side * areas[0] / (total * total), total * total / (side * side * areas[-1]))


def _cut(space: Rectangle, areas: Sequence[float]) -> tuple[list[Rectangle], Rectangle]:
    """Put a row along the shorter side, and give what is left."""
    total = sum(areas)
    if space.width >= space.height:
        depth = min(total / space.height, space.width) if space.height else 0
        lengths = [area / depth if depth else 0 for area in areas]
        row = [Rectangle(space.x, space.y + sum(lengths[:n]), depth, length) for n, length in enumerate(lengths)]
        return row, Rectangle(space.x + depth, space.y, space.width - depth, space.height)
    depth = min(total / space.width, space.height) if space.width else 0
    lengths = [area / depth if depth else 0 for area in areas]
    row = [Rectangle(space.x + sum(lengths[:n]), space.y, length, depth) for n, length in enumerate(lengths)]
    return row, Rectangle(space.x, space.y + depth, space.width, space.height - depth)
