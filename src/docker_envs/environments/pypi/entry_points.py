"""`entry_points.txt`: the scripts that an installer makes for a distribution.

Spec: PyPA specifications, "Entry points specification".
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_GROUPS = ("console_scripts", "gui_scripts")
# One plain name: it becomes a file in `bin`.
_COMMAND = re.compile(r"[A-Za-z0-9_+@][A-Za-z0-9._+@-]*\Z")
_REFERENCE = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<function>[\w.]+)\s*(?:\[[^\]]*\])?\Z")


@dataclass(frozen=True, slots=True)
class Script:
    """A program `command` that calls `function` of `module`."""

    command: str
    module: str
    function: str


class _CaseSensitive(configparser.ConfigParser):
    def optionxform(self, optionstr: str) -> str:
        return optionstr


def parse_scripts(content: bytes, *, source: str) -> list[Script]:
    """The scripts of `entry_points.txt`, sorted by name.

    Raises:
        FormatError: It cannot be read, or has a script that is unsafe.
    """
    parser = _CaseSensitive(delimiters=("=",), comment_prefixes=("#", ";"), interpolation=None, strict=True)
    try:
        parser.read_string(content.decode())
    except (configparser.Error, UnicodeDecodeError) as error:
        raise FormatError(source, f"no entry points ({error})") from error
    points: dict[str, str] = {}
    for group in _GROUPS:
        if parser.has_section(group):
            points |= parser.items(group)
    return list(make_scripts(points, source=source))


def make_scripts(points: Mapping[str, str], *, source: str) -> Iterator[Script]:
    """The scripts of a table from names to `MODULE:FUNCTION`, sorted by name.

    Raises:
        FormatError: One of them is unsafe.
    """
    for command, text in sorted(points.items()):
        match = _REFERENCE.match(text.strip())
        names = [] if match is None else [*match["module"].split("."), *match["function"].split(".")]
        if match is None or not _COMMAND.match(command) or not all(name.isidentifier() for name in names):
            raise FormatError(source, f"unsafe or unreadable entry point {f'{command} = {text}'!r}")
        yield Script(command, match["module"], match["function"])
