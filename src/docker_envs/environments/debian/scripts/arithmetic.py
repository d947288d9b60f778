"""Integer arithmetic of the shell, `$((…))`.

Spec: POSIX.1-2024, XCU 2.6.4 "Arithmetic Expansion", without assignments.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING

from docker_envs.environments.shell.syntax import UnknownValueError

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(r"\s*(?:(\d+)|\$?\{?([A-Za-z_]\w*)\}?|(<=|>=|==|!=|&&|\|\||[-+*/%()<>!]))")
_LONGEST = 500
_LARGEST = 1 << 62
_MAX_DEPTH = 20
_LEVELS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"||": lambda one, other: int(bool(one or other))},
    {"&&": lambda one, other: int(bool(one and other))},
    {"==": lambda one, other: int(one == other), "!=": lambda one, other: int(one != other)},
    {
        "<": lambda one, other: int(one < other),
        "<=": lambda one, other: int(one <= other),
        ">": lambda one, other: int(one > other),
        ">=": lambda one, other: int(one >= other),
    },
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": lambda one, other: _divided(one, other), "%": lambda one, other: _remainder(one, other)},
)


def evaluate(expression: str, value: Callable[[str], str]) -> int:
    """The value of an expression.

    Args:
        expression: What is between the parentheses.
        value: Gives the value of a variable; raises UnknownValueError if it is not known.

    Raises:
        UnknownValueError: Something in it is not known, or no arithmetic of this kind.
    """
    if len(expression) > _LONGEST:
        raise UnknownValueError("arithmetic")
    tokens: list[str] = []
    position = 0
    text = expression.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise UnknownValueError("arithmetic")
        tokens.append(found[1] or (_number(value(found[2])) if found[2] else found[3]))
        position = found.end()
    reading = _Reading(tokens)
    result = reading.level(0)
    if reading.rest:
        raise UnknownValueError("arithmetic")
    return result


def _number(text: str) -> str:
    """A variable's value, which is 0 where it is empty."""
    text = text.strip() or "0"
    if not re.fullmatch(r"-?\d{1,18}", text):
        raise UnknownValueError("arithmetic")
    return text


class _Reading:
    def __init__(self, tokens: list[str]) -> None:
        self.rest = tokens[::-1]
        self._depth = 0

    def level(self, number: int) -> int:
        if number == len(_LEVELS):
            return self._operand()
        result = self.level(number + 1)
        while self.rest and self.rest[-1] in _LEVELS[number]:
            result = _LEVELS[number][self.rest.pop()](result, self.level(number + 1))
            if abs(result) > _LARGEST:
                raise UnknownValueError("arithmetic")
        return result

    def _operand(self) -> int:
        token = self.rest.pop() if self.rest else ""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnknownValueError("arithmetic")
        try:
            if token in ("-", "+", "!"):
                inner = self._operand()
                return {"-": -inner, "+": inner, "!": int(not inner)}[token]
            if token == "(":
                inner = self.level(0)
                if not self.rest or self.rest.pop() != ")":
                    raise UnknownValueError("arithmetic")
                return inner
            # A leading zero would be octal.
            if not re.fullmatch(r"-?(?:0|[1-9]\d{0,17})", token):
                raise UnknownValueError("arithmetic")
            return int(token)
        finally:
            self._depth -= 1


def _divided(one: int, other: int) -> int:
    """The quotient, towards zero."""
    if other == 0:
        raise UnknownValueError("arithmetic")
    quotient = abs(one) // abs(other)
    return quotient if (one < 0) == (other < 0) else -quotient


def _remainder(one: int, other: int) -> int:
    return one - _divided(one, other) * other
