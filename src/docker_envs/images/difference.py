"""Where two layers begin to differ."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from docker_envs.archive.reader import iter_entries

if TYPE_CHECKING:
    from docker_envs.archive.entry import Entry
    from docker_envs.oci.layer import Layer

#: Fields of an entry that are compared before its content.
_FIELDS = ("kind", "mode", "uid", "gid", "mtime", "size", "link", "device", "xattrs")
_OCTAL = frozenset({"mode"})


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference of two layers.

    Attributes:
        path: The file; empty when the difference is in none.
        field: What of it.
        expected: Its value in one layer.
        found: Its value in the other.
    """

    path: str
    field: str
    expected: str
    found: str

    def __str__(self) -> str:
        place = f"`{self.path}`: {self.field}" if self.path else self.field
        return f"{place} is {self.found} instead of {self.expected}"


def first_difference(expected: Layer, found: Layer) -> Difference | None:
    """Compare two layers entry by entry, in the order of their tars; None when they have the same diff_id.

    Raises:
        FormatError: One is no tar.
        VerificationError: One is not what its digest says, found when it is read to its end.
        TransportError: One cannot be read.

    Cost: both are read up to the first difference, streaming.
    """
    if expected.diff_id == found.diff_id:
        return None
    with expected.open_tar() as left, found.open_tar() as right:
        pairs = zip_longest(
            iter_entries(left, source=f"layer {expected.digest.short}"),
            iter_entries(right, source=f"layer {found.digest.short}"),
        )
        for one, other in pairs:
            difference = _compare(one, other)
            if difference is not None:
                return difference
    return Difference("", "the form of the tar", expected.diff_id.short, found.diff_id.short)


def _compare(expected: Entry | None, found: Entry | None) -> Difference | None:
    if expected is None or found is None or expected.path != found.path:
        return Difference("", "the next entry", _name(expected), _name(found))
    for field in _FIELDS:
        left, right = getattr(expected, field), getattr(found, field)
        if left != right:
            return Difference(expected.path, field, _text(field, left), _text(field, right))
    left, right = _digest(expected), _digest(found)
    return None if left == right else Difference(expected.path, "content", left, right)


def _name(entry: Entry | None) -> str:
    return f"`{entry.path}`" if entry is not None else "missing"


def _text(field: str, value: object) -> str:
    return oct(value) if field in _OCTAL and isinstance(value, int) else str(value)


def _digest(entry: Entry) -> str:
    hasher = hashlib.sha256()
    for chunk in entry.content:
        hasher.update(chunk)
    return f"sha256:{hasher.hexdigest()}"
