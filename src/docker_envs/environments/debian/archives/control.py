"""The control file of a package: fields in their order, values as they stand.

Spec: deb822(5); deb-control(5); Debian Policy 4.7, section 5.1.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.environments.debian.stanzas import FIELD, paragraph_lines, parse_fields
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Debian Policy 5.6.1 and 5.6.12; deb-version(7).
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+\Z")
_VERSION = re.compile(r"(?:[0-9]+:)?[A-Za-z0-9.+~-][A-Za-z0-9.+~:-]*\Z")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


class Control:
    """The fields of one package, whose names are compared without regard to case.

    Attributes:
        text: The paragraph as it was, without comments and with one newline at its end.

    Raises:
        FormatError: It is no paragraph, lacks a name, version or architecture, or has an invalid one.
    """

    def __init__(self, text: str, *, source: str) -> None:
        lines = paragraph_lines(text)
        self.text = "".join(f"{line}\n" for line in lines)
        self._fields = parse_fields(lines, source=source)
        for field, pattern in (("package", _NAME), ("version", _VERSION), ("architecture", _ARCHITECTURE)):
            if not pattern.match(self.get(field)):
                raise FormatError(
                    source, f"its field `{field.capitalize()}` is missing or invalid: {self.get(field)!r}"
                )

    def get(self, field: str) -> str:
        """The value of a field, with the newlines and indentation of its further lines; empty when there is none."""
        return self._fields.get(field.lower(), ("", ""))[1]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields.values())

    @property
    def name(self) -> str:
        """The field `Package`."""
        return self.get("package")

    @property
    def version(self) -> str:
        """The field `Version`."""
        return self.get("version")

    @property
    def architecture(self) -> str:
        """The field `Architecture`."""
        return self.get("architecture")

    @property
    def is_multi_arch(self) -> bool:
        """Whether packages of several architectures may be installed side by side."""
        return self.get("multi-arch") == "same"

    @property
    def file_stem(self) -> str:
        """How dpkg names the files of its database: `libc6:amd64`, `bash`."""
        return f"{self.name}:{self.architecture}" if self.is_multi_arch else self.name


def with_fields(text: str, **fields: str) -> str:
    """A paragraph with fields put behind its first one, and any of their name removed; `_` stands for `-`."""
    wanted = {name.replace("_", "-"): value for name, value in fields.items()}
    dropped = {name.lower() for name in wanted}
    kept: list[str] = []
    keeps = True
    for line in text.splitlines():
        found = FIELD.match(line)
        if found is not None:
            keeps = found[1].lower() not in dropped
        if keeps:
            kept.append(line)
    added = [f"{name}:{'' if value.startswith(chr(10)) else ' '}{value}" for name, value in wanted.items() if value]
    return "".join(f"{line}\n" for line in [*kept[:1], *added, *kept[1:]])
