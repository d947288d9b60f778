"""Package archives onto this machine: local channels are read in place, others go through a cache; all are verified."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from docker_envs.builder.caches.cache import exclusive, mark_used
from docker_envs.builder.parallel import checked, map_parallel
from docker_envs.digest import Digest
from docker_envs.errors import (
    DigestMismatchError,
    FormatError,
    NotFoundError,
    SizeMismatchError,
    VerificationError,
    redact,
)
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import atomic_file, storage_errors

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.environments.base import LockedPackage
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource


_DIGEST = re.compile("[0-9a-f]{64}|[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class FetchedPackage:
    """A package whose archive is here; `sha256` and `size` (in bytes) are those of the archive, verified."""

    package: LockedPackage
    host_path: Path
    sha256: str
    size: int


class PackageFetcher:
    """Fetches package archives, from several threads at once.

    Args:
        cache: Holds the archives that were downloaded.
        open_url: Opens an http(s) URL.
        reporter: Hears about downloads.
    """

    def __init__(self, cache: CacheDirectory, *, open_url: Callable[[str], ByteSource], reporter: Reporter) -> None:
        self._cache = cache
        self._open_url = open_url
        self._reporter = reporter

    def fetch(self, package: LockedPackage, cancelled: threading.Event) -> FetchedPackage:
        """The archive of one package.

        Args:
            package: What to fetch.
            cancelled: Set when the work is no longer wanted.

        Raises:
            NotFoundError: It is not where the lock says.
            FormatError: Its address or digest is malformed.
            VerificationError: It is not what the lock says; nothing is kept.
            TransportError: It cannot be downloaded.
            StorageError: It cannot be written.
        """
        if urlsplit(package.url).scheme == "file":
            return self._verify(package, Path(url2pathname(urlsplit(package.url).path)), cancelled)
        checksum = _checksum(package)
        path = self._cache.packages / checksum / package.file_name
        with exclusive(self._cache.locks / f"{checksum}.lock", cancelled):
            found = None if checksum.startswith("url-") else self._find(package, path, cancelled)
            return found or self._download(package, path, cancelled)

    def _find(self, package: LockedPackage, path: Path, cancelled: threading.Event) -> FetchedPackage | None:
        found = path if mark_used(self._cache.packages, path) else None
        if found is None and self._cache.below is not None:
            below = self._cache.below.packages / path.relative_to(self._cache.packages)
            found = below if below.is_file() else None
        try:
            return None if found is None else self._verify(package, found, cancelled)
        except VerificationError as error:
            self._reporter.warning(f"the cache is damaged, so this is fetched again: {error}")
            return None

    def _verify(self, package: LockedPackage, path: Path, cancelled: threading.Event) -> FetchedPackage:
        if not path.is_file():
            raise NotFoundError(f"package `{package.display_name}` is not at `{path}`")
        check = _Check(package)
        with storage_errors("read", path), path.open("rb") as file:
            for chunk in checked(iter(lambda: file.read(CHUNK_SIZE), b""), cancelled):
                check.update(chunk)
        return check.finish(path)

    def _download(self, package: LockedPackage, path: Path, cancelled: threading.Event) -> FetchedPackage:
        task = self._reporter.start("download", package.display_name, package.size)
        with self._open_url(package.url) as stream, atomic_file(path, incoming=self._cache.incoming_packages) as file:
            check = _Check(package)
            for chunk in checked(iter(lambda: stream.read(CHUNK_SIZE), b""), cancelled):
                check.update(chunk)
                file.write(chunk)
                task.advance(len(chunk))
            fetched = check.finish(path)
        task.finish()
        return fetched


def _checksum(package: LockedPackage) -> str:
    """The name of the folder in the cache that an archive belongs into."""
    if package.file_name in ("", ".", "..") or not _DIGEST.fullmatch(package.sha256 or package.md5 or "0" * 64):
        raise FormatError(f"package `{package.display_name}`", "its address or digest is none")
    if package.sha256 or package.md5:
        return f"sha256-{package.sha256}" if package.sha256 else f"md5-{package.md5}"
    # Without a digest, nothing proves that what was fetched before is still what the address means.
    return f"url-{hashlib.sha256(package.url.encode()).hexdigest()}"


class Archives(Mapping[str, Path]):
    """Host paths of packages' archives by their sha256; one that was not needed yet is fetched when it is asked for.

    Args:
        fetcher: Fetches them.
        waiting: Packages by their sha256.
    """

    def __init__(self, fetcher: PackageFetcher, waiting: Mapping[str, LockedPackage]) -> None:
        self._fetcher = fetcher
        self._waiting = dict(waiting)
        self._fetched: dict[str, Path] = {}

    def add(self, fetched: FetchedPackage) -> None:
        """One that was fetched."""
        self._fetched[fetched.sha256] = fetched.host_path

    def expect(self, packages: Iterable[LockedPackage]) -> None:
        """More packages that may be asked for by their sha256."""
        self._waiting.update({package.sha256: package for package in packages if package.sha256})

    def fetch(self, wanted: Iterable[str], *, workers: int) -> None:
        """Fetch what is not here, some at once.

        Raises:
            DockerEnvsError: As `PackageFetcher.fetch` does.
        """
        self.fetch_packages(
            [self._waiting[sha256] for sha256 in dict.fromkeys(wanted) if sha256 not in self._fetched], workers=workers
        )

    def fetch_packages(self, packages: Sequence[LockedPackage], *, workers: int) -> list[FetchedPackage]:
        """Fetch packages, some at once, whether they were expected or not.

        Raises:
            DockerEnvsError: As `PackageFetcher.fetch` does.
        """
        found = map_parallel(self._fetcher.fetch, packages, workers=workers, cost=lambda each: each.size or 0)
        for fetched in found:
            self.add(fetched)
        return found

    def __getitem__(self, sha256: str) -> Path:
        if sha256 not in self._fetched:
            self.fetch([sha256], workers=1)
        return self._fetched[sha256]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._waiting, **self._fetched})

    def __len__(self) -> int:
        return len({**self._waiting, **self._fetched})


class _Check:
    """Compares an archive with its record while it passes."""

    def __init__(self, package: LockedPackage) -> None:
        self._package = package
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if package.md5 and not package.sha256 else None
        self._size = 0

    def update(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._package.size is not None and self._size > self._package.size:
            raise SizeMismatchError(redact(self._package.public_url), expected=self._package.size)
        self._sha256.update(chunk)
        if self._md5 is not None:
            self._md5.update(chunk)

    def finish(self, path: Path) -> FetchedPackage:
        package = self._package
        source = f"package `{package.display_name}` ({redact(package.url)})"
        actual = self._sha256.hexdigest()
        if package.sha256 and actual != package.sha256:
            raise DigestMismatchError(source, expected=f"sha256:{package.sha256}", actual=Digest.sha256(actual))
        if self._md5 is not None and self._md5.hexdigest() != package.md5:
            raise DigestMismatchError(source, expected=f"md5:{package.md5}", actual=f"md5:{self._md5.hexdigest()}")
        if package.size is not None and self._size != package.size:
            raise SizeMismatchError(source, expected=package.size, actual=self._size)
        return FetchedPackage(package, path, actual, self._size)
