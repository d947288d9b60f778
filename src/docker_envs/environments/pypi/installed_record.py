"""`RECORD`: the files of a distribution with their hashes, read from a wheel and written for what is installed.

Spec: PyPA specifications, "Recording installed projects", "The RECORD file".
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from docker_envs.errors import DigestMismatchError, FormatError, SizeMismatchError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from docker_envs.archive.entry import Entry

#: Content of `INSTALLER`.
INSTALLER = b"docker-envs\n"
#: Those that are no weaker than SHA-256, as the specification demands.
_ALGORITHMS = ("sha256", "sha384", "sha512")
_SIZE = re.compile(r"[0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class RecordedHash:
    """What `RECORD` says about a file.

    Attributes:
        algorithm: Name of the hash; empty when there is none.
        value: URL-safe base64 without padding.
        size: In bytes, when it is said.
    """

    algorithm: str = ""
    value: str = ""
    size: int | None = None

    def verified(self, chunks: Iterable[bytes], *, size: int, source: str) -> Iterator[bytes]:
        """The chunks, with an error at their end if they are not what was recorded.

        Raises:
            DigestMismatchError: The hash differs.
            SizeMismatchError: The size differs.
        """
        if self.size not in (None, size):
            raise SizeMismatchError(source, expected=self.size or 0, actual=size)
        digest = hashlib.new(self.algorithm)
        for chunk in chunks:
            digest.update(chunk)
            yield chunk
        if (actual := _text(digest.digest())) != self.value:
            expected = f"{self.algorithm}={self.value}"
            raise DigestMismatchError(source, expected=expected, actual=f"{self.algorithm}={actual}")


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file of an installed distribution, and its hash."""

    entry: Entry
    recorded: RecordedHash

    @classmethod
    def of(cls, entry: Entry, content: bytes) -> Self:
        """A file whose content is at hand."""
        return cls(entry, RecordedHash("sha256", _text(hashlib.sha256(content).digest()), len(content)))


def parse_record(content: bytes, *, unhashed: Collection[str], source: str) -> dict[str, RecordedHash]:
    """Read the `RECORD` of a wheel.

    Args:
        content: What is in it.
        unhashed: Files that need no hash, and are left out.
        source: The wheel, for messages.

    Raises:
        FormatError: A line is malformed, repeated, or without a hash that is strong enough.
    """
    recorded: dict[str, RecordedHash] = {}
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    except (csv.Error, UnicodeDecodeError) as error:
        raise FormatError(source, f"no `RECORD` ({error})") from error
    for row in filter(None, rows):
        name, hashed, size = row if len(row) == 3 else ("", "", "")
        if not name or name in recorded or not _SIZE.fullmatch(size):
            raise FormatError(source, f"`RECORD` has a malformed or repeated line {','.join(row)!r}")
        algorithm, _, value = hashed.partition("=")
        if name in unhashed:
            continue
        if algorithm not in _ALGORITHMS:
            raise FormatError(source, f"`RECORD` has no hash of `{name}` that is safe, but {hashed!r}")
        recorded[name] = RecordedHash(algorithm, value.rstrip("="), int(size) if size else None)
    return recorded


def record_content(files: Iterable[InstalledFile], *, record: str, site_packages: str) -> bytes:
    """`RECORD` for what is installed, sorted by path.

    Args:
        files: All files but itself.
        record: Its own path.
        site_packages: Path of site-packages, which the others are written relative to.
    """
    rows = [
        (posixpath.relpath(file.entry.path, site_packages), f"{file.recorded.algorithm}={file.recorded.value}",
         str(file.entry.size))
        for file in files
    ]  # fmt: skip
    rows.append((posixpath.relpath(record, site_packages), "", ""))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(sorted(rows))
    return out.getvalue().encode("utf-8", "surrogateescape")


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
