"""Reading words: quotes, escapes and `$` expansions.

Spec: POSIX.1-2024, XCU 2.2 "Quoting", 2.6 "Word Expansions", 2.7.4 "Here-Document".
"""

from __future__ import annotations

import re
from abc import abstractmethod

from docker_envs.environments.shell.reader import Reader
from docker_envs.environments.shell.syntax import (
    NAME,
    Block,
    Literal,
    Parameter,
    Part,
    Redirection,
    Substitution,
    Unread,
    Word,
)

_METACHARACTERS = frozenset(" \t\n;&|<>()")
_PLAIN = re.compile(r"[^\s;&|<>()'\"\\$`~{}]+")
_OPERATOR = re.compile(r":?[-=+?]|%%?|##?|//?")
_SPECIAL = re.compile(r"[0-9@*#?$!-]")
_BRACED_NAME = re.compile(rf"{NAME.pattern}|[0-9]+|[@*#?$!-]")
_BACKQUOTED = re.compile(r"((?:[^`\\]|\\.)*)`", re.DOTALL)
_ANSI_QUOTED = re.compile(r"'[^'\\]*(?:\\[^'][^'\\]*)*'")
#: What a backslash escapes in double quotes.
_ESCAPABLE = '$`"\\'


class WordReader(Reader):
    """Reads words; the grammar, which says what `$(…)` holds, is that of those who inherit.

    Attributes:
        awaited: Here-documents that this line announced.
    """

    def __init__(self, text: str, first_line: int = 1, depth: int = 0) -> None:
        super().__init__(text, first_line, depth)
        self.awaited: list[Redirection] = []

    @abstractmethod
    def block(self, *ends: str) -> Block:
        """Commands up to a keyword or operator of `ends`, which is left; to the end of the text without `ends`."""

    @abstractmethod
    def nested(self, text: str, line: int) -> WordReader:
        """A reader of the same kind for a text that this one has taken out, which is one level deeper."""

    def word(self, end: str = "", *, double: bool = False) -> Word:
        """One word, up to a metacharacter; or the argument of an expansion, up to one of the characters in `end`.

        Args:
            end: Characters that end an argument; inside it, blanks and operators are ordinary.
            double: Whether the argument is that of an expansion in double quotes.
        """
        self.enter()
        parts: list[Part] = []
        while (character := self.peek()) and character not in (end or _METACHARACTERS):
            parts += self._part(parts, character, end, double=double)
        self.leave()
        return _merged(parts)

    def here_document(self, text: str, line: int) -> Word:
        """The content of a here-document whose delimiter is not quoted, and which starts in a line."""
        return _merged(self.nested(text, line)._quoted("", "$`\\"))

    def _part(self, before: list[Part], character: str, end: str, *, double: bool) -> list[Part]:
        if character == '"':
            self.position += 1
            return self._quoted('"', _ESCAPABLE)
        if character == "'" and not (double and end == "}"):
            return [Literal(self._until_quote(), quoted=True)]
        if character == "\\":
            return self._escape(f"{_ESCAPABLE}}}" if double else None)
        if character in "$`":
            return [self._expansion(quoted=double)]
        if character == "~" and not double and _may_be_home(before):
            self.position += 1
            return [Unread(self.line, "`~`")]
        if character == "{" and not end and self.peek(2) != "{}" and not self._is_brace_word(before):
            self.position += 1
            return [Unread(self.line, "`{…}` in a word", "{")]
        if character == "\r":
            raise self.fail("a carriage return")
        plain = None if end else self.match(_PLAIN)
        if plain is None:
            self.position += 1
        return [Literal(plain[0] if plain else character, quoted=double)]

    def _is_brace_word(self, before: list[Part]) -> bool:
        following = self.text[self.position + 1 : self.position + 2]
        return not before and (following == "" or following in _METACHARACTERS)

    def _until_quote(self) -> str:
        end = self.text.find("'", self.position + 1)
        if end < 0:
            raise self.fail("a quote that is not closed")
        text = self.text[self.position + 1 : end]
        self.position = end + 1
        return text

    def _quoted(self, end: str, escapable: str) -> list[Part]:
        """What is in double quotes, up to the closing one; or in a here-document, up to its end."""
        parts: list[Part] = [Literal("", quoted=True)]
        while (character := self.peek()) != end:
            if not character:
                raise self.fail("a quote that is not closed")
            if character == "\\":
                parts += self._escape(escapable)
            elif character in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                self.position += 1
                parts.append(Literal(character, quoted=True))
        self.position += len(end)
        return parts

    def _escape(self, escapable: str | None) -> list[Part]:
        """A backslash and what it escapes: anything, or those characters."""
        self.position += 1
        character = self.peek()
        if not character:
            raise self.fail("a backslash at the end")
        if character != "\n" and escapable is not None and character not in escapable:
            return [Literal("\\", quoted=True)]
        self.position += 1
        return [] if character == "\n" else [Literal(character, quoted=True)]

    def _expansion(self, *, quoted: bool) -> Part:
        self.enter()
        part = self._backquoted(quoted=quoted) if self.take("`") else self._dollar(quoted=quoted)
        self.leave()
        return part

    def _dollar(self, *, quoted: bool) -> Part:
        line = self.line
        self.position += 1
        if self.take("(("):
            start = self.position
            self.skip_arithmetic()
            return Unread(line, "arithmetic", expression=self.text[start : self.position - 2])
        if self.take("("):
            return self._substitution(line, quoted=quoted)
        if self.take("{"):
            return self._braced(line, quoted=quoted)
        if not quoted and self.peek() in ("'", '"'):
            return self._quoted_by_dollar(line)
        if name := self.match(NAME) or self.match(_SPECIAL):
            return Parameter(line, name[0], quoted)
        return Literal("$", quoted=True)

    def _substitution(self, line: int, *, quoted: bool) -> Substitution:
        start = self.position
        before, self.awaited = self.awaited, []
        body = self.block(")")
        self.awaited = before + self.awaited
        text = " ".join(self.text[start : self.position].split())
        self.position += 1
        return Substitution(line, text, body, quoted)

    def _quoted_by_dollar(self, line: int) -> Unread:
        """`$'…'` and `$"…"`, which not every shell has, as long as all agree where they end."""
        reason = f"`${self.peek()}…{self.peek()}`"
        if self.take('"'):
            self._quoted('"', _ESCAPABLE)
        elif not self.match(_ANSI_QUOTED):
            raise self.fail(reason)
        return Unread(line, reason)

    def _braced(self, line: int, *, quoted: bool) -> Part:
        start = self.position
        # `${#name}` is the length of a value.
        name = self.match(_BRACED_NAME) if self.peek() != "#" or self.peek(2) == "#}" else None
        if name is not None and self.take("}"):
            return Parameter(line, name[0], quoted)
        operator = self.match(_OPERATOR) if name is not None else None
        part: Part | None = None
        if name is not None and operator is not None:
            # Quotes and patterns inside of double quotes act as if these were not there.
            double = quoted and operator[0][-1] in "-=+?"
            argument = self.word("/}" if operator[0] in ("/", "//") else "}", double=double)
            replacement = self.word("}") if operator[0] in ("/", "//") and self.take("/") else ()
            part = Parameter(line, name[0], quoted, operator[0], argument, replacement)
        else:
            self.word("}", double=quoted)
        if not self.take("}"):
            raise self.fail("`${` that is not closed")
        return part or Unread(line, f"`${{{self.text[start : self.position]}`")

    def _backquoted(self, *, quoted: bool) -> Part:
        line, found = self.line, self.match(_BACKQUOTED)
        if found is None:
            raise self.fail("a quote that is not closed")
        text = re.sub(r'\\([$`\\"])' if quoted else r"\\([$`\\])", r"\1", found[1])
        return Substitution(line, " ".join(text.split()), self.nested(text, line).block(), quoted)

    def skip_arithmetic(self) -> None:
        """Move behind the end of `((…))`, over quotes, expansions and parentheses inside."""
        depth = 0
        while depth or self.peek(2) != "))":
            character = self.peek()
            if not character or depth < 0:
                raise self.fail("arithmetic that is not closed")
            if character in "'\"\\$`":
                self._part([], character, "", double=False)
                continue
            depth += {"(": 1, ")": -1}.get(character, 0)
            self.position += 1
        self.position += 2


def _may_be_home(before: list[Part]) -> bool:
    """Whether `~` here means a home directory; that of `=~` does not."""
    if len(before) == 1 and before[0] == Literal("=", quoted=False):
        return False
    return not before or (isinstance(before[-1], Literal) and not before[-1].quoted and before[-1].text[-1:] in "=:")


def _merged(parts: list[Part]) -> Word:
    merged: list[Part] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Literal) and isinstance(last, Literal) and last.quoted == part.quoted:
            merged[-1] = Literal(last.text + part.text, part.quoted)
        else:
            merged.append(part)
    return tuple(merged)
