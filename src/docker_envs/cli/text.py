"""Values as people read them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker_envs.errors import DockerEnvsError


def human_size(size: float) -> str:
    """A size in bytes for people, in decimal units as registries show them."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.2f} GB"


def printable(text: str) -> str:
    """Text from outside without what a terminal would take for a command."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def printable_lines(text: str) -> str:
    """The same of a text with several lines."""
    return "\n".join(map(printable, text.split("\n")))


def print_error(error: DockerEnvsError) -> None:
    """Say what went wrong, and what helps."""
    print(printable_lines(f"error: {error}"), file=sys.stderr)
    if error.hint:
        print(printable_lines(f"hint: {error.hint}"), file=sys.stderr)
