"""Channels as people name them: names, labels, URLs, paths, `defaults`; and their priority.

Spec: conda docs, "Managing channels"; conda CEP 26, "Channel"; conda docs, "Expansion of environment variables".
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidInputError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# What `defaults` stands for, as conda has it in its own configuration.
_DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
_NO_DEFAULTS = "nodefaults"
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<plain>[A-Za-z_]\w*))")


class ChannelPriority(StrEnum):
    """What a channel's place in the list means: `strict` hides the packages of lower channels, `disabled` nothing."""

    STRICT = "strict"
    FLEXIBLE = "flexible"
    DISABLED = "disabled"

    @classmethod
    def parse(cls, text: str) -> ChannelPriority:
        """Parse one of the three words.

        Raises:
            InvalidInputError: It is another word.
        """
        try:
            return cls(text)
        except ValueError as error:
            raise InvalidInputError(f"unknown channel priority `{text}`", hint=suggest(text, cls)) from error


def expand_variables(text: str) -> str:
    """Replace `$NAME` and `${NAME}`, so that a token need not be written into a file.

    Raises:
        InvalidInputError: A variable is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        if name not in os.environ:
            raise InvalidInputError(f"the environment variable `{name}` is not set")
        return os.environ[name]

    return _VARIABLE.sub(value, text)


def parse_channel(text: str, *, directory: Path) -> str:
    """A channel as a file names it: variables replaced, and `./…` or `../…` below a directory.

    Raises:
        InvalidInputError: A variable is not set, or nothing is written there.
    """
    channel = expand_variables(text.strip())
    if not channel:
        raise InvalidInputError("the name of a channel is empty")
    if channel in (".", "..") or channel.startswith(("./", "../")):
        return (directory / channel).resolve().as_uri()
    return channel


def expand_channels(channels: Iterable[str]) -> list[str]:
    """The channels to be read, each once: `defaults` stands for two, `nodefaults` for none."""
    expanded: dict[str, None] = {}
    for channel in channels:
        names = _DEFAULTS if channel == "defaults" else () if channel == _NO_DEFAULTS else (channel,)
        expanded.update(dict.fromkeys(names))
    return list(expanded)


def channel_url(channel: str) -> str:
    """The base URL of a channel, with a slash at its end; may hold credentials.

    Raises:
        InvalidInputError: It is no channel.
    """
    return str(rattler_channel(channel).base_url)


def rattler_channel(channel: str) -> Any:
    """A channel for rattler.

    Raises:
        InvalidInputError: It is no channel.
    """
    import rattler
    from rattler import exceptions

    try:
        return rattler.Channel(channel)
    except (exceptions.InvalidChannelError, exceptions.InvalidUrlError) as error:
        raise InvalidInputError(f"invalid channel `{channel}`: {error}") from error
