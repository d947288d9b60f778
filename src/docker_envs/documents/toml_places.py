"""Where the keys and values of a TOML document stand, which the standard library does not tell.

Only valid documents are walked over, so this knows no errors.

Spec: TOML 1.0; what `docker_envs.documents.toml_document` allows besides is blanked before.
"""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

#: A key or an index for each level.
TomlPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|\#[^\n]*)*")
_KEY = re.compile(r"""[ \t]*(?P<part>[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')[ \t]*(?P<dot>\.?)""")
_TEXT = re.compile(r"""\"\"\"(?:\\.|[^\\])*?\"{3,5}(?!")|'''.*?'{3,5}(?!')|"(?:\\.|[^"\\])*"|'[^']*'""", re.DOTALL)
_SCALAR = re.compile(r"[^,\]}#\n]+")


class Place(NamedTuple):
    """Offsets in the text: of the key that leads to a value, and of the value's start and end."""

    key: int
    start: int
    end: int


def toml_places(text: str) -> dict[TomlPath, Place]:
    """The places of all values of a valid document, tables included."""
    walk = _Walk(text)
    walk.document()
    return walk.places


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self._lengths: dict[TomlPath, int] = {}
        self.places: dict[TomlPath, Place] = {}

    def document(self) -> None:
        table: TomlPath = ()
        while self._skip():
            if self._text.startswith("[[", self._offset):
                table = self._header(2)
            elif self._text[self._offset] == "[":
                table = self._header(1)
            else:
                self._pair(table)

    def _skip(self) -> bool:
        """Whether something follows after blanks and comments."""
        match = _BLANK.match(self._text, self._offset)
        self._offset = match.end() if match else self._offset
        return self._offset < len(self._text)

    def _header(self, brackets: int) -> TomlPath:
        start = self._offset
        self._offset += brackets
        keys = self._keys()
        self._offset += brackets
        path: TomlPath = ()
        for number, key in enumerate(keys, start=1):
            path = (*path, key)
            self.places.setdefault(path, Place(start, start, start))
            if brackets == 2 and number == len(keys):
                self._lengths[path] = self._lengths.get(path, 0) + 1
            if path in self._lengths:
                path = (*path, self._lengths[path] - 1)
                self.places.setdefault(path, Place(start, start, start))
        return path

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while match := _KEY.match(self._text, self._offset):
            self._offset = match.end()
            part = match["part"]
            keys.append(str(tomllib.loads(f"x={part}")["x"]) if part[0] in "\"'" else part)
            if not match["dot"]:
                break
        return keys

    def _pair(self, table: TomlPath) -> None:
        start = self._offset
        keys = self._keys()
        self._offset += 1  # the equals sign
        for number in range(1, len(keys)):
            self.places.setdefault((*table, *keys[:number]), Place(start, start, start))
        self._value((*table, *keys), key=start)

    def _value(self, path: TomlPath, *, key: int | None = None) -> None:
        self._skip()
        start, first = self._offset, self._text[self._offset]
        if first == "[":
            self._sequence(path, "]")
        elif first == "{":
            self._sequence(path, "}")
        else:
            match = (_TEXT if first in "\"'" else _SCALAR).match(self._text, start)
            self._offset = match.end() if match else start + 1
        self.places[path] = Place(start if key is None else key, start, self._offset)

    def _sequence(self, path: TomlPath, end: str) -> None:
        """The items of an array, or the pairs of an inline table."""
        self._offset += 1
        number = 0
        while self._skip() and self._text[self._offset] != end:
            if end == "]":
                self._value((*path, number))
            else:
                self._pair(path)
            number += 1
            self._skip()
            if self._text[self._offset] == ",":
                self._offset += 1
        self._offset += 1
