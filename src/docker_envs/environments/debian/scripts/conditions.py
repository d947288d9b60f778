"""`test` and `[ … ]` with files of the system that is made; None is what cannot be known.

Spec: POSIX.1-2024, XCU 4 "test".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.debian.system.files import SystemFiles

_STRINGS = ("=", "==", "!=")
_NUMBERS = {
    "-eq": int.__eq__,
    "-ne": int.__ne__,
    "-lt": int.__lt__,
    "-le": int.__le__,
    "-gt": int.__gt__,
    "-ge": int.__ge__,
}


def evaluate_test(words: Sequence[str | None], files: SystemFiles) -> bool | None:
    """Whether a test (without brackets) holds."""
    if len(words) == 3 and words[1] in (*_STRINGS, *_NUMBERS):
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


def joined(results: Sequence[bool | None], *, both: bool) -> bool | None:
    """`and` (or `or`) of what may be unknown."""
    if any(result is (not both) for result in results):
        return not both
    return None if None in results else both


def _compare(left: str | None, operator: str, right: str | None) -> bool | None:
    if left is None or right is None:
        return None
    if operator in _STRINGS:
        return (left == right) == (operator != "!=")
    if not left.lstrip("-").isdecimal() or not right.lstrip("-").isdecimal():
        return None
    return _NUMBERS[operator](int(left), int(right))


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
