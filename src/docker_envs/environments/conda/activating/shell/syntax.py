"""The syntax tree of the shell scripts that activate environments, and words of it as text.

Nodes say what was written. What the evaluator cannot know stands in the tree as well (`Refused`), since scripts may
hold it in branches that are never reached.

Spec: POSIX.1-2024, XCU 2 "Shell Command Language"; GNU Bash manual for `[[ … ]]`, `+=` and `${name/pattern/text}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

#: What may be the name of a variable.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class UnsupportedShellError(Exception):
    """A script needs more than can be known; `line` counts from one."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class UnknownValueError(Exception):
    """Something that cannot be known, at a place that the raiser does not know."""


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as it stands; inside quotes it is neither split nor a pattern."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name` or `${name…}`: an operator (`:-`, `%`, `//`, …) has an argument, `/` and `//` also a replacement."""

    line: int
    name: str
    quoted: bool
    operator: str = ""
    argument: Word = ()
    replacement: Word = ()


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(command)`, the command being text with single spaces."""

    line: int
    command: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A construct that cannot be evaluated, by its name; part of a word, or a command."""

    line: int
    reason: str


Part: TypeAlias = Literal | Parameter | Substitution | Refused
Word: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=value`, or `name+=value`."""

    name: str
    append: bool
    value: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """Assignments alone, or a command with its words; words of `export` may be assignments."""

    line: int
    assignments: tuple[Assignment, ...]
    words: tuple[Word | Assignment, ...]


@dataclass(frozen=True, slots=True)
class If:
    """Pairs of condition and body, `else` with an empty condition."""

    line: int
    branches: tuple[tuple[Block, Block], ...]


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words; do body; done`."""

    line: int
    name: str
    words: tuple[Word, ...]
    body: Block


@dataclass(frozen=True, slots=True)
class Loop:
    """`while` or `until`."""

    line: int
    until: bool
    condition: Block
    body: Block


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in pattern | pattern) body ;; esac`."""

    line: int
    word: Word
    items: tuple[tuple[tuple[Word, ...], Block], ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One expression of `[[ … ]]`: `!`, `&&` and `||` have conditions, other operators (or none) have words."""

    line: int
    operator: str
    conditions: tuple[Condition, ...] = ()
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class AndOr:
    """`first && second || third`, from left to right; the first operator is empty."""

    line: int
    steps: tuple[tuple[str, Command], ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`! command`."""

    line: int
    command: Command


@dataclass(frozen=True, slots=True)
class Group:
    """`{ commands; }`."""

    line: int
    body: Block


Command: TypeAlias = Simple | If | For | Loop | Case | Condition | AndOr | Not | Group | Refused
Block: TypeAlias = tuple[Command, ...]


def bare(word: Word | Assignment) -> str | None:
    """The text of a word without quotes and expansions, else None."""
    if isinstance(word, tuple) and len(word) == 1 and isinstance(word[0], Literal) and not word[0].quoted:
        return word[0].text
    return None


def is_name(text: str) -> bool:
    """Whether the shell takes `text` as the name of a variable."""
    return NAME.fullmatch(text) is not None
