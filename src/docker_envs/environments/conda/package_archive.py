"""The two archive formats of conda packages, read as streams.

Spec: conda CEP 35 and conda docs, "Package specification", "`.tar.bz2` conda package format", "`.conda` package
format".
"""

from __future__ import annotations

import contextlib
import io
import lzma
import struct
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from docker_envs.archive.compression import Compression, DecompressedReader
from docker_envs.archive.entry import Entry, Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.streams import ByteSource

#: The largest metadata file that is read, in bytes.
_MAX_METADATA = 256 << 20
# What `zipfile` raises on damaged files, depending on which of their bytes is wrong.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_INFO = "info/"
_WANTED = frozenset(
    f"{_INFO}{name}" for name in ("index.json", "paths.json", "link.json", "files", "has_prefix", "no_link")
)


class PackageArchive:
    """A package archive on disk, whose digest the caller has verified.

    Attributes:
        host_path: The file.
        source: Its name, for messages.
    """

    def __init__(self, host_path: Path) -> None:
        self.host_path = host_path
        self.source = host_path.name

    def read_metadata(self) -> dict[str, bytes]:
        """The files below `info/` that say what the package is, by their path; those that exist.

        Raises:
            FormatError: The archive is damaged or truncated.

        Cost: for `.conda` the small info part, for `.tar.bz2` the stream up to the first file that is not metadata
        (all of it when the metadata do not come first).
        """
        found: dict[str, bytes] = {}
        with self._open_tar("info-") as tar:
            for entry in iter_entries(tar, source=self.source):
                if entry.path in _WANTED and entry.kind is Kind.FILE:
                    if entry.size > _MAX_METADATA:
                        raise FormatError(
                            self.source, f"`{entry.path}` has {entry.size:,} bytes (limit {_MAX_METADATA:,})"
                        )
                    found[entry.path] = entry.read()
                elif not entry.path.startswith(_INFO) and _is_complete(found):
                    break
        return found

    def iter_entries(self) -> Iterator[Entry]:
        """What the package installs, in the order of its archive, without directories' metadata and `info/`.

        Raises:
            FormatError: The archive is damaged or truncated.
        """
        with self._open_tar("pkg-") as tar:
            for entry in iter_entries(tar, source=self.source):
                if not entry.path.startswith(_INFO) and entry.path != "info":
                    yield entry

    def read_content(self, path: str, *, limit: int) -> bytes:
        """The content of one file, hard links followed; for the rare file that is needed out of order.

        Raises:
            FormatError: There is no such file, or it is larger than `limit` bytes.

        Cost: one read of the archive per link followed.
        """
        for _ in range(16):
            for entry in self.iter_entries():
                if entry.path == path:
                    break
            else:
                raise FormatError(self.source, f"hard link to `{path}`, which is not in the package")
            if entry.kind is Kind.FILE:
                if entry.size > limit:
                    raise FormatError(self.source, f"`{path}` has {entry.size:,} bytes (limit {limit:,})")
                return entry.read()
            path = entry.link
        raise FormatError(self.source, f"too many hard links lead to `{path}`")

    @contextlib.contextmanager
    def _open_tar(self, part: str) -> Iterator[ByteSource]:
        """The uncompressed tar of one part; a `.tar.bz2` has both in one."""
        if self.source.endswith(".tar.bz2"):
            with DecompressedReader(self.host_path.open("rb"), Compression.BZIP2, source=self.source) as tar:
                yield tar
            return
        with self._open_member(part) as member, DecompressedReader(member, Compression.ZSTD, source=self.source) as tar:
            yield tar

    @contextlib.contextmanager
    def _open_member(self, part: str) -> Iterator[ByteSource]:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self.host_path.open("rb"))
            with _zip_errors(self.source):
                archive = stack.enter_context(zipfile.ZipFile(file))
                member = stack.enter_context(archive.open(self._member(archive, part)))
            yield _MemberReader(member, self.source)

    def _member(self, archive: zipfile.ZipFile, part: str) -> str:
        names = [name for name in archive.namelist() if name.startswith(part) and name.endswith(".tar.zst")]
        if len(names) != 1:
            raise FormatError(self.source, f"expected one member `{part}….tar.zst`, found {len(names)}")
        return names[0]


class _MemberReader(io.RawIOBase):
    """A member of a zip file whose errors are ours; who opened the member closes it."""

    def __init__(self, member: IO[bytes], source: str) -> None:
        super().__init__()
        self._member = member
        self._source = source

    def read(self, size: int = -1) -> bytes:
        with _zip_errors(self._source):
            return self._member.read(size)


@contextlib.contextmanager
def _zip_errors(source: str) -> Iterator[None]:
    try:
        yield
    except _ZIP_ERRORS as error:
        raise FormatError(source, f"damaged conda package ({error})") from error


def _is_complete(found: dict[str, bytes]) -> bool:
    return f"{_INFO}index.json" in found and f"{_INFO}paths.json" in found
