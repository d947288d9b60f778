"""Regular expressions of POSIX as Python's, where both mean the same.

Spec: POSIX.1-2024, XBD 9 "Regular Expressions"; GNU grep and sed for what a backslash adds to basic expressions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LONGEST = 500
_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "space": r" \t\n\r\f\v",
    "blank": r" \t", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_ESCAPES = {
    "n": r"\n", "t": r"\t", "w": r"\w", "W": r"\W", "s": r"\s", "S": r"\S", "b": r"\b", "B": r"\B",
    "<": r"\b(?=\w)", ">": r"\b(?<=\w)",
}  # fmt: skip
_SPECIAL = frozenset("(){}|+?")
_LITERAL = re.compile(r"[\w/ -]+", re.ASCII)
_COUNT = re.compile(r"\d{0,3}(?:,\d{0,3})?")


class UnknownPatternError(ValueError):
    """An expression that may mean something else in Python, or take too long."""


@dataclass(frozen=True, slots=True)
class PosixPattern:
    """A compiled expression.

    Attributes:
        compiled: For Python.
        degree: The most that time may grow with the length of a line, as an exponent.
        is_plain: Without alternatives and repeated groups, of which POSIX takes the longest match, Python the first.
    """

    compiled: re.Pattern[str]
    degree: int
    is_plain: bool


def compile_posix(pattern: str, *, extended: bool, ignores_case: bool = False) -> PosixPattern:
    """Compile an expression.

    Raises:
        UnknownPatternError: It cannot be translated exactly.
    """
    if len(pattern) > _LONGEST or "\n" in pattern:
        raise UnknownPatternError(pattern)
    reading = _Reading(pattern, extended=extended)
    try:
        flags = re.ASCII | (re.IGNORECASE if ignores_case else 0)
        compiled = re.compile(reading.translated(), flags)
    except re.error as error:
        raise UnknownPatternError(pattern) from error
    return PosixPattern(compiled, reading.repeated + 1, reading.is_plain)


class _Reading:
    def __init__(self, text: str, *, extended: bool) -> None:
        self.text = text
        self.extended = extended
        self.position = 0
        self.repeated = 0
        self.is_plain = True
        # How many places so far match in more than one way.
        self._choices = 0
        # Where open groups begin, and that number there.
        self._groups: list[tuple[int, int]] = []

    def translated(self) -> str:
        result = ""
        # Whether a repetition has nothing before it, and so is an ordinary character.
        starts = True
        while self.position < len(self.text):
            piece, starts = self._piece(starts=starts)
            result += piece
        if self._groups:
            raise UnknownPatternError(self.text)
        return result

    def _piece(self, *, starts: bool) -> tuple[str, bool]:
        character = self.text[self.position]
        self.position += 1
        escaped = character == "\\"
        if escaped:
            if self.position == len(self.text):
                raise UnknownPatternError(self.text)
            character = self.text[self.position]
            self.position += 1
        if character in _SPECIAL and escaped != self.extended:
            return self._special(character, starts=starts)
        if escaped:
            return self._escaped(character), False
        if character == "[":
            return self._bracket(), False
        if character == "*":
            return self._repetition("*", starts=starts)
        if character == "^" and (starts or self.extended):
            return "^", True
        if character == "$" and self._ends():
            return r"\Z", False
        return ("[^\n]" if character == "." else re.escape(character)), False

    def _ends(self) -> bool:
        rest = self.text[self.position :]
        return self.extended or not rest or rest.startswith(("\\)", "\\|"))

    def _escaped(self, character: str) -> str:
        if character in _ESCAPES:
            return _ESCAPES[character]
        if character.isdecimal() and character != "0":
            self.is_plain = False
            return f"(?:\\{character})"
        if character.isalnum():
            raise UnknownPatternError(self.text)
        return re.escape(character)

    def _special(self, character: str, *, starts: bool) -> tuple[str, bool]:
        if character == "(":
            self._groups.append((self.position, self._choices))
            return "(", True
        if character == ")":
            if not self._groups:
                raise UnknownPatternError(self.text)
            following = self.text[self.position : self.position + 2]
            repetitions = ("*", "+", "?", "{") if self.extended else ("*", "\\+", "\\?", "\\{")
            start, choices = self._groups.pop()
            if following.startswith(repetitions):
                content = self.text[start : self.position - (1 if self.extended else 2)]
                self._repeats_group(content, has_choices=choices != self._choices)
            return ")", False
        if character == "|":
            self.is_plain = False
            self._choices += 1
            return "|", True
        if character == "{":
            return self._count()
        if character == "}":
            raise UnknownPatternError(self.text)
        return self._repetition(character, starts=starts)

    def _repeats_group(self, content: str, *, has_choices: bool) -> None:
        """A repeated group that can match the same text in several ways may take time without end."""
        alternatives = content.split("|" if self.extended else "\\|")
        firsts = {alternative[:1].lower() for alternative in alternatives}
        is_plain = all(_LITERAL.fullmatch(alternative) for alternative in alternatives)
        if has_choices and not (is_plain and len(firsts) == len(alternatives)):
            raise UnknownPatternError(self.text)
        self.is_plain = False

    def _repetition(self, character: str, *, starts: bool) -> tuple[str, bool]:
        if starts:
            if self.extended or character != "*":
                raise UnknownPatternError(self.text)
            return r"\*", False
        following = self.text[self.position : self.position + 2]
        if following.startswith("*") or (self.extended and following[:1] in ("+", "?", "{")):
            raise UnknownPatternError(self.text)
        if not self.extended and following in ("\\+", "\\?", "\\{"):
            raise UnknownPatternError(self.text)
        self.repeated += character != "?"
        self._choices += 1
        return character, False

    def _count(self) -> tuple[str, bool]:
        end = "}" if self.extended else "\\}"
        found = _COUNT.match(self.text, self.position)
        if found is None or not found[0][:1].isdecimal() or not self.text.startswith(end, found.end()):
            raise UnknownPatternError(self.text)
        self.position = found.end() + len(end)
        self.repeated += 1
        self._choices += 1
        return f"{{{found[0]}}}", False

    def _bracket(self) -> str:
        inverted = self.text.startswith("^", self.position)
        self.position += inverted
        content, first = "", True
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "]" and not first:
                self.position += 1
                if any(each in content for each in ("--", "&&", "||", "~~")):
                    raise UnknownPatternError(self.text)
                return f"[{'^' if inverted else ''}{content}]"
            first = False
            if self.text.startswith("[:", self.position):
                end = self.text.find(":]", self.position)
                name = self.text[self.position + 2 : end] if end > 0 else ""
                if name not in _CLASSES:
                    raise UnknownPatternError(self.text)
                content += _CLASSES[name]
                self.position = end + 2
                continue
            if self.text.startswith(("[.", "[=", "\\"), self.position):
                # What a backslash is in brackets depends on the program.
                raise UnknownPatternError(self.text)
            content += character if character == "-" else re.escape(character)
            self.position += 1
        raise UnknownPatternError(self.text)
