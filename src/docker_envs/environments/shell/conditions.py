"""Reading `[[ … ]]`.

Spec: GNU Bash manual, "Conditional Constructs"; POSIX.1-2024, XCU 2.4 leaves the word to shells.
"""

from __future__ import annotations

import re
from abc import abstractmethod

from docker_envs.environments.shell.syntax import Condition, Word, bare
from docker_envs.environments.shell.words import WordReader

_NOT = re.compile(r"!(?=[\s;&|()])")
_UNARY = re.compile(r"-[a-zA-Z]")
_BINARY = frozenset(("=", "==", "!=", "=~", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-ef", "-nt", "-ot"))


class ConditionReader(WordReader):
    """Reads conditions, which are spread over lines as people like."""

    @abstractmethod
    def skip_lines(self) -> None:
        """Move over blanks, comments and newlines."""

    def condition(self) -> Condition:
        """An expression and the `]]` behind it."""
        condition = self._either()
        if not self.take("]]"):
            raise self.fail("`]]` is missing")
        return condition

    def _either(self) -> Condition:
        line, choices = self.line, [self._both()]
        while self.take("||"):
            choices.append(self._both())
        return choices[0] if len(choices) == 1 else Condition(line, "||", tuple(choices))

    def _both(self) -> Condition:
        line, parts = self.line, [self._primary()]
        while self.take("&&"):
            parts.append(self._primary())
        return parts[0] if len(parts) == 1 else Condition(line, "&&", tuple(parts))

    def _primary(self) -> Condition:
        self.enter()
        self.skip_lines()
        line = self.line
        if self.match(_NOT):
            condition = Condition(line, "!", (self._primary(),))
        elif self.take("("):
            condition = self._either()
            if not self.take(")"):
                raise self.fail("`)` is missing")
        else:
            condition = self._comparison(line)
        self.skip_lines()
        self.leave()
        return condition

    def _comparison(self, line: int) -> Condition:
        words: list[Word] = []
        while len(words) < 3 and self.peek(2) != "]]" and (word := self.word()):
            words.append(word)
            self.skip_blanks()
        operators = [bare(word) or "" for word in words]
        if len(words) == 1:
            return Condition(line, "", words=(words[0],))
        if len(words) == 2 and _UNARY.fullmatch(operators[0]):
            return Condition(line, operators[0], words=(words[1],))
        if len(words) == 3 and operators[1] in _BINARY:
            return Condition(line, operators[1], words=(words[0], words[2]))
        raise self.fail("a `[[ … ]]` of another form")
