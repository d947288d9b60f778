"""Expanding words of maintainer scripts to fields; None is a text that cannot be known.

Spec: POSIX.1-2024, XCU 2.6 "Word Expansions".
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.syntax import Output, Text, Variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.environments.debian.scripts.syntax import Block, Word
    from docker_envs.environments.debian.system.files import SystemFiles

_PATTERN = re.compile(r"[*?[]")


class Expander:
    """Variables and arguments of one shell.

    Attributes:
        variables: By name; None is a value that is not known.
        arguments: `$1` and so on.
    """

    def __init__(self, files: SystemFiles, run: Callable[[Block], str | None], variables: dict[str, str]) -> None:
        self._files = files
        self._run = run
        self.variables: dict[str, str | None] = dict(variables)
        self.arguments: list[str | None] = []

    def text(self, word: Word) -> str | None:
        """The word as one text, as in an assignment."""
        parts = [self._part(part) for part in word]
        return None if None in parts else "".join(part for part in parts if part is not None)

    def fields(self, word: Word) -> list[str | None]:
        """The word as arguments of a command: split, and with names of files for patterns."""
        if len(word) == 1 and isinstance(word[0], Variable) and word[0].name in ("@", "*"):
            return list(self.arguments)
        fields: list[str | None] = []
        current: str | None = ""
        has_field = is_pattern = False
        for part in word:
            value = self._part(part)
            if isinstance(part, Text) or part.quoted:
                is_pattern = is_pattern or (isinstance(part, Text) and not part.quoted and _has_pattern(part.text))
                current = None if value is None or current is None else current + value
                has_field = True
                continue
            if value is None:
                current, has_field = None, True
                continue
            pieces = value.split()
            if value[:1].isspace() and has_field:
                fields.append(current)
                current, has_field = "", False
            for number, piece in enumerate(pieces):
                if number:
                    fields.append(current)
                    current = ""
                current = None if current is None else current + piece
                has_field = True
        if has_field:
            fields.append(current)
        return self._globbed(fields) if is_pattern else fields

    def matches(self, word: Word, subject: str) -> bool | None:
        """Whether a text matches a pattern of `case`."""
        pattern = ""
        for part in word:
            value = self._part(part)
            if value is None:
                return None
            pattern += value if isinstance(part, Text) and not part.quoted else _escaped(value)
        return fnmatchcase(subject, pattern)

    def _globbed(self, fields: list[str | None]) -> list[str | None]:
        found: list[str | None] = []
        for each in fields:
            names = self._files.glob(each) if each is not None and each.startswith("/") and _has_pattern(each) else []
            found += names or [each]
        return found

    def _part(self, part: Text | Variable | Output) -> str | None:
        if isinstance(part, Text):
            return part.text
        if isinstance(part, Output):
            return None if part.body is None else self._run(part.body)
        return self._variable(part)

    def _value(self, name: str) -> str | None:
        if name.isdecimal():
            number = int(name)
            return "" if number > len(self.arguments) or not number else self.arguments[number - 1]
        if name == "#":
            return str(len(self.arguments))
        if name in ("@", "*"):
            return None if None in self.arguments else " ".join(each for each in self.arguments if each is not None)
        return None if name in ("?", "$", "!", "-") else self.variables.get(name, "")

    def _variable(self, part: Variable) -> str | None:
        value = self._value(part.name)
        operator = part.operator
        if not operator:
            return value
        if operator[-1] in "-=+?":
            if value is None:
                return None
            present = value != "" if operator[0] == ":" else value != "" or part.name in self.variables
            if operator[-1] == "+":
                return self.text(part.argument) if present else ""
            return value if present else self.text(part.argument)
        pattern = self.text(part.argument)
        if value is None or pattern is None or operator[0] == "/":
            return None
        return _without(value, pattern, operator)


def _without(value: str, pattern: str, operator: str) -> str:
    """`${name#pattern}` and the like."""
    ends = range(len(value) + 1)
    if operator[0] == "#":
        for end in reversed(ends) if operator == "##" else ends:
            if fnmatchcase(value[:end], pattern):
                return value[end:]
    else:
        for start in ends if operator == "%%" else reversed(ends):
            if fnmatchcase(value[start:], pattern):
                return value[:start]
    return value


def _has_pattern(text: str) -> bool:
    return _PATTERN.search(text) is not None


def _escaped(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)
