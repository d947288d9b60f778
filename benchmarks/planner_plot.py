"""The results of `benchmarks/planner.py` as bars, one panel for each column."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIDTH, _LABELS, _BAR, _PITCH, _TITLE, _GAP = 720, 130, 380, 20, 30, 14
#: Bars that are longer, in multiples of the shortest, are cut off.
_LONGEST = 4


def plot(results: Mapping[str, Mapping[str, float]], columns: Mapping[str, str], *, ours: str) -> str:
    """An SVG document; bars of a panel are in proportion, but for a gap in those that are cut off.

    Args:
        results: Bytes by column of each strategy.
        columns: What each column means.
        ours: The strategy that stands out.
    """
    panel = _TITLE + _PITCH * len(results) + _GAP
    height = panel * len(columns) + _GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>Bytes by strategy</title>",
        '<g font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, (column, title) in enumerate(columns.items()):
        top = _GAP + panel * number
        values = [row[column] for row in results.values()]
        longest = min(max(values), _LONGEST * min(values))
        parts.append(f'<text x="10" y="{top + 14}" font-weight="bold">{escape(title)}</text>')
        for place, (name, row) in enumerate(results.items()):
            y = top + _TITLE + _PITCH * place
            width = _BAR * min(row[column] / longest, 1)
            colour = "#1769aa" if name == ours else "#b5bec6"
            weight = ' font-weight="bold"' if name == ours else ""
            parts += [
                f'<text x="{_LABELS}" y="{y + 9}" text-anchor="end"{weight}>{escape(name)}</text>',
                f'<rect x="{_LABELS + 8}" y="{y - 3}" width="{width:.1f}" height="15" fill="{colour}"/>',
                f'<text x="{_LABELS + 14 + width:.1f}" y="{y + 9}"{weight}>{row[column] / 1e6:,.1f} MB</text>',
            ]
            if row[column] > longest:
                x = _LABELS + _BAR - 20
                parts.append(f'<path d="M{x} {y + 13} l8 -17" stroke="#fff" stroke-width="4"/>')
    return "\n".join([*parts, "</g>", "</svg>", ""])
