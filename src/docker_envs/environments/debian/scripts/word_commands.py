"""Commands of maintainer scripts that compute something from their words, or from their input alone.

Each gives `UNKNOWN` for options and input that it does not know.

Spec: POSIX.1-2024, XCU 3 "Utilities".
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.outcome import UNKNOWN, Outcome
from docker_envs.environments.debian.scripts.posix_patterns import UnknownPatternError, compile_posix
from docker_envs.environments.debian.scripts.sed import UnknownSedError, check_cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.debian.scripts.flow import Input

_MAX_NUMBERS = 10_000
_OCTAL_OR_FORMAT = re.compile(r"%(.)|\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "r": "\r", '"': '"', "'": "'"}
_SETS = {
    "a-z": "abcdefghijklmnopqrstuvwxyz",
    "A-Z": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "0-9": "0123456789",
    "[:lower:]": "abcdefghijklmnopqrstuvwxyz",
    "[:upper:]": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "[:digit:]": "0123456789",
    "[:space:]": " \t\n\v\f\r",
    "[:blank:]": " \t",
}
_SET = re.compile(r"\[:[a-z]+:\]|a-z|A-Z|0-9|\\.|[^\\\[\]-]", re.DOTALL)


def awk(words: Sequence[str], given: Input) -> Outcome:
    """Without input only the end of a program is reached, which may write a variable that is empty."""
    program = words[0] if len(words) == 1 else ""
    if not program or program.startswith("-") or "BEGIN" in program or given.rest() != "":
        return UNKNOWN
    if "END" not in program:
        return Outcome()
    writes_nothing = program.count("END") == 1 and re.search(r"END *\{ *print [a-z]+ *\}\s*\Z", program)
    return Outcome(output="\n") if writes_nothing else UNKNOWN


def basename(words: Sequence[str], _: Input) -> Outcome:
    """The last part of a path, without a suffix."""
    words = [word for word in words if word != "--"]
    if len(words) not in (1, 2) or words[0].startswith("-"):
        return UNKNOWN
    name = posixpath.basename(words[0].rstrip("/")) or "/"[: len(words[0])]
    suffix = words[1] if len(words) == 2 else ""
    return Outcome(output=f"{name.removesuffix(suffix) if name != suffix else name}\n")


def dirname(words: Sequence[str], _: Input) -> Outcome:
    """A path without its last part."""
    words = [word for word in words if word != "--"]
    if len(words) != 1 or words[0].startswith("-"):
        return UNKNOWN
    head = posixpath.dirname(words[0].rstrip("/"))
    return Outcome(output=f"{head or ('/' if words[0].startswith('/') else '.')}\n")


def seq(words: Sequence[str], _: Input) -> Outcome:
    """Numbers, one a line."""
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"-?\d{1,9}", word) for word in words):
        return UNKNOWN
    numbers = list(map(int, words))
    last = numbers[-1]
    first, step = (numbers[0] if len(numbers) > 1 else 1), (numbers[1] if len(numbers) == 3 else 1)
    if step == 0 or abs(last - first) // abs(step) > _MAX_NUMBERS:
        return UNKNOWN
    return Outcome(output="".join(f"{each}\n" for each in range(first, last + (1 if step > 0 else -1), step)))


def expr(words: Sequence[str], _: Input) -> Outcome:
    """One operation on two operands."""
    if len(words) != 3:
        return UNKNOWN
    left, sign, right = words
    if sign == ":":
        try:
            pattern = compile_posix(right, extended=False)
            check_cost(left, [pattern])
        except (UnknownPatternError, UnknownSedError):
            return UNKNOWN
        if not pattern.is_plain or right.startswith("^"):
            return UNKNOWN
        found = pattern.compiled.match(left)
        group = 1 if pattern.compiled.groups else 0
        result = (found[group] or "") if found else ""
        result = result if group else str(len(result))
    elif sign in ("+", "-", "=", "!=") and all(re.fullmatch(r"-?\d{1,15}", each) for each in (left, right)):
        one, other = int(left), int(right)
        result = str({"+": one + other, "-": one - other, "=": int(one == other), "!=": int(one != other)}[sign])
    elif sign in ("=", "!="):
        result = str(int((left == right) == (sign == "=")))
    else:
        return UNKNOWN
    return Outcome(result not in ("", "0"), f"{result}\n")


def printf(words: Sequence[str], _: Input) -> Outcome:
    """Arguments in a format that has only `%s` and `%%`."""
    if not words or words[0].startswith("-"):
        return UNKNOWN
    form, arguments = words[0], list(words[1:])
    pieces = _OCTAL_OR_FORMAT.findall(form)
    if any(letter not in "s%" or (escape and escape not in _ESCAPES) for letter, escape in pieces if letter or escape):
        return UNKNOWN
    wants = sum(letter == "s" for letter, _ in pieces)
    written = ""
    while True:
        values = iter([*arguments[:wants], *[""] * wants])
        written += _OCTAL_OR_FORMAT.sub(lambda found, values=values: _formatted(found, values), form)  # type: ignore[misc]
        arguments = arguments[wants:]
        if not arguments or not wants:
            return Outcome(output=written)


def _formatted(found: re.Match[str], values: object) -> str:
    if found[1] == "s":
        return next(values)  # type: ignore[call-overload, no-any-return]
    return "%" if found[1] else _ESCAPES[found[2]]


def tr(words: Sequence[str], given: Input) -> Outcome:
    """Characters replaced or deleted."""
    options = {letter for word in words[:-1] if re.fullmatch(r"-[cdsC]+", word) for letter in word[1:].lower()}
    sets = [_set(word) for word in words if not re.fullmatch(r"-[cdsC]+", word)]
    text = given.rest()
    if text is None or not sets or None in sets or len(sets) > 2 or any(word.startswith("--") for word in words):
        return UNKNOWN
    first = sets[0] or ""
    if options - {"c"} == {"d"} and len(sets) == 1:
        return Outcome(output="".join(each for each in text if (each in first) == ("c" in options)))
    if options or len(sets) != 2 or not sets[1]:
        return UNKNOWN
    second = sets[1].ljust(len(first), sets[1][-1])
    table: dict[int, str] = {}
    for one, other in zip(first, second, strict=False):
        table[ord(one)] = other
    return Outcome(output=text.translate(table))


def _set(text: str) -> str | None:
    result, position = "", 0
    while position < len(text):
        found = _SET.match(text, position)
        if found is None:
            return None
        piece = found[0]
        if piece.startswith("\\"):
            if piece[1] not in _ESCAPES:
                return None
            piece = _ESCAPES[piece[1]]
        elif len(piece) > 1:
            if piece not in _SETS:
                return None
            piece = _SETS[piece]
        result += piece
        position = found.end()
    return result
