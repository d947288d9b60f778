"""TOML as pixi reads it: inline tables may go over several lines, hold comments, and end with a comma.

Spec: TOML 1.1, "Inline Table"; the standard library reads TOML 1.0, which forbids that.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from datetime import date, time
from typing import TYPE_CHECKING, Any

from docker_envs.documents.node import Kind, Node
from docker_envs.documents.toml_places import toml_places
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.documents.toml_places import TomlPath

_PIECE = re.compile(
    r"""
    \"\"\"(?:\\.|[^\\])*?\"\"\" | '''.*?'''       # texts over several lines
    | "(?:\\.|[^"\\\n])*" | '[^'\n]*'         # texts
    | \#[^\n]*                                # comments
    | [\[\]{},\n]
    """,
    re.DOTALL | re.VERBOSE,
)
_PLACE = re.compile(
    r"(?P<reason>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)\Z", re.DOTALL
)


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """The values of a document.

    Raises:
        InvalidDeclarationError: It is no TOML; the error says where.
    """
    text = text.replace("\r\n", "\n")
    return _parse(path, text, _without_line_breaks(text))


def parse_toml_nodes(path: Path, text: str) -> Node:
    """The values of a document with their places.

    Raises:
        InvalidDeclarationError: It is no TOML; the error says where.
    """
    text = text.replace("\r\n", "\n")
    plain = _without_line_breaks(text)
    document = _parse(path, text, plain)
    return _Nodes(path, plain, text).node(document, ())


class _Nodes:
    """Values and places put together."""

    def __init__(self, path: Path, plain: str, text: str) -> None:
        self._path = path
        self._plain = plain
        self._places = toml_places(plain)
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def node(self, value: Any, where: TomlPath) -> Node:
        place = self._places.get(where)
        here = self._here(place.start if place else 0)
        if isinstance(value, dict):
            pairs = tuple(
                (self._key(key, (*where, key)), self.node(item, (*where, key))) for key, item in value.items()
            )
            return Node(*here, Kind.MAPPING, pairs=pairs)
        if isinstance(value, list):
            members = tuple(self.node(item, (*where, number)) for number, item in enumerate(value))
            return Node(*here, Kind.LIST, members=members)
        if isinstance(value, str):
            return Node(*here, Kind.TEXT, written=value)
        written = self._plain[place.start : place.end].strip() if place else str(value)
        if isinstance(value, bool):
            return Node(*here, Kind.TRUTH, written=written)
        return Node(*here, Kind.DATE if isinstance(value, date | time) else Kind.NUMBER, written=written)

    def _key(self, key: str, where: TomlPath) -> Node:
        place = self._places.get(where)
        return Node(*self._here(place.key if place else 0), Kind.TEXT, written=key)

    def _here(self, offset: int) -> tuple[Path, int, int]:
        line = bisect_right(self._lines, offset)
        return self._path, line, offset - self._lines[line - 1] + 1


def _parse(path: Path, text: str, plain: str) -> dict[str, Any]:
    try:
        return tomllib.loads(plain)
    except ValueError as error:
        match = _PLACE.match(str(error))
        if match is None:
            raise InvalidDeclarationError(str(path), f"not valid TOML: {error}") from error
        offset = len(text)
        if match["line"]:
            lines = plain.split("\n")[: int(match["line"]) - 1]
            offset = sum(len(line) + 1 for line in lines) + int(match["column"]) - 1
        place = f"{path}:{text.count(chr(10), 0, offset) + 1}:{offset - text.rfind(chr(10), 0, offset)}"
        reason = match["reason"][0].lower() + match["reason"][1:]
        raise InvalidDeclarationError(place, f"not valid TOML: {reason}") from error
    except RecursionError as error:
        raise InvalidDeclarationError(str(path), "nested too deeply") from error


def _without_line_breaks(text: str) -> str:
    """Blank what TOML 1.0 forbids in inline tables; all else stays at its offset."""
    characters = list(text)
    open_brackets: list[str] = []
    # Where the last comma or opening bracket is.
    comma = 0
    for match in _PIECE.finditer(text):
        piece, start = match[0], match.start()
        in_table = open_brackets[-1:] == ["{"]
        if piece in "{[":
            open_brackets.append(piece)
            comma = start
        elif piece in "}]":
            if in_table and text[comma] == "," and not "".join(characters[comma + 1 : start]).strip():
                characters[comma] = " "
            del open_brackets[-1:]
        elif piece == ",":
            comma = start
        elif in_table and (piece == "\n" or piece.startswith("#")):
            characters[start : match.end()] = " " * len(piece)
    return "".join(characters)
