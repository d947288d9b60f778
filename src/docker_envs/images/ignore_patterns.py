"""Patterns of a `.dockerignore`, as Docker reads them.

They differ from those of a `.gitignore`: a pattern is anchored at the root, a directory that is left out may have
exceptions in it, and of all patterns that match a path or a directory above it, the last one counts.

Spec: Docker docs, "Build context", ".dockerignore files"; what these leave open is as `moby/patternmatcher` has it.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PIECE = re.compile(r"\*\*/?|\*|\?|\\.|\[|\]|.", re.DOTALL)
_MAGIC = re.compile(r"[*?\\\[\]]")


@dataclass(frozen=True, slots=True)
class _Pattern:
    text: str
    is_match: Callable[[str], object]
    #: Whether what matches is put back in.
    is_exception: bool


class IgnorePatterns:
    """An ordered list of patterns.

    Args:
        lines: Patterns as they are written; comments and empty lines are none.
        source: Where they are, for messages.

    Raises:
        InvalidInputError: One of them is malformed.
    """

    def __init__(self, lines: Sequence[str], *, source: str) -> None:
        self._patterns = [pattern for line in lines if (pattern := _parse(line, source)) is not None]
        self._directories: dict[str, list[bool]] = {}

    def may_spare(self, directory: str) -> bool:
        """Whether something below a directory that matches may be an exception."""
        exceptions = [pattern.text for pattern in self._patterns if pattern.is_exception]
        return any(_MAGIC.search(text) or text.startswith(f"{directory}/") for text in exceptions)

    def may_match_below(self, directory: str) -> bool:
        """Whether something below a directory may match; False saves looking."""
        names = directory.split("/")
        return self.matches(directory) or any(_leads_below(pattern.text, names) for pattern in self._patterns)

    def matches(self, path: str) -> bool:
        """Whether a path relative to the root, without a leading slash, is matched, by itself or by one above it."""
        return self._match(path)[0]

    def _match(self, path: str) -> tuple[bool, list[bool]]:
        parent = path.rpartition("/")[0]
        above = self._above(parent) if parent else [False] * len(self._patterns)
        matched, found = False, []
        for pattern, is_below in zip(self._patterns, above, strict=True):
            # A pattern that could change nothing is not asked, and then does not count for what is below either.
            hit = is_below or (pattern.is_exception == matched and bool(pattern.is_match(path)))
            found.append(hit)
            if hit:
                matched = not pattern.is_exception
        return matched, found

    def _above(self, directory: str) -> list[bool]:
        if directory not in self._directories:
            self._directories[directory] = self._match(directory)[1]
        return self._directories[directory]


def _leads_below(text: str, names: Sequence[str]) -> bool:
    """Whether a pattern has more pieces than a path, and those in common may match."""
    pieces = text.split("/")
    if "**" in text or "[" in text:  # which match slashes
        return True
    return len(pieces) > len(names) and all(
        piece == name or _MAGIC.search(piece) for piece, name in zip(pieces, names, strict=False)
    )


def _parse(line: str, source: str) -> _Pattern | None:
    text = line.strip()
    if not text or line.startswith("#"):
        return None
    is_exception = text.startswith("!")
    text = text[is_exception:].strip()
    if not text:
        raise InvalidInputError(f"{source}: `!` is an exception without a pattern")
    text = posixpath.normpath(text).lstrip("/")
    return _Pattern(text, _matcher(text, f"{source}: invalid pattern {line.strip()!r}"), is_exception)


def _matcher(text: str, error: str) -> Callable[[str], object]:
    """Without wildcards, or with `**` at one end only, a pattern is text; `**name` is one with what ends so."""
    head, tail = text[2:], text[:-2]
    if not _MAGIC.search(text):
        return text.__eq__
    if text.startswith("**") and not _MAGIC.search(head):
        return lambda path: path.endswith(head) or (head.startswith("/") and path == head[1:])
    if text.endswith("**") and not _MAGIC.search(tail):
        return lambda path: path.startswith(tail)
    try:
        return re.compile(_expression(text)).fullmatch
    except re.error as cause:
        raise InvalidInputError(error) from cause


def _expression(text: str) -> str:
    parts, in_set = [], False
    for found in _PIECE.finditer(text):
        piece = found[0]
        if piece in "[]" or in_set:
            in_set = piece != "]"
            # Both syntaxes say `^` for all others, and `-` for ranges.
            parts.append(piece if piece in ("[", "]", "^", "-") else re.escape(piece[-1]))
        elif piece.startswith("**"):
            parts.append(".*" if found.end() == len(text) else "(?:.*/)?")
        elif piece in "*?":
            parts.append("[^/]*" if piece == "*" else "[^/]")
        else:
            parts.append(re.escape(piece[-1]))
    return "".join(parts)
