"""Archives to an index: releases are fetched and verified, and of what they name only the indexes that are needed.

Spec: Debian, "DebianRepository/Format".
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from docker_envs.archive.compression import open_decompressed
from docker_envs.digest import Digest, VerifyingReader
from docker_envs.environments.debian.indexing.freshness import check_architecture, check_component, check_release
from docker_envs.environments.debian.indexing.index import PackageIndex, ReleasedTable
from docker_envs.environments.debian.indexing.indexed_package import INDEX_FORMAT
from docker_envs.environments.debian.indexing.keyring import open_keyring
from docker_envs.environments.debian.indexing.packages import decode_table, encode_table, parse_packages
from docker_envs.environments.debian.indexing.release import parse_release
from docker_envs.environments.debian.indexing.signatures import verify_clearsigned
from docker_envs.errors import FormatError, NotFoundError, VerificationError, redact
from docker_envs.transports.blobs import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from docker_envs.environments.debian.declarations.declaration import AptDeclaration
    from docker_envs.environments.debian.declarations.source import AptSource
    from docker_envs.environments.debian.indexing.indexed_package import PackageTable
    from docker_envs.environments.debian.indexing.release import Release, ReleaseFile
    from docker_envs.streams import ByteSource

#: Longest release and longest index (unpacked) in bytes; Debian's have 0.2 MB and 50 MB.
MAX_RELEASE = 32 << 20
MAX_INDEX = 1 << 30

#: Releases, and indexes, that are read at once.
_AT_ONCE = 4

# Best first: smaller at the same cost, as parsing takes longer than unpacking.
_SUFFIXES = (".xz", ".zst", ".gz", ".bz2", "")


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A release that was verified.

    Attributes:
        url: Of its directory, with a slash at its end; may hold credentials.
        suite: As the declaration names it.
        release: What it says.
        fingerprints: Of the keys that signed it.
        clearsigned: As it was fetched, signature included.
    """

    url: str
    suite: str
    release: Release
    fingerprints: tuple[str, ...]
    clearsigned: bytes


def release_url(source: AptSource, suite: str) -> str:
    """Address of the directory that has the release of a suite, with a slash at its end."""
    return source.root + (suite.removeprefix("./").lstrip("/") if suite.endswith("/") else f"dists/{suite}/")


