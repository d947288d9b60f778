"""A value of a document that people write, and where it stands, so that every error can say so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidDeclarationError, redact
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_INTEGER = re.compile(r"0|-?[1-9][0-9_]*")
_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
#: Characters of a wrong value that a message repeats.
_SHOWN = 60


class Kind(StrEnum):
    """What a value is, in words."""

    TEXT = "text"
    NUMBER = "a number"
    TRUTH = "a truth value"
    NULL = "nothing"
    DATE = "a date"
    LIST = "a list"
    MAPPING = "a mapping"
    OTHER = "something else"


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a document and where it stands.

    Attributes:
        path: The file.
        line: Counted from 1.
        column: Likewise.
        kind: What it is.
        written: Of text its value, of other scalars how they are written; empty for lists and mappings.
        members: The items of a list.
        pairs: The keys and values of a mapping; a key may be there twice.
    """

    path: Path
    line: int
    column: int
    kind: Kind
    written: str = ""
    members: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return f"{self.path}:{self.line}:{self.column}"

    @property
    def is_null(self) -> bool:
        """Whether nothing is written there."""
        return self.kind is Kind.NULL

    @property
    def is_scalar(self) -> bool:
        """Whether it is no list and no mapping."""
        return self.kind not in (Kind.LIST, Kind.MAPPING)

    @property
    def described(self) -> str:
        """What it is, with its value."""
        if not self.is_scalar or self.is_null or not self.written or "\n" in self.written:
            return str(self.kind)
        # Before it is cut, for half a password could not be told from a host.
        written = redact(self.written)
        shown = written if len(written) <= _SHOWN else f"{written[:_SHOWN]}…"
        return f"{self.kind} (`{shown}`)"

    def error(self, reason: str, *, hint: str | None = None) -> InvalidDeclarationError:
        """An error about this value."""
        return InvalidDeclarationError(self.place, reason, hint=hint)

    def unexpected(self, what: str, *, hint: str | None = None) -> InvalidDeclarationError:
        """An error that says what was expected in place of this value."""
        return self.error(f"expected {what}, got {self.described}", hint=hint)

    def text(self, what: str) -> str:
        """The text of a scalar that is text.

        Raises:
            InvalidDeclarationError: It is something else, such as the number that `3.10` is.
        """
        if self.kind is not Kind.TEXT:
            hint = f'write it in quotes: "{self.written}"' if self.is_scalar and self.written else None
            raise self.unexpected(what, hint=hint)
        return self.written

    def scalar(self, what: str) -> str:
        """The text of any scalar, as it is written; empty for null.

        Raises:
            InvalidDeclarationError: It is a list or a mapping.
        """
        if not self.is_scalar:
            raise self.unexpected(what)
        return "" if self.is_null else self.written

    def integer(self, what: str) -> int:
        """A whole number in decimal digits.

        Raises:
            InvalidDeclarationError: It is none.
        """
        if self.kind is not Kind.NUMBER or not _INTEGER.fullmatch(self.written):
            raise self.unexpected(what)
        return int(self.written)

    def truth(self, what: str) -> bool:
        """True or false.

        Raises:
            InvalidDeclarationError: It is neither.
        """
        if self.kind is not Kind.TRUTH:
            raise self.unexpected(what, hint="write it as `true` or `false`, without quotes")
        return _TRUTHS[self.written.lower()]

    def items(self, what: str) -> list[Node]:
        """The items of a list; none for null.

        Raises:
            InvalidDeclarationError: It is no list.
        """
        if self.kind not in (Kind.LIST, Kind.NULL):
            raise self.unexpected(what)
        return list(self.members)

    def mapping(self, what: str, *, known: Collection[str] | None = None) -> dict[str, Node]:
        """The values of a mapping by key; none for null.

        Args:
            what: What is expected here, for the error.
            known: The keys there may be; None for any.

        Raises:
            InvalidDeclarationError: It is no mapping, or a key is unknown, no scalar, or there twice.
        """
        if self.kind not in (Kind.MAPPING, Kind.NULL):
            raise self.unexpected(what)
        found: dict[str, Node] = {}
        for key, value in self.pairs:
            name = key.scalar("a key")
            if name in found:
                raise key.error(f"the key `{name}` is there twice")
            if known is not None and name not in known:
                raise key.error(f"unknown key `{name}`", hint=suggest(name, known))
            found[name] = value
        return found
