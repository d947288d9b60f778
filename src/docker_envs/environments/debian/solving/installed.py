"""What a base has already, from dpkg's own files.

Spec: dpkg(1), "INFORMATION ABOUT PACKAGES"; Debian Policy 4.7, section 6; `status.d` as distroless images have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.debian.indexing.indexed_package import FIELDS, IndexedPackage
from docker_envs.environments.debian.stanzas import parse_stanzas
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

# Of `Status: install ok installed`, the third word: what has files, and may be used.
_THERE = frozenset({"installed", "triggers-pending", "triggers-awaited", "unpacked", "half-configured"})


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """A package of a base.

    Attributes:
        indexed: What dpkg knows of it; without file name, digest and size.
        held: Whether it must stay at its version.
    """

    indexed: IndexedPackage
    held: bool = False

    @property
    def name(self) -> str:
        """Its name."""
        return self.indexed.name


def parse_status(texts: Iterable[str], *, source: str, architecture: str) -> tuple[InstalledPackage, ...]:
    """The packages that are installed, sorted by name.

    Args:
        texts: `/var/lib/dpkg/status`, or all files of `/var/lib/dpkg/status.d`, whose packages have no status.
        source: What was read, for messages.
        architecture: Of the image; packages for others are left out.

    Raises:
        FormatError: A text is malformed.
    """
    found: dict[str, InstalledPackage] = {}
    for text in texts:
        for stanza in parse_stanzas(text, source=source):
            status = stanza.get("status", "install ok installed").split()
            if len(status) != 3 or status[2] not in _THERE:
                continue
            values = [stanza.get(field.lower(), "") for field in FIELDS]
            if not values[0] or not values[1]:
                raise FormatError(source, "a stanza lacks the field `Package` or `Version`")
            if values[2] in (architecture, "all", ""):
                found[values[0]] = InstalledPackage(IndexedPackage(*values), held=status[0] == "hold")
    return tuple(found[name] for name in sorted(found))
