"""The known name that somebody may have meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest one when there is one, else all of them."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1)
    if nearest:
        return f"did you mean `{nearest[0]}`?"
    return f"known are {', '.join(f'`{each}`' for each in names)}" if names else "none is known"
