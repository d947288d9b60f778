"""Small values of a declaration, each from its node; what is wrong is said with its place."""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from docker_envs.documents.node import Kind, Node
from docker_envs.errors import InvalidInputError
from docker_envs.images.container import parse_duration
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)

#: The largest number that is taken where nothing else limits it.
_MAX_NUMBER = (1 << 31) - 1

_MODE = re.compile(r"(?:0o?)?([0-7]{1,4})\Z")
#: The shortest time that engines take, in nanoseconds.
_SHORTEST = 1_000_000
#: The longest that configs hold: a 64-bit number of nanoseconds.
_LONGEST = (1 << 63) - 1


def checked(node: Node, parse: Callable[[str], T], text: str | None = None) -> T:
    """A value parsed elsewhere; what is wrong with it is said with its place.

    Args:
        node: Where the text stands.
        parse: Raises an `InvalidInputError` for what it does not take.
        text: The text, when it is not the node's own.

    Raises:
        InvalidDeclarationError: It cannot be parsed.
    """
    try:
        return parse(node.written if text is None else text)
    except InvalidInputError as error:
        raise node.error(str(error), hint=error.hint) from error


def texts(node: Node, what: str, each: str) -> list[Node]:
    """The items of a list of texts."""
    items = node.items(what)
    for item in items:
        item.text(each)
    return items


def filled(node: Node, what: str) -> str:
    """A text that is not empty."""
    text = node.text(what)
    if not text.strip():
        raise node.error(f"expected {what}, got an empty text")
    return text


def written(node: Node, what: str) -> str:
    """Any scalar as it is written; not nothing."""
    if node.is_null:
        raise node.unexpected(what, hint='write `""` for an empty text')
    return node.scalar(what)


def pairs(node: Node, what: str) -> dict[str, str]:
    """A mapping of names to scalars as they are written."""
    hint = "write it as `NAME: VALUE`, one a line"
    if node.kind not in (Kind.MAPPING, Kind.NULL):
        raise node.unexpected(what, hint=hint)
    found = {name: written(value, f"the value of `{name}`") for name, value in node.mapping(what).items()}
    for key, _ in node.pairs:
        if not key.written or "=" in key.written:
            raise key.error(f"invalid name `{key.written}`", hint=hint)
    return found


def choice(node: Node, kind: type[Choice], what: str) -> Choice:
    """One of a few words."""
    if node.kind is not Kind.TEXT:
        raise node.unexpected(f"the name of {what}", hint=f"use one of {', '.join(f'`{each}`' for each in kind)}")
    word = node.written
    if word not in tuple(kind):
        raise node.error(f"unknown {what.partition(' ')[2]} `{word}`", hint=suggest(word, kind))
    return kind(word)


def command(node: Node, what: str) -> tuple[str, ...]:
    """A command: a list of words, or a text as a shell would split it."""
    if node.kind is Kind.LIST:
        return tuple(written(item, f"a word of {what}") for item in node.members)
    try:
        return tuple(shlex.split(node.text(f"a text or a list of words for {what}")))
    except ValueError as error:
        raise node.error(f"{what} cannot be split into words: {str(error).lower()}") from error


def whole_number(node: Node, what: str, *, least: int = 0, most: int = _MAX_NUMBER) -> int:
    """A whole number within limits."""
    number = node.integer(what)
    if not least <= number <= most:
        raise node.error(f"expected {what}, got {number}", hint=f"use a number from {least} to {most}")
    return number


def mode(node: Node) -> int:
    """The mode of a file, in octal digits whatever the document takes them for."""
    if node.kind not in (Kind.TEXT, Kind.NUMBER):
        raise node.unexpected("a mode")
    match = _MODE.match(node.written)
    if match is None:
        raise node.error(f"invalid mode `{node.written}`", hint='write it in octal digits, as "0644" or "0755"')
    return int(match[1], 8)


def duration(node: Node) -> int | None:
    """A time in nanoseconds, from `1m30s` and the like; None for `0s`, which leaves it to the engine."""
    text = written(node, "a time such as `30s`")
    time = checked(node, parse_duration, text)
    if 0 < time < _SHORTEST or time > _LONGEST:
        raise node.error(f"invalid duration {text!r}", hint="use `0s`, or a time from `1ms` to 290 years")
    return time or None


def image_path(node: Node, *, what: str = "a path in the image") -> str:
    """A canonical absolute path in the image; `/` for the root."""
    text = filled(node, what)
    if not text.startswith("/"):
        raise node.error(f"`{text}` is no absolute path", hint=f"write it as `/{text}`")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise node.error(f"`{text}` has `..` in it", hint="name the place itself")
    if any(ord(character) < 32 for character in text):
        raise node.error("a path cannot have control characters in it")
    return "/" + "/".join(parts)


def host_path(node: Node, folder: Path, *, what: str) -> Path:
    """A path of the host below the declaration's folder, or an absolute one; something is there."""
    text = filled(node, what)
    path = folder / text
    try:
        exists = path.exists()
    except (OSError, ValueError) as error:
        raise node.error(f"`{text[:60]}` is no path") from error
    if not exists:
        raise node.error(f"there is no `{text}`", hint=_neighbour(path))
    return path


def _neighbour(path: Path) -> str | None:
    """What somebody may have meant by a path that is not there."""
    try:
        names = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
    except OSError:
        return None
    hint = suggest(path.name, names)
    return hint if hint.startswith("did you mean") else None
