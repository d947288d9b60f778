"""Shell patterns: `*`, `?` and `[…]`, and removing what they match.

Spec: POSIX.1-2024, XCU 2.14 "Pattern Matching Notation".
"""

from __future__ import annotations

import re
from typing import TypeAlias

from docker_envs.environments.shell.syntax import UnknownValueError

#: One character that must be there, a set of them (and whether it is inverted), any character, or any text.
Piece: TypeAlias = str | tuple[frozenset[str], bool] | None
_ANY_TEXT: Piece = None
_ANY_CHARACTER: Piece = (frozenset(), True)
_WILDCARDS: dict[str, Piece] = {"*": _ANY_TEXT, "?": _ANY_CHARACTER}

#: Ranges of characters: those that mean the same everywhere, and those that do in the locale `C`.
_DIGITS = re.compile("(0)-(9)")
_RANGE = re.compile("([0-9A-Za-z])-([0-9A-Za-z])")

#: Longest text from which a pattern is removed, in characters, since all its ends are tried.
_MAX_REMOVAL = 4096


class Pattern:
    """A pattern.

    Args:
        segments: Pieces of text, and whether they are quoted.
        portable: Whether to refuse what shells and locales disagree on; else it is that of dash in the locale `C`.

    Raises:
        UnknownValueError: It has another form, or its meaning depends on the shell or its locale.
    """

    def __init__(self, segments: list[tuple[str, bool]], *, portable: bool = True) -> None:
        self._pieces: list[Piece] = []
        self._portable = portable
        for text, quoted in segments:
            self._pieces += list(text) if quoted else _pieces(text, portable=portable)
        mixed = any(not quoted and "[" in text for text, quoted in segments) and any(q for _, q in segments)
        if portable and mixed:
            raise UnknownValueError("a quoted part of a pattern with `[`")

    @property
    def literal(self) -> str | None:
        """The only text that matches, None if there are several."""
        characters = [piece for piece in self._pieces if isinstance(piece, str)]
        return "".join(characters) if len(characters) == len(self._pieces) else None

    def matches(self, text: str) -> bool:
        """Whether the whole text matches; quadratic at worst."""
        if self._portable and not text.isascii() and any(isinstance(piece, tuple) for piece in self._pieces):
            raise UnknownValueError("a pattern against text that is not ASCII")
        here = piece = 0
        retry_piece, retry_here = -1, 0
        while here < len(text):
            current = self._pieces[piece] if piece < len(self._pieces) else ""
            if current is _ANY_TEXT:
                retry_piece, retry_here = piece, here
                piece += 1
            elif _fits(current, text[here]):
                piece, here = piece + 1, here + 1
            elif retry_piece >= 0:
                retry_here += 1
                piece, here = retry_piece + 1, retry_here
            else:
                return False
        return all(rest is _ANY_TEXT for rest in self._pieces[piece:])

    def without_prefix(self, text: str, *, longest: bool) -> str:
        """`${text#pattern}`, `${text##pattern}`."""
        _check_length(text)
        ends = range(len(text), -1, -1) if longest else range(len(text) + 1)
        return next((text[end:] for end in ends if self.matches(text[:end])), text)

    def without_suffix(self, text: str, *, longest: bool) -> str:
        """`${text%pattern}`, `${text%%pattern}`."""
        _check_length(text)
        starts = range(len(text) + 1) if longest else range(len(text), -1, -1)
        return next((text[:start] for start in starts if self.matches(text[start:])), text)


def _check_length(text: str) -> None:
    if len(text) > _MAX_REMOVAL:
        raise UnknownValueError(f"a pattern against more than {_MAX_REMOVAL:,} characters")


def _fits(piece: Piece, character: str) -> bool:
    if isinstance(piece, tuple):
        return (character in piece[0]) != piece[1]
    return piece == character


def _pieces(text: str, *, portable: bool) -> list[Piece]:
    pieces: list[Piece] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            raise UnknownValueError("a backslash in a pattern")
        if character == "[":
            end = text.find("]", position + 1)
            if end < 0:
                raise UnknownValueError("`[` in a pattern")
            pieces.append(_set(text[position + 1 : end], portable=portable))
            position = end
        else:
            pieces.append(_WILDCARDS.get(character, character))
        position += 1
    return pieces


def _set(text: str, *, portable: bool) -> Piece:
    inverted = text.startswith("!")
    ranges = _DIGITS if portable else _RANGE
    members = ranges.sub(lambda found: "".join(map(chr, range(ord(found[1]), ord(found[2]) + 1))), text[inverted:])
    if not members or "-" in members or "[" in members or text.startswith("^"):
        raise UnknownValueError(f"`[{text}]` in a pattern")
    return frozenset(members), inverted
