"""The order of Debian's versions.

Spec: Debian Policy 4.7, section 5.6.12.
"""

from __future__ import annotations

import re
from functools import lru_cache

from docker_envs.errors import FormatError

VersionKey = tuple[object, ...]

# Upstream versions may have colons when there is an epoch, and hyphens when there is a revision.
_VERSION = re.compile(r"(?:([0-9]{1,9}):)?([0-9A-Za-z.+~:-]*?)(?:-([0-9A-Za-z.+~]*))?")
_PART = re.compile(r"([^0-9]*)([0-9]*)")


@lru_cache(maxsize=1 << 16)
def version_key(version: str) -> VersionKey:
    """What versions are sorted by; equal for versions that count as the same, such as `1.0` and `0:1.00-0`.

    Raises:
        FormatError: It is no version.
    """
    match = _VERSION.fullmatch(version)
    if match is None or not match[2]:
        raise FormatError("Debian package", f"{version!r} is not a version")
    return (int(match[1] or 0), _string_key(match[2]), _string_key(match[3] or ""))


def _string_key(text: str) -> VersionKey:
    # A number is compared by its length first, for it may be too long for an integer.
    pairs = [((*map(_order, letters), 0), digits.lstrip("0")) for letters, digits in _PART.findall(text)]
    while len(pairs) > 1 and pairs[-1] == ((0,), ""):
        pairs.pop()
    # The end counts as a part without letters, which is behind a tilde and before all else.
    return (*(part for letters, number in pairs for part in (letters, (len(number), number))), (0,))


def _order(char: str) -> int:
    """Tilde before the end (0), the end before letters, letters before all else."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256
