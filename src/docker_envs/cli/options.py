"""Texts from the command line to values."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_pairs(items: Iterable[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` items.

    Raises:
        InvalidInputError: One has no name or no `=`.
    """
    pairs = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidInputError(f"invalid `{option}` {item!r}", hint=f"write it as `{option} NAME=VALUE`")
        pairs[name] = value
    return pairs


def parse_command(text: str | None, option: str) -> tuple[str, ...] | None:
    """A command as a shell would split it, or as a JSON list as in a Dockerfile; an empty text removes the base's.

    Raises:
        InvalidInputError: It cannot be split.
    """
    if text is None:
        return None
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError as error:
            raise InvalidInputError(f"invalid `{option}` {text!r}: no JSON list ({error})") from error
        if not all(isinstance(item, str) for item in items):
            raise InvalidInputError(f"invalid `{option}` {text!r}: not all items are strings")
        return tuple(items)
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InvalidInputError(f"invalid `{option}` {text!r}: {error}") from error