class ArchiveReader:
    """Reads archives.

    Args:
        open_url: Opens an http(s) URL; raises `NotFoundError` where there is nothing.
        cache: Directory for what was read of indexes; None keeps nothing.
        at: The time as of which archives are read: now, or that of the snapshot; with a time zone.
        seen: Dates of releases that were seen before, by `URL suite`; older ones are refused.
    """

    def __init__(
        self,
        open_url: Callable[[str], ByteSource],
        *,
        cache: Path | None,
        at: datetime,
        seen: Mapping[str, datetime] | None = None,
    ) -> None:
        self._open_url = open_url
        self._cache = cache
        self._at = at
        self._seen = seen or {}

    def read(self, declaration: AptDeclaration, architecture: str) -> tuple[PackageIndex, tuple[SignedRelease, ...]]:
        """What the archives of a declaration offer.

        Args:
            declaration: Names them.
            architecture: As Debian calls it.

        Returns:
            The packages, and the releases that they are from, in the order of the declaration.

        Raises:
            InvalidInputError: An archive lacks the architecture or a component, or a keyring cannot be read.
            VerificationError: A release or an index is not what it must be; nothing is kept.
            FormatError: One is malformed.
            TransportError: One cannot be fetched.
        """
        wanted = [
            (source, suite)
            for source in declaration.archives()
            if not source.architectures or architecture in source.architectures
            for suite in source.suites
        ]
        with ThreadPoolExecutor(_AT_ONCE) as executor:
            releases = tuple(executor.map(lambda each: self.read_release(*each), wanted))
            tables = executor.map(
                lambda each: list(self._read_tables(each[0][0], each[1], architecture)),
                zip(wanted, releases, strict=True),
            )
            return PackageIndex(architecture, [table for each in tables for table in each]), releases

    def read_release(self, source: AptSource, suite: str) -> SignedRelease:
        """The release of one suite, verified.

        Raises:
            VerificationError: It is not signed by the archive's keys, or is not the one that was asked for.
            FormatError: It is malformed.
            TransportError: It cannot be fetched.
        """
        url = release_url(source, suite)
        place = redact(f"{url}InRelease")
        try:
            with self._open(f"{url}InRelease") as stream:
                content = _read_limited(stream, MAX_RELEASE, place)
        except NotFoundError as error:
            raise NotFoundError(
                f"there is no signed suite `{suite}` at `{redact(source.uri)}`: {error}",
                hint="check the suite and the archive's address",
            ) from error
        signed = verify_clearsigned(content, open_keyring(source.signed_by), source=place, at=self._at)
        release = parse_release(signed.content, source=place)
        check_release(
            release,
            suite=suite,
            source=place,
            at=self._at,
            check_valid_until=source.check_valid_until,
            not_before=self._seen.get(f"{source.uri} {suite}"),
        )
        return SignedRelease(url, suite, release, signed.fingerprints, content)

    def _read_tables(self, source: AptSource, signed: SignedRelease, architecture: str) -> Iterator[ReleasedTable]:
        release, place = signed.release, redact(f"{signed.url}InRelease")
        suites = tuple(dict.fromkeys(filter(None, (release.codename, release.suite, signed.suite))))
        for path in _index_paths(source, release, architecture, place):
            file = next((release.files[path + end] for end in _SUFFIXES if path + end in release.files), None)
            if file is None:
                raise FormatError(place, f"names no index `{path}`")
            yield ReleasedTable(source.root, suites, release.automatic, self._read_table(signed, file))

    def _read_table(self, signed: SignedRelease, file: ReleaseFile) -> PackageTable:
        kept = self._cache and self._cache / f"{file.sha256}-{INDEX_FORMAT}"
        if kept is not None and kept.is_file():
            with storage_errors("read", kept):
                table = decode_table(kept.read_bytes())
            if table is not None:
                return table
        place = redact(signed.url + file.path)
        with self._open_index(signed, file) as stream:
            verified = VerifyingReader(stream, source=place, digest=Digest.sha256(file.sha256), size=file.size)
            with open_decompressed(verified, source=place) as unpacked:
                content = _read_limited(unpacked, MAX_INDEX, place)
            # What stands behind the end of the compressed stream belongs to the promise as well.
            while verified.read(1 << 16):
                pass
        table = parse_packages(content, source=place)
        if kept is not None:
            with atomic_file(kept, durable=False) as out:
                out.write(encode_table(table))
        return table

    def _open_index(self, signed: SignedRelease, file: ReleaseFile) -> ByteSource:
        if signed.release.by_hash:
            directory = file.path.rpartition("/")[0]
            try:
                return self._open(f"{signed.url}{directory}/by-hash/SHA256/{file.sha256}")
            except NotFoundError:
                # Some mirrors leave them out.
                pass
        return self._open(signed.url + file.path)

    def _open(self, url: str) -> ByteSource:
        if urlsplit(url).scheme != "file":
            return self._open_url(url)
        path = Path(url2pathname(urlsplit(url).path))
        if not path.is_file():
            raise NotFoundError(f"there is no file `{path}`")
        with storage_errors("read", path):
            return path.open("rb")


def _index_paths(source: AptSource, release: Release, architecture: str, place: str) -> Iterator[str]:
    """Paths of the indexes that are needed, without the suffix of their compression."""
    if not source.components:
        yield "Packages"
        return
    check_architecture(release, architecture, source=place)
    for component in source.components:
        check_component(release, component, source=place)
        yield f"{component}/binary-{architecture}/Packages"
        if release.all_apart:
            yield f"{component}/binary-all/Packages"


def _read_limited(stream: ByteSource, limit: int, place: str) -> bytes:
    chunks, size = [], 0
    while chunk := stream.read(1 << 18):
        size += len(chunk)
        if size > limit:
            raise VerificationError(f"{place}: is larger than {limit:,} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
