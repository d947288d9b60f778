"""Typed access to untrusted JSON and YAML, with the place in every error."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from docker_envs.digest import Digest
from docker_envs.errors import FormatError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

#: Type of a decoded JSON object.
JsonObject = dict[str, Any]

#: Deepest nesting of objects and lists; real documents stay below ten.
_MAX_DEPTH = 100
_TOO_DEEP = "nested too deeply"


def parse_json(content: bytes, *, source: str) -> Any:
    """Decode JSON.

    Raises:
        FormatError: `content` is no JSON, or nested too deeply.
    """
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(source, f"no valid JSON: {error}") from error
    except RecursionError as error:
        raise FormatError(source, _TOO_DEEP) from error
    check_depth(value, source=source)
    return value


def check_depth(value: Any, *, source: str) -> None:
    """Refuse a decoded value that is nested too deeply.

    Raises:
        FormatError: It is.
    """
    if _depth_exceeds(value, _MAX_DEPTH):
        raise FormatError(source, _TOO_DEEP)


def _depth_exceeds(value: Any, limit: int) -> bool:
    """Whether containers are nested deeper than `limit`, so that no recursion over `value` can fail later."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        if not level:
            return False
        children = (node.values() if isinstance(node, dict) else node for node in level)
        level = [child for nodes in children for child in nodes if isinstance(child, dict | list)]
    return bool(level)


def canonical_json(value: Any) -> bytes:
    """The one encoding that we write: sorted keys, no white space, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object together with where it was found.

    Attributes:
        document: The object; never changed through this class.
        source: What was read, for example a URL.
        location: The place of the object inside, such as `layers[2].`; empty at the top.
    """

    document: JsonObject
    source: str
    location: str = ""

    @classmethod
    def parse(cls, content: bytes, *, source: str) -> Fields:
        """Decode a JSON object.

        Raises:
            FormatError: `content` is no JSON object.
        """
        return cls.of(parse_json(content, source=source), source=source)

    @classmethod
    def of(cls, value: Any, *, source: str, location: str = "") -> Fields:
        """Wrap a decoded value that must be an object."""
        if not isinstance(value, dict):
            raise FormatError(source, f"{location.rstrip('.') or 'top level'}: expected an object")
        return cls(value, source, location)

    def get(self, name: str, kind: type[T]) -> T | None:
        """The value of an optional field (null counts as missing)."""
        value = self.document.get(name)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(name, f"expected {kind.__name__}, got {type(value).__name__}")
        return value

    def require(self, name: str, kind: type[T]) -> T:
        """The value of a field that must be there."""
        value = self.get(name, kind)
        if value is None:
            raise self.error(name, f"missing, expected {kind.__name__}")
        return value

    def digest(self, name: str) -> Digest:
        """A field that must hold a digest."""
        try:
            return Digest(self.require(name, str))
        except InvalidInputError as error:
            raise self.error(name, str(error)) from error

    def size(self, name: str) -> int:
        """A field that must hold a size in bytes."""
        value = self.require(name, int)
        if value < 0:
            raise self.error(name, f"expected a size in bytes, got {value}")
        return value

    def strings(self, name: str) -> list[str]:
        """An optional list of strings; empty when missing."""
        values = self.get(name, list) or []
        for index, value in enumerate(values):
            if not isinstance(value, str):
                raise self.error(f"{name}[{index}]", f"expected str, got {type(value).__name__}")
        return values

    def string_map(self, name: str) -> dict[str, str]:
        """An optional object of strings; empty when missing."""
        values = self.get(name, dict) or {}
        for key, value in values.items():
            if not isinstance(value, str):
                raise self.error(f"{name}[{key!r}]", f"expected str, got {type(value).__name__}")
        return values

    def object(self, name: str) -> Fields:
        """An object that must be there."""
        return Fields(self.require(name, dict), self.source, f"{self.location}{name}.")

    def objects(self, name: str) -> Iterator[Fields]:
        """The objects in an optional list."""
        for index, value in enumerate(self.get(name, list) or []):
            yield Fields.of(value, source=self.source, location=f"{self.location}{name}[{index}].")

    def error(self, name: str, reason: str) -> FormatError:
        """A `FormatError` about one field."""
        return FormatError(self.source, f"{self.location}{name}: {reason}")
