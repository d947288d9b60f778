"""Expanding words to text, to fields and to patterns.

Spec: POSIX.1-2024, XCU 2.6 "Word Expansions". Where shells differ, Bash decides.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import NamedTuple

from docker_envs.environments.shell.patterns import Pattern
from docker_envs.environments.shell.syntax import (
    Literal,
    Parameter,
    Part,
    Substitution,
    UnknownValueError,
    Unread,
    Word,
)

#: The value of `IFS` in a new shell.
BLANKS = " \t\n"


class Segment(NamedTuple):
    """Text of a word: `quoted` is neither split nor a pattern, `expanded` came from an expansion."""

    text: str
    quoted: bool
    expanded: bool


class Expander(ABC):
    """Expands words with what an evaluator knows.

    Its methods raise UnknownValueError for what cannot be known.

    Attributes:
        portable: Whether patterns mean the same in all shells and locales.
    """

    portable = True

    @abstractmethod
    def value(self, part: Parameter) -> str | None:
        """The value of a parameter, None if it is unset."""

    @abstractmethod
    def assign(self, name: str, value: str) -> None:
        """Set a variable, for `${name:=value}`."""

    @abstractmethod
    def output(self, part: Substitution) -> str:
        """What commands write, without the newlines at its end."""

    @abstractmethod
    def unread(self, part: Unread) -> str:
        """What stands for a construct that is not understood."""

    @abstractmethod
    def separators(self) -> str:
        """The value of `IFS`."""

    @abstractmethod
    def names(self, fields: list[str], segments: list[Segment]) -> list[str]:
        """Fields with names of files for patterns; the segments are what the fields were split from."""

    def unset(self, part: Parameter) -> str:
        """What stands for an unset parameter."""
        return ""

    def text(self, word: Word) -> str:
        """The word as one text, as in an assignment."""
        return "".join(segment.text for segment in self._segments(word))

    def pattern(self, word: Word) -> Pattern:
        """The word as a pattern, its quoted parts literal."""
        segments = self._segments(word)
        for first, second in pairwise(segments):
            if not first.quoted and not second.quoted and "[" in first.text + second.text:
                raise UnknownValueError("an expanded pattern with `[`")
        return Pattern([(segment.text, segment.quoted) for segment in segments], portable=self.portable)

    def fields(self, word: Word) -> list[str]:
        """The word split into fields, as arguments of a command."""
        segments = self._segments(word)
        return self.names(self._split(segments), segments)

    def _split(self, segments: list[Segment]) -> list[str]:
        separators = self.separators()
        separator = re.compile(f"([{re.escape(separators)}])") if separators else None
        fields: list[str] = []
        # Of the field that is not ended; without any, there is none, and not an empty one.
        pieces: list[str] = []
        for text, quoted, expanded in segments:
            if quoted or not expanded or separator is None:
                pieces += [text] if text or not expanded or quoted else []
                continue
            for place, piece in enumerate(separator.split(text)):
                if place % 2 == 0:
                    pieces += [piece] if piece else []
                elif piece not in BLANKS:
                    raise UnknownValueError("`IFS` that is more than blanks")
                elif pieces:
                    fields.append("".join(pieces))
                    pieces = []
        return [*fields, "".join(pieces)] if pieces else fields

    def _segments(self, word: Word) -> list[Segment]:
        return [segment for part in word for segment in self._part(part)]

    def _part(self, part: Part) -> list[Segment]:
        match part:
            case Literal():
                return [Segment(part.text, part.quoted, expanded=False)]
            case Unread():
                return [Segment(self.unread(part), quoted=False, expanded=False)]
            case Substitution():
                return [Segment(self.output(part), part.quoted, expanded=True)]
            case Parameter():
                return self._parameter(part)

    def _parameter(self, part: Parameter) -> list[Segment]:
        value = self.value(part)
        operator = part.operator
        if operator and operator[-1] in "-=+?":
            present = bool(value) if operator[0] == ":" else value is not None
            if operator[-1] == "+":
                return self._argument(part) if present else [Segment("", part.quoted, expanded=True)]
            if present:
                return [Segment(value or "", part.quoted, expanded=True)]
            return self._default(part)
        changed = self._changed(part, self.unset(part) if value is None else value)
        return [Segment(changed, part.quoted, expanded=True)]

    def _default(self, part: Parameter) -> list[Segment]:
        operator = part.operator[-1]
        if operator == "?":
            reason = f"`${{{part.name}{part.operator}…}}` of a variable that is not set"
            raise UnknownValueError(reason, part.line)
        segments = self._argument(part)
        if operator == "=":
            value = "".join(segment.text for segment in segments)
            self.assign(part.name, value)
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
            raise UnknownValueError(f"`${{{part.name}{part.operator}…}}` of another form", part.line)
        return value.replace(literal, replacement, -1 if part.operator == "//" else 1)
