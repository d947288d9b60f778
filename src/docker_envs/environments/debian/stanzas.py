"""Stanzas: paragraphs of `Name: value` lines, in which Debian writes down nearly everything.

Spec: Debian Policy 4.7, section 5.1; dpkg, deb822(5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELD = re.compile(r"([!-9;-~]+):[ \t]*(.*)")
_GAP = re.compile(r"\n(?:[ \t]*\n)+")


def parse_stanzas(text: str, *, source: str) -> Iterator[dict[str, str]]:
    """The stanzas of a text: values by the names of fields in lower case, continued lines with what begins them.

    Args:
        text: Lines that start with `#` are comments.
        source: What was read, for messages.

    Raises:
        FormatError: A line is neither a field nor goes on with one, or a field stands twice.
    """
    for paragraph in _GAP.split(text.replace("\r\n", "\n")):
        stanza: dict[str, str] = {}
        name = ""
        for line in paragraph.split("\n"):
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t":
                if not name:
                    raise FormatError(source, f"line {line[:80]!r} goes on with no field")
                stanza[name] += f"\n{line}"
                continue
            match = _FIELD.match(line)
            if match is None:
                raise FormatError(source, f"line {line[:80]!r} is not a field")
            name = match[1].lower()
            if name in stanza:
                raise FormatError(source, f"field `{match[1]}` stands twice in a stanza")
            stanza[name] = match[2].rstrip()
        if stanza:
            yield stanza
