"""`test`, `[ … ]` and `[[ … ]]`.

Spec: POSIX.1-2024, XCU 4 "test"; GNU Bash manual, "Bash Conditional Expressions".
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from docker_envs.environments.shell.comparisons import NUMBERS, STRINGS, compare
from docker_envs.environments.shell.syntax import Condition, UnknownValueError, Word, bare, is_name

if TYPE_CHECKING:
    from docker_envs.environments.conda.activating.shell.expansion import Expander


class PathKind(Enum):
    """What is at a path of the image."""

    MISSING = "missing"
    DIRECTORY = "directory"
    FILE = "file"
    EXECUTABLE = "executable file"


#: Says what is at an absolute path of the image once all symbolic links are followed, None where that is not known.
PathLookup: TypeAlias = Callable[[str], PathKind | None]

_FILES = frozenset((PathKind.FILE, PathKind.EXECUTABLE))
_FILE_TESTS = {
    "-e": _FILES | {PathKind.DIRECTORY},
    "-f": _FILES,
    "-d": frozenset((PathKind.DIRECTORY,)),
    "-x": frozenset((PathKind.EXECUTABLE, PathKind.DIRECTORY)),
}


def prefix_lookup(prefix: str, paths: Mapping[str, PathKind | None]) -> PathLookup:
    """Look up paths in a prefix whose content is known.

    Args:
        prefix: Absolute, as in the image.
        paths: All files of the environment, relative to the prefix, with None for a symbolic link that was not
            followed; directories that hold files need not be named.
    """
    directories = {""}
    for path in paths:
        parent = path.rpartition("/")[0]
        while parent not in directories:
            directories.add(parent)
            parent = parent.rpartition("/")[0]

    def lookup(path: str) -> PathKind | None:
        if ".." in path.split("/") or not path.startswith("/") or path.startswith("//"):
            return None
        clean = posixpath.normpath(path)
        if clean != prefix and not clean.startswith(f"{prefix}/"):
            return None
        relative = clean[len(prefix) + 1 :]
        for end in (*(at for at, character in enumerate(relative) if character == "/"), len(relative)):
            if relative[:end] in paths and paths[relative[:end]] is None:
                return None
        kind = PathKind.DIRECTORY if relative in directories else paths.get(relative, PathKind.MISSING)
        return PathKind.MISSING if kind in _FILES and path.endswith("/") else kind

    return lookup


class Conditions:
    """Decides tests with the variables of one shell and what is known of the image's files.

    Its methods raise UnknownValueError for what cannot be known.
    """

    def __init__(self, expander: Expander, lookup: PathLookup) -> None:
        self._expander = expander
        self._lookup = lookup

    def holds(self, condition: Condition) -> bool:
        """Whether `[[ … ]]` is true."""
        operator = condition.operator
        if operator == "!":
            return not self.holds(condition.conditions[0])
        if operator == "&&":
            return all(self.holds(inner) for inner in condition.conditions)
        if operator == "||":
            return any(self.holds(inner) for inner in condition.conditions)
        left = self._expander.text(condition.words[0])
        if not operator:
            return left != ""
        if len(condition.words) == 1:
            return self._unary(operator, left)
        if operator in STRINGS:
            return self._expander.pattern(condition.words[1]).matches(left) == (operator != "!=")
        return compare(left, operator, self._expander.text(condition.words[1]))

    def test(self, words: list[Word]) -> bool:
        """Whether `[ … ]` (without the brackets) is true."""
        if len(words) > 3:
            for operator in ("-o", "-a"):
                if operator in map(bare, words):
                    return self._combined(words, operator)
        return self._arguments([field for word in words for field in self._expander.fields(word)])

    def _combined(self, words: list[Word], operator: str) -> bool:
        parts: list[list[Word]] = [[]]
        for word in words:
            if bare(word) == operator:
                parts.append([])
            else:
                parts[-1].append(word)
        if any(not self._is_whole(part) for part in parts):
            raise UnknownValueError(f"`{operator}` in a test")
        results = [self.test(part) for part in parts]
        return any(results) if operator == "-o" else all(results)

    def _is_whole(self, words: list[Word]) -> bool:
        """Whether words stay an expression of their own, however they expand."""
        texts = list(map(bare, words))
        if "-a" in texts and len(words) > 3:
            return True
        fields = [self._expander.fields(word) for word in words]
        return bool(words) and all(len(field) == 1 for field in fields) and texts not in (["!"], ["("], [")"])

    def _arguments(self, arguments: list[str]) -> bool:
        if not arguments:
            return False
        if len(arguments) == 1:
            return arguments[0] != ""
        if len(arguments) == 3 and arguments[1] in (*STRINGS, *NUMBERS):
            return compare(*arguments)
        if arguments[0] == "!" and len(arguments) <= 4:
            return not self._arguments(arguments[1:])
        if len(arguments) == 2:
            return self._unary(arguments[0], arguments[1])
        raise UnknownValueError(f"a test of {len(arguments)} arguments")

    def _unary(self, operator: str, operand: str) -> bool:
        if operator in ("-n", "-z"):
            return (operand == "") == (operator == "-z")
        if operator == "-v" and is_name(operand):
            return self._expander.variables.get(operand) is not None
        if operator not in _FILE_TESTS:
            raise UnknownValueError(f"`{operator}` in a test")
        if operand == "":
            return False
        kind = self._lookup(operand)
        if kind is None:
            raise UnknownValueError(f"`{operator} {operand}`, a path outside of the environment")
        return kind in _FILE_TESTS[operator]
