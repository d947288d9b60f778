"""Expanding words to text, to fields and to patterns.

Spec: POSIX.1-2024, XCU 2.6 "Word Expansions". Where shells differ, Bash decides: conda's scripts are written for it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from docker_envs.environments.conda.activating.shell.patterns import Pattern
from docker_envs.environments.conda.activating.shell.syntax import (
    Literal,
    Parameter,
    Part,
    Refused,
    Substitution,
    UnknownValueError,
    UnsupportedShellError,
    Word,
)

if TYPE_CHECKING:
    from docker_envs.environments.conda.activating.shell.state import Variables

#: Commands whose output is the same in every Linux container.
_CONSTANT_COMMANDS = {
    "uname": "Linux",
    "uname -s": "Linux",
    "uname | tr '[:upper:]' '[:lower:]'": "linux",
    "uname -s | tr '[:upper:]' '[:lower:]'": "linux",
}
_BLANKS = " \t\n"


class Segment(NamedTuple):
    """Text of a word: `quoted` is neither split nor a pattern, `expanded` came from an expansion."""

    text: str
    quoted: bool
    expanded: bool


class Expander:
    """Expands words with the variables of one shell.

    Its methods raise UnsupportedShellError or UnknownValueError for what cannot be known.
    """

    def __init__(self, variables: Variables) -> None:
        self.variables = variables

    def text(self, word: Word) -> str:
        """The word as one text, as in an assignment."""
        return "".join(segment.text for segment in self._segments(word))

    def pattern(self, word: Word) -> Pattern:
        """The word as a pattern, its quoted parts literal."""
        segments = self._segments(word)
        for first, second in pairwise(segments):
            if not first.quoted and not second.quoted and "[" in first.text + second.text:
                raise UnknownValueError("an expanded pattern with `[`")
        return Pattern([(segment.text, segment.quoted) for segment in segments])

    def fields(self, word: Word) -> list[str]:
        """The word split into fields, as an argument of a command; file names are never looked up."""
        segments = self._segments(word)
        unquoted = "".join(segment.text for segment in segments if not segment.quoted)
        if "*" in unquoted or "?" in unquoted or ("[" in unquoted and "]" in unquoted) or "\\" in unquoted:
            raise UnknownValueError("a file name pattern")
        return self._split(segments)

    def _split(self, segments: list[Segment]) -> list[str]:
        separators = self.variables.values.get("IFS", _BLANKS)
        fields: list[str] = []
        current: str | None = None
        for text, quoted, expanded in segments:
            if quoted or not expanded:
                current = (current or "") + text
                continue
            for character in text:
                if character not in separators:
                    current = (current or "") + character
                elif character not in _BLANKS:
                    raise UnknownValueError("`IFS` that is more than blanks")
                elif current is not None:
                    fields.append(current)
                    current = None
        return fields if current is None else [*fields, current]

    def _segments(self, word: Word) -> list[Segment]:
        return [segment for part in word for segment in self._part(part)]

    def _part(self, part: Part) -> list[Segment]:
        if isinstance(part, Literal):
            return [Segment(part.text, part.quoted, expanded=False)]
        if isinstance(part, Refused):
            raise UnsupportedShellError(part.line, part.reason)
        if isinstance(part, Substitution):
            if part.command not in _CONSTANT_COMMANDS:
                raise UnsupportedShellError(part.line, f"`$({part.command})`, a command")
            return [Segment(_CONSTANT_COMMANDS[part.command], part.quoted, expanded=True)]
        return self._parameter(part)

    def _parameter(self, part: Parameter) -> list[Segment]:
        value = self.variables.get(part.name)
        operator = part.operator
        if operator and operator[-1] in "-=+?":
            present = bool(value) if operator[0] == ":" else value is not None
            if operator[-1] == "+":
                return self._argument(part) if present else [Segment("", part.quoted, expanded=True)]
            if present:
                return [Segment(value or "", part.quoted, expanded=True)]
            return self._default(part)
        if value is None:
            if self.variables.nounset:
                raise UnsupportedShellError(part.line, f"`${part.name}`, which is unset, under `set -u`")
            value = ""
        return [Segment(self._changed(part, value), part.quoted, expanded=True)]

    def _default(self, part: Parameter) -> list[Segment]:
        operator = part.operator[-1]
        if operator == "?":
            raise UnsupportedShellError(part.line, f"`${{{part.name}{part.operator}…}}` of a variable that is not set")
        segments = self._argument(part)
        if operator == "=":
            value = "".join(segment.text for segment in segments)
            self.variables.set(part.name, value)
            return [Segment(value, part.quoted, expanded=True)]
        return segments

    def _argument(self, part: Parameter) -> list[Segment]:
        """The argument, unquoted text of which is split as if it had been expanded."""
        segments = self._segments(part.argument)
        result = [Segment(text, part.quoted or quoted, expanded=True) for text, quoted, _ in segments]
        return result or [Segment("", part.quoted, expanded=True)]

    def _changed(self, part: Parameter, value: str) -> str:
        operator = part.operator
        if not operator:
            return value
        if operator[0] == "/":
            return self._replaced(part, value)
        pattern = self.pattern(part.argument)
        if operator[0] == "#":
            return pattern.without_prefix(value, longest=operator == "##")
        return pattern.without_suffix(value, longest=operator == "%%")

    def _replaced(self, part: Parameter, value: str) -> str:
        first = part.argument[0] if part.argument else None
        literal = self.pattern(part.argument).literal
        anchored = isinstance(first, Literal) and not first.quoted and first.text[:1] in ("#", "%")
        replacement = self.text(part.replacement)
        if not literal or anchored or "&" in replacement or "\\" in replacement:
            raise UnsupportedShellError(part.line, f"`${{{part.name}{part.operator}…}}` of another form")
        return value.replace(literal, replacement, -1 if part.operator == "//" else 1)
