"""Expanding words of maintainer scripts with the variables and arguments of one shell, and files of the system."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.environments.debian.scripts import arithmetic
from docker_envs.environments.shell import expansion
from docker_envs.environments.shell.expansion import BLANKS
from docker_envs.environments.shell.syntax import Assignment, Literal, Parameter, UnknownValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker_envs.environments.debian.system.files import SystemFiles
    from docker_envs.environments.shell.expansion import Segment
    from docker_envs.environments.shell.syntax import Block, Substitution, Unread, Word

#: How many characters of values one script may expand: each could be doubled again and again.
MAX_EXPANDED = 64 << 20
_PATTERN = re.compile(r"[*?[]")


class Expander(expansion.Expander):
    """Variables and arguments of one shell; its methods that begin with `known` give None for what is not known.

    Attributes:
        variables: By name; None is a value that is not known.
        arguments: `$1` and so on.
        status: `$?`, None where it is not known.
    """

    # dpkg's scripts are for dash, and nothing says that they are run in another locale than `C`.
    portable = False

    def __init__(
        self,
        files: SystemFiles,
        variables: Mapping[str, str],
        *,
        run: Callable[[Block], str | None],
        assign: Callable[[str, str | None], None],
    ) -> None:
        self._files = files
        self._run = run
        self._assign = assign
        self.variables: dict[str, str | None] = {"IFS": BLANKS, **variables}
        self.arguments: list[str | None] = []
        self.status: str | None = "0"
        self._left = MAX_EXPANDED

    def known_text(self, word: Word) -> str | None:
        """The word as one text, as in an assignment."""
        try:
            return self.text(word)
        except UnknownValueError:
            return None

    def known_fields(self, word: Word | Assignment) -> list[str | None]:
        """The word as arguments of a command: split, and with names of files for patterns."""
        if isinstance(word, Assignment):
            value = self.known_text(word.value)
            return [None if value is None else f"{word.name}={value}"]
        if _is_arguments(word):
            return list(self.arguments)
        try:
            return [*self.fields(word)]
        except UnknownValueError:
            return [None]

    def known_match(self, word: Word, subject: str | None) -> bool | None:
        """Whether a text matches a pattern of `case`."""
        try:
            return None if subject is None else self.pattern(word).matches(subject)
        except UnknownValueError:
            return None

    def value(self, part: Parameter) -> str | None:
        """The value of a variable or an argument."""
        name = part.name
        if name.isdecimal():
            number = int(name)
            value = self.arguments[number - 1] if 0 < number <= len(self.arguments) else ""
        elif name == "#":
            value = str(len(self.arguments))
        elif name in ("@", "*"):
            value = None if None in self.arguments else " ".join(each for each in self.arguments if each is not None)
        elif name == "?":
            value = self.status
        elif name in ("$", "!", "-"):
            value = None
        elif name not in self.variables:
            return None
        else:
            value = self.variables[name]
        if value is None:
            raise UnknownValueError(f"`${name}`", part.line)
        self._left -= len(value)
        if self._left < 0:
            raise UnknownValueError("much text", part.line)
        return value

    def assign(self, name: str, value: str) -> None:
        """Set a variable."""
        self._assign(name, value)

    def output(self, part: Substitution) -> str:
        """What commands write, where they are known."""
        output = self._run(part.body)
        if output is None:
            raise UnknownValueError(f"`$({part.text})`", part.line)
        return output

    def unread(self, part: Unread) -> str:
        """What dash takes a construct for, if it has it."""
        if part.expression:
            return str(
                arithmetic.evaluate(
                    part.expression, lambda name: self.value(Parameter(part.line, name, quoted=True)) or ""
                )
            )
        if part.text is None:
            raise UnknownValueError(part.reason, part.line)
        return part.text

    def separators(self) -> str:
        """The value of `IFS`."""
        separators = self.variables.get("IFS", BLANKS)
        if separators is None:
            raise UnknownValueError("`$IFS`")
        return separators

    def names(self, fields: list[str], segments: list[Segment]) -> list[str]:
        """The fields, those that are absolute patterns replaced by what they match in the system."""
        if not any(_PATTERN.search(text) for text, quoted, expanded in segments if not quoted and not expanded):
            return fields
        found: list[str] = []
        for each in fields:
            found += (self._files.glob(each) if each.startswith("/") and _PATTERN.search(each) else []) or [each]
        return found


def _is_arguments(word: Word) -> bool:
    """Whether a word is `$@` or `"$@"`, which is as many fields as there are arguments."""
    parts = [part for part in word if part != Literal("", quoted=True)]
    if len(parts) != 1 or not isinstance(parts[0], Parameter) or parts[0].operator:
        return False
    return parts[0].name == "@" or (parts[0].name == "*" and not parts[0].quoted)
