"""Releases: what a suite is, and the digests of its indexes.

Spec: Debian, "DebianRepository/Format", section "Release" files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from docker_envs.environments.debian.stanzas import parse_stanzas
from docker_envs.errors import FormatError

_FILE = re.compile(r"^[ \t]+([0-9a-f]{64})[ \t]+([0-9]{1,15})[ \t]+(\S+)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """A file that a release names.

    Attributes:
        path: Below the directory of the release.
        sha256: 64 hexadecimal digits.
        size: In bytes.
    """

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Release:
    """A suite at one time.

    Attributes:
        suite: Such as `stable` or `oldstable-security`.
        codename: Such as `bookworm`.
        origin: Who publishes it.
        version: Such as `12.15`; empty where it has none.
        date: When it was made.
        valid_until: From when on it is too old; None where it does not say.
        architectures: What it has packages for.
        components: Its components.
        files: Its indexes by path.
        by_hash: Whether indexes can be fetched by their digest, which is safe while the suite changes.
        all_apart: Whether packages for all architectures are in an index of their own alone.
        automatic: Whether its packages are chosen without being asked for, unlike those of backports.
    """

    suite: str
    codename: str
    origin: str
    version: str
    date: datetime
    valid_until: datetime | None
    architectures: tuple[str, ...]
    components: tuple[str, ...]
    files: dict[str, ReleaseFile]
    by_hash: bool
    all_apart: bool
    automatic: bool

    @property
    def display_name(self) -> str:
        """`Debian bookworm 12.15`."""
        return " ".join(filter(None, (self.origin, self.codename or self.suite, self.version)))


def parse_release(content: bytes, *, source: str) -> Release:
    """Parse what was signed.

    Args:
        content: The text of a `Release`, or of an `InRelease` without its armor.
        source: What was read, for messages.

    Raises:
        FormatError: It is malformed, or has no digests by SHA-256.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise FormatError(source, "not UTF-8 text") from error
    stanzas = list(parse_stanzas(text, source=source))
    if len(stanzas) != 1:
        raise FormatError(source, f"has {len(stanzas)} stanzas instead of one")
    fields = stanzas[0]
    if "date" not in fields or "sha256" not in fields:
        raise FormatError(source, "a release needs the fields `Date` and `SHA256`")
    found = (ReleaseFile(path, sha256, int(size)) for sha256, size, path in _FILE.findall(fields["sha256"]))
    architectures = tuple(fields.get("architectures", "").split())
    return Release(
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        origin=fields.get("origin", ""),
        version=fields.get("version", ""),
        date=_parse_date(fields["date"], source),
        valid_until=_parse_date(fields["valid-until"], source) if "valid-until" in fields else None,
        architectures=architectures,
        components=tuple(each.rpartition("/")[2] for each in fields.get("components", "").split()),
        files={file.path: file for file in found},
        by_hash=fields.get("acquire-by-hash", "").lower() == "yes",
        all_apart="all" in architectures
        and "packages" not in fields.get("no-support-for-architecture-all", "").lower(),
        automatic=fields.get("notautomatic", "").lower() != "yes",
    )


def _parse_date(text: str, source: str) -> datetime:
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FormatError(source, f"{text[:80]!r} is not a date") from error
