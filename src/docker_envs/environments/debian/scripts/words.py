"""Reading words of shell scripts: quotes, escapes, expansions.

Spec: POSIX.1-2024, XCU 2.2 "Quoting", 2.6 "Word Expansions".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts.syntax import Block, Output, Text, UnreadableScriptError, Variable, Word

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_DEPTH = 60
_ENDS = frozenset(" \t\n;&|<>()")
_PLAIN = re.compile(r"[^\s;&|<>()'\"\\$`]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]|[@*#?$!-]")
_OPERATOR = re.compile(r":?[-=+?]|%%?|##?|//?")
_BLANKS = re.compile(r"(?:[ \t]|\\\n)+")
_COMMENT = re.compile(r"#[^\n]*")


class WordReader:
    """A position in a script, from which words are read; `parse_block` reads what `$(…)` holds."""

    def __init__(self, text: str, parse_block: Callable[[str], Block]) -> None:
        self.text = text
        self.position = 0
        self._parse_block = parse_block
        self._depth = 0

    @property
    def line(self) -> int:
        """Number of the current line, from one."""
        return self.text.count("\n", 0, self.position) + 1

    def fail(self, reason: str) -> UnreadableScriptError:
        """The error to raise for what is at the current position."""
        return UnreadableScriptError(self.line, reason)

    def peek(self, length: int = 1) -> str:
        """The next characters, without moving."""
        return self.text[self.position : self.position + length]

    def take(self, text: str) -> bool:
        """Move behind `text` if it is next."""
        found = self.text.startswith(text, self.position)
        self.position += len(text) if found else 0
        return found

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Move behind what `pattern` matches here, if anything."""
        found = pattern.match(self.text, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def enter(self) -> None:
        """Go one level deeper; raise where scripts nest without reason."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self.fail("nested too deeply")

    def leave(self) -> None:
        """Come back from `enter`."""
        self._depth -= 1

    def skip_blanks(self) -> None:
        """Move over spaces, tabs, continued lines, and a comment."""
        self.match(_BLANKS)
        self.match(_COMMENT)

    def word(self, end: str = "") -> Word:
        """One word, up to blanks or an operator; or up to `end`, inside of which these are ordinary."""
        self.enter()
        parts: list[Text | Variable | Output] = []
        while (character := self.peek()) and character not in (end or _ENDS):
            parts += self._part(character, end)
        self.leave()
        return tuple(parts)

    def here_document(self, text: str) -> Word:
        """The content of a here-document whose delimiter is not quoted."""
        reader = WordReader(text.replace('"', '\\"') + '"', self._parse_block)
        return tuple(reader._double_quoted())

    def _part(self, character: str, end: str) -> list[Text | Variable | Output]:
        if character == "'":
            close = self.text.find("'", self.position + 1)
            if close < 0:
                raise self.fail("a quote that is not closed")
            text, self.position = self.text[self.position + 1 : close], close + 1
            return [Text(text, quoted=True)]
        if character == "\\":
            escaped = self.peek(2)[1:]
            self.position += 2
            return [] if escaped == "\n" else [Text(escaped, quoted=True)]
        if character == '"':
            self.position += 1
            return self._double_quoted()
        if character in "$`":
            return [self._expansion(quoted=False)]
        plain = None if end else self.match(_PLAIN)
        if plain is None:
            self.position += 1
        return [Text(plain[0] if plain else character)]

    def _double_quoted(self) -> list[Text | Variable | Output]:
        parts: list[Text | Variable | Output] = [Text("", quoted=True)]
        while (character := self.peek()) != '"':
            if not character:
                raise self.fail("a quote that is not closed")
            if character in "$`":
                parts.append(self._expansion(quoted=True))
                continue
            if character == "\\" and self.peek(2)[1:] in ("$", "`", '"', "\\", "\n"):
                self.position += 1
                character = "" if self.peek() == "\n" else self.peek()
            self.position += 1
            parts.append(Text(character, quoted=True))
        self.position += 1
        return parts

    def _expansion(self, *, quoted: bool) -> Text | Variable | Output:
        if self.take("`"):
            close = re.compile(r"(?:[^`\\]|\\.)*", re.DOTALL).match(self.text, self.position)
            body = close[0] if close else ""
            self.position += len(body) + 1
            return Output(self._parse_block(re.sub(r"\\([$`\\])", r"\1", body)), quoted)
        self.position += 1
        if self.take("(("):
            self._skip_to("))")
            return Output(None, quoted)
        if self.take("("):
            start = self.position
            self._skip_to(")")
            return Output(self._parse_block(self.text[start : self.position - 1]), quoted)
        if self.take("{"):
            return self._braced(quoted=quoted)
        name = self.match(_NAME)
        return Variable(name[0], quoted) if name else Text("$", quoted=True)

    def _braced(self, *, quoted: bool) -> Variable | Output:
        length = self.peek() == "#" and self.peek(2)[1:] not in ("}", "")
        if length:
            self.position += 1
        name = self.match(_NAME)
        operator = self.match(_OPERATOR)
        argument = self.word("}")
        if not self.take("}"):
            raise self.fail("`${` that is not closed")
        if name is None or length or (argument and operator is None):
            return Output(None, quoted)
        return Variable(name[0], quoted, operator[0] if operator else "", argument)

    def _skip_to(self, end: str) -> None:
        """Move behind the end of an expansion, over quotes and parentheses inside."""
        depth = 0
        while depth or not self.text.startswith(end, self.position):
            character = self.peek()
            if not character:
                raise self.fail("an expansion that is not closed")
            if character in "'\"\\":
                self._part(character, "")
                continue
            depth += {"(": 1, ")": -1}.get(character, 0)
            self.position += 1
        self.position += len(end)
