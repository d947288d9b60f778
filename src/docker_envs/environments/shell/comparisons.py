"""Comparing numbers, as `test` and `[[ … ]]` do.

Spec: POSIX.1-2024, XCU 3 "test".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.environments.shell.syntax import UnknownValueError

if TYPE_CHECKING:
    from collections.abc import Callable

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
#: By their operators.
NUMBERS: dict[str, Callable[[int, int], bool]] = {
    "-eq": int.__eq__,
    "-ne": int.__ne__,
    "-lt": int.__lt__,
    "-le": int.__le__,
    "-gt": int.__gt__,
    "-ge": int.__ge__,
}
#: Operators between two strings; a shell may have `==` as well.
STRINGS = ("=", "==", "!=")


def compare(left: str, operator: str, right: str) -> bool:
    """Whether a comparison of strings or of numbers holds.

    Raises:
        UnknownValueError: The operator is none of these, or its operands are no numbers, which is an error in a shell.
    """
    if operator in STRINGS:
        return (left == right) == (operator != "!=")
    if operator not in NUMBERS or not _INTEGER.fullmatch(left) or not _INTEGER.fullmatch(right):
        raise UnknownValueError(f"`{operator}` in a test")
    return NUMBERS[operator](int(left), int(right))
