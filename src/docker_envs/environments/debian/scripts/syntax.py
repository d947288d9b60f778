"""The syntax tree of maintainer scripts: what was written, whatever of it will be reached.

Spec: POSIX.1-2024, XCU 2 "Shell Command Language"; Debian Policy 4.7, section 10.4 (what scripts may use beyond).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


class UnreadableScriptError(Exception):
    """A script in another language, or one that cannot be read; `line` counts from one."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Text:
    """Text as it stands; inside quotes it is neither split nor a pattern."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`, `${name}` or with an operator (`:-`, `%`, …) and its argument."""

    name: str
    quoted: bool
    operator: str = ""
    argument: Word = ()


@dataclass(frozen=True, slots=True)
class Output:
    """`$(commands)`; None for what is not read, such as arithmetic."""

    body: Block | None
    quoted: bool


Word: TypeAlias = "tuple[Text | Variable | Output, ...]"


@dataclass(frozen=True, slots=True)
class Redirection:
    """`>file` and its kind; a here-document has its content as the target."""

    operator: str
    target: Word


@dataclass(frozen=True, slots=True)
class Simple:
    """Assignments, words and redirections of one command."""

    line: int
    text: str
    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: Sequence[Redirection]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Two commands or more, each reading what the one before writes."""

    line: int
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class AndOr:
    """`first && second || third`; the first operator is empty."""

    line: int
    steps: tuple[tuple[str, Command], ...]


@dataclass(frozen=True, slots=True)
class Not:
    """`! command`."""

    line: int
    command: Command


@dataclass(frozen=True, slots=True)
class If:
    """Pairs of condition and body, `else` with an empty condition."""

    line: int
    branches: tuple[tuple[Block, Block], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in pattern | pattern) body ;; esac`."""

    line: int
    word: Word
    items: tuple[tuple[tuple[Word, ...], Block], ...]


@dataclass(frozen=True, slots=True)
class For:
    """`for name in words; do body; done`; no words mean the arguments."""

    line: int
    name: str
    words: tuple[Word, ...] | None
    body: Block


@dataclass(frozen=True, slots=True)
class While:
    """`while` and `until`."""

    line: int
    condition: Block
    body: Block


@dataclass(frozen=True, slots=True)
class Group:
    """`{ commands; }` and `( commands )`, with redirections of the whole."""

    line: int
    body: Block
    redirections: Sequence[Redirection] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """`name() { commands; }`."""

    line: int
    name: str
    body: Command


Command: TypeAlias = "Simple | Pipeline | AndOr | Not | If | Case | For | While | Group | Function"
Block: TypeAlias = "tuple[Command, ...]"
