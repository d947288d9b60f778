"""Reading words: quotes, escapes and `$` expansions.

Spec: POSIX.1-2024, XCU 2.2 "Quoting", 2.6.2 "Parameter Expansion".
"""

from __future__ import annotations

import re

from docker_envs.environments.conda.activating.shell.syntax import (
    NAME,
    Literal,
    Parameter,
    Part,
    Refused,
    Substitution,
    UnsupportedShellError,
    Word,
)

_MAX_DEPTH = 40
_METACHARACTERS = frozenset(" \t\n;&|<>()")
_PLAIN = re.compile(r"[^\s;&|<>()'\"\\$`~{}]+")
_OPERATOR = re.compile(r":?[-=+?]|%%?|##?|//?")
_BLANKS = re.compile(r"(?:[ \t]|\\\n)+")
_COMMENT = re.compile(r"#[^\n]*")
_SPECIAL = re.compile(r"[0-9@*#?$!-]")


class WordReader:
    """A position in a script, from which words are read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self._depth = 0

    @property
    def line(self) -> int:
        """Number of the current line, from one."""
        return self.text.count("\n", 0, self.position) + 1

    def fail(self, reason: str) -> UnsupportedShellError:
        """The error to raise for what is at the current position."""
        return UnsupportedShellError(self.line, reason)

    def peek(self, length: int = 1) -> str:
        """The next characters, without moving."""
        return self.text[self.position : self.position + length]

    def take(self, text: str) -> bool:
        """Move behind `text` if it is next."""
        if not self.text.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

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

    def peek_after_blanks(self, length: int = 1) -> str:
        """The next characters behind blanks and a comment, at which the position is then."""
        self.skip_blanks()
        return self.peek(length)

    def word(self, end: str = "", *, double: bool = False) -> Word:
        """One word, up to a metacharacter; or the argument of an expansion, up to one of the characters in `end`.

        Args:
            end: Characters that end an argument; inside it, blanks and operators are ordinary.
            double: Whether the argument is that of an expansion in double quotes.
        """
        self.enter()
        parts: list[Part] = []
        while self.position < len(self.text):
            next_character = self.peek()
            if next_character in end or (not end and next_character in _METACHARACTERS):
                break
            parts += self._part(parts, next_character, end, double=double)
        self.leave()
        return _merged(parts)

    def _part(self, before: list[Part], character: str, end: str, *, double: bool) -> list[Part]:
        if character == '"':
            self.position += 1
            return self._double_quoted()
        if character == "'" and not (double and end == "}"):
            return [Literal(self._until_quote(), quoted=True)]
        if character == "\\":
            return self._escape('$`"\\}' if double else None)
        if character in "$`":
            return [self._expansion(quoted=double)]
        if character == "~" and not double and _may_be_home(before):
            self.position += 1
            return [Refused(self.line, "`~`")]
        if character == "{" and not end and self.peek(2) != "{}" and not self._is_brace_word(before):
            self.position += 1
            return [Refused(self.line, "`{…}` in a word")]
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

    def _double_quoted(self) -> list[Part]:
        parts: list[Part] = [Literal("", quoted=True)]
        while (character := self.peek()) != '"':
            if not character:
                raise self.fail("a quote that is not closed")
            if character == "\\":
                parts += self._escape('$`"\\')
            elif character in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                self.position += 1
                parts.append(Literal(character, quoted=True))
        self.position += 1
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
        part = self._dollar_or_backquote(quoted=quoted)
        self.leave()
        return part

    def _dollar_or_backquote(self, *, quoted: bool) -> Part:
        line = self.line
        if self.take("`"):
            return self._substitution("`", line, quoted=quoted)
        self.position += 1
        if self.peek(2) == "((":
            raise self.fail("arithmetic")
        if self.take("("):
            return self._substitution(")", line, quoted=quoted)
        if self.take("{"):
            return self._braced(line, quoted=quoted)
        if not quoted and self.peek() in ("'", '"'):
            raise self.fail(f"`${self.peek()}…{self.peek()}`")
        if name := self.match(NAME):
            return Parameter(line, name[0], quoted)
        if special := self.match(_SPECIAL):
            return Refused(line, f"`${special[0]}`")
        return Literal("$", quoted=True)

    def _braced(self, line: int, *, quoted: bool) -> Part:
        start = self.position
        name = self.match(NAME)
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
        return part or Refused(line, f"`${{{self.text[start : self.position]}`")

    def _substitution(self, end: str, line: int, *, quoted: bool) -> Part:
        """Find the end of a command substitution, which need not be understood but must not be left too early."""
        start, depth = self.position, 0
        while (character := self.peek()) != end or depth:
            if not character or character in "#\\" or self.peek(2) == "<<" or (end == "`" and character in "'\""):
                raise self.fail("a command substitution")
            if character == "'":
                self._until_quote()
                continue
            if character == '"':
                self.position += 1
                self._double_quoted()
                continue
            depth += {"(": 1, ")": -1}.get(character, 0)
            self.position += 1
        command = " ".join(self.text[start : self.position].split())
        self.position += 1
        if re.search(r"\b(case|esac)\b", command):
            raise self.fail("a command substitution")
        return Substitution(line, command, quoted)


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
