"""Licences as packages say them, and what SPDX calls them.

Spec: SPDX 2.3, annex D, "SPDX license expressions".
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

# No real expression is longer, and what parses one is not made for hostile texts.
_MAX_LENGTH = 1000
_EXPRESSION = re.compile(r"[A-Za-z0-9.+() -]+\Z")


def spdx_expression(text: str) -> str | None:
    """A licence as an SPDX expression in its usual form; None when it is none, as many texts in packages."""
    if not text.strip() or len(text) > _MAX_LENGTH or not _EXPRESSION.match(text):
        return None
    try:
        found = _licensing().validate(text)
    except (AttributeError, TypeError, ValueError, RecursionError):
        # The library fails in these ways while it explains what is wrong, as in `MIT AND`.
        return None
    expression = None if found.errors else found.normalized_expression
    # The library knows ids of its own, which only an SPDX document that defines them may use.
    return None if expression is None or "LicenseRef-" in expression else str(expression)


@cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
