"""TOML as pixi reads it: inline tables may go over several lines, hold comments, and end with a comma.

Spec: TOML 1.1, "Inline Table"; the standard library reads TOML 1.0, which forbids that.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from pathlib import Path

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
    plain = _without_line_breaks(text)
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
