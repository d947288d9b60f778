"""`test`, `[ … ]` and `[[ … ]]` with files of the system that is made; None is what cannot be known.

Spec: POSIX.1-2024, XCU 4 "test".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.environments.shell.comparisons import NUMBERS, STRINGS, compare
from docker_envs.environments.shell.syntax import UnknownValueError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.debian.scripts.expansion import Expander
    from docker_envs.environments.debian.system.files import SystemFiles
    from docker_envs.environments.shell.syntax import Condition


def evaluate_test(words: Sequence[str | None], files: SystemFiles) -> bool | None:
    """Whether a test (without brackets) holds."""
    if len(words) == 3 and words[1] in (*STRINGS, *NUMBERS):
        return _compare(words[0], str(words[1]), words[2])
    for operator, both in (("-o", False), ("-a", True)):
        if operator in words[1:-1]:
            cut = words.index(operator, 1)
            results = (evaluate_test(words[:cut], files), evaluate_test(words[cut + 1 :], files))
            return joined(results, both=both)
    if words[:1] == ["!"] and len(words) > 1:
        inner = evaluate_test(words[1:], files)
        return None if inner is None else not inner
    if not words:
        return False
    if len(words) == 1:
        return None if words[0] is None else words[0] != ""
    if len(words) == 2:
        return _unary(words[0], words[1], files)
    return None


def evaluate_condition(condition: Condition, expander: Expander, files: SystemFiles) -> bool | None:
    """Whether `[[ … ]]` holds."""
    operator = condition.operator
    inner = [evaluate_condition(each, expander, files) for each in condition.conditions]
    if operator == "!":
        return None if inner[0] is None else not inner[0]
    if inner:
        return joined(inner, both=operator == "&&")
    left, *right = (expander.known_text(word) for word in condition.words)
    if not operator:
        return evaluate_test([left], files)
    if not right:
        return evaluate_test([operator, left], files)
    if operator not in STRINGS:
        return _compare(left, operator, right[0])
    matches = expander.known_match(condition.words[1], left)
    return None if matches is None else matches == (operator != "!=")


def joined(results: Sequence[bool | None], *, both: bool) -> bool | None:
    """`and` (or `or`) of what may be unknown."""
    if any(result is (not both) for result in results):
        return not both
    return None if None in results else both


def _compare(left: str | None, operator: str, right: str | None) -> bool | None:
    try:
        return None if left is None or right is None else compare(left, operator, right)
    except UnknownValueError:
        return None


def _unary(operator: str | None, operand: str | None, files: SystemFiles) -> bool | None:
    if operand is None or operator is None:
        return None
    if operator in ("-n", "-z"):
        return (operand == "") == (operator == "-z")
    if operator in ("-L", "-h"):
        found = files.lookup(operand, follow=False)
        return found is not None and found.kind is Kind.SYMLINK
    found = files.lookup(operand) if operand else None
    match operator:
        case "-e" | "-r" | "-w":
            return found is not None
        case "-f":
            return found is not None and found.kind in (Kind.FILE, Kind.HARDLINK)
        case "-d":
            return found is not None and found.kind is Kind.DIRECTORY
        case "-x":
            return found is not None and (found.kind is not Kind.FILE or found.mode & 0o111 != 0)
        case "-s":
            return found is not None and (found.kind is not Kind.FILE or found.size > 0)
        case _:
            return None
