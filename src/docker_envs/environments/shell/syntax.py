"""The syntax tree of shell scripts, and words of it as text.

Nodes say what was written, in branches that are never reached as well. What is not understood stands in the tree too
(`Unread`), so that only those who reach it have to say what they make of it.

Spec: POSIX.1-2024, XCU 2 "Shell Command Language"; GNU Bash manual for `[[ … ]]`, `+=`, `<<<` and
`${name/pattern/text}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

#: What may be the name of a variable.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class UnsupportedShellError(Exception):
    """A script cannot be read, or needs more than can be known; `line` counts from one."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class UnknownValueError(Exception):
    """Something that cannot be known; `line` is 0 where the raiser does not know the place."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Literal:
    """Text as it stands; inside quotes it is neither split nor a pattern."""

    text: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name` or `${name…}`, of a variable, an argument (`1`) or a special parameter (`@`, `?`, …).

    An operator (`:-`, `%`, `//`, …) has an argument, `/` and `//` also a replacement.
    """

    line: int
    name: str
    quoted: bool
    operator: str = ""
    argument: Word = ()
    replacement: Word = ()


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(commands)`, and the same as text with single spaces."""

    line: int
    text: str
    body: Block
    quoted: bool


@dataclass(frozen=True, slots=True)
class Unread:
    """A construct that is not understood, by its name: part of a word, or a command.

    Attributes:
        text: What a shell without extensions takes it for, None where it means something to each.
        expression: Of arithmetic, as it stands.
    """

    line: int
    reason: str
    text: str | None = None
    expression: str = ""


Part: TypeAlias = Literal | Parameter | Substitution | Unread
Word: TypeAlias = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """`name=value`, or `name+=value`."""

    name: str
    append: bool
    value: Word


@dataclass(slots=True)
class Redirection:
    """`2>target`: the descriptor is empty where none is written.

    The target of a here-document is its content, which is read at the end of the line.
    """

    descriptor: str
    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """Assignments alone, or a command with its words; words of `export` and `readonly` may be assignments.

    Attributes:
        text: The command as it stands, with single spaces.
    """

    line: int
    text: str
    assignments: tuple[Assignment, ...]
    words: tuple[Word | Assignment, ...]
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Two commands or more, each reading what the one before writes."""

    line: int
    commands: tuple[Command, ...]


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
class Background:
    """`command &`."""

    line: int
    command: Command


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with redirections of the whole."""

    line: int
    command: Command
    redirections: tuple[Redirection, ...]


@dataclass(frozen=True, slots=True)
class If:
    """Pairs of condition and body, `else` with an empty condition."""

    line: int
    branches: tuple[tuple[Block, Block], ...]


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words; do body; done`; None for words means the arguments."""

    line: int
    name: str
    words: tuple[Word, ...] | None
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
class Group:
    """`{ commands; }`, or `( commands )` in a shell of their own."""

    line: int
    body: Block
    subshell: bool = False


@dataclass(frozen=True, slots=True)
class Function:
    """`name() { commands; }`, or `function name …`."""

    line: int
    name: str
    body: Command
    keyword: bool


Command: TypeAlias = (
    Simple
    | Pipeline
    | AndOr
    | Not
    | Background
    | Redirected
    | If
    | For
    | Loop
    | Case
    | Condition
    | Group
    | Function
    | Unread
)
Block: TypeAlias = tuple[Command, ...]


def bare(word: Word | Assignment) -> str | None:
    """The text of a word without quotes and expansions, else None."""
    if isinstance(word, tuple) and len(word) == 1 and isinstance(word[0], Literal) and not word[0].quoted:
        return word[0].text
    return None


def is_name(text: str) -> bool:
    """Whether the shell takes `text` as the name of a variable."""
    return NAME.fullmatch(text) is not None
