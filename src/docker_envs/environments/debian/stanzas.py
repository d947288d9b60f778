"""Stanzas: paragraphs of `Name: value` lines, in which Debian writes down nearly everything.

Spec: Debian Policy 4.7, section 5.1; dpkg, deb822(5).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A line that begins a field; names begin with neither `#` nor `-`.
FIELD = re.compile(r"([!-,./-9;-~][!-9;-~]*):[ \t]*(.*)")
_GAP = re.compile(r"\n(?:[ \t\r]*\n)+")


def parse_stanzas(text: str, *, source: str) -> Iterator[dict[str, str]]:
    """The stanzas of a text: values by the names of fields in lower case, continued lines with what begins them.

    Args:
        text: Lines that start with `#` are comments.
        source: What was read, for messages.

    Raises:
        FormatError: A line is neither a field nor goes on with one, or a field stands twice.
    """
    for paragraph in iter_paragraphs(text):
        stanza = parse_fields(paragraph_lines(paragraph), source=source)
        if stanza:
            yield {name: value for name, (_, value) in stanza.items()}


def iter_paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a file such as dpkg's `status`, each with one newline at its end."""
    for paragraph in _GAP.split(text.strip("\n")):
        if paragraph.strip():
            yield f"{paragraph}\n"


def paragraph_lines(paragraph: str) -> list[str]:
    """The lines of a paragraph without comments, and without blanks at their ends, which mean nothing."""
    return [line.rstrip() for line in paragraph.split("\n") if line.strip() and not line.startswith("#")]


def parse_fields(lines: list[str], *, source: str) -> dict[str, tuple[str, str]]:
    """The fields of one paragraph in their order: names as spelled and values, by the names in lower case.

    Raises:
        FormatError: A line is neither a field nor goes on with one, or a field stands twice.
    """
    fields: dict[str, tuple[str, str]] = {}
    name = ""
    for line in lines:
        if line[0] in " \t":
            if not name:
                raise FormatError(source, f"line {line[:80]!r} goes on with no field")
            spelled, value = fields[name]
            fields[name] = (spelled, f"{value}\n{line}")
            continue
        found = FIELD.match(line)
        if found is None:
            raise FormatError(source, f"line {line[:80]!r} is not a field")
        name = found[1].lower()
        if name in fields:
            raise FormatError(source, f"field `{found[1]}` stands twice in a stanza")
        fields[name] = (found[1], found[2])
    return fields
