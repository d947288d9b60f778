"""The cache directory: packages, repodata and layers, each in their place, and who is using them.

A file's modification time says when it was used last. A builder sets it when it uses a file, and has a locked file in
`builders` meanwhile; so whoever prunes knows that what was used since the oldest running builder began may be in use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.builder.parallel import pause
from docker_envs.transports.blobs import storage_errors, temporary_file
from docker_envs.transports.locks import directory_lock, is_held, named_lock, remove_abandoned

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from docker_envs.report import Reporter

#: Errors of a place that cannot be written.
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
#: File systems may know times no finer than this, in nanoseconds.
_TIME_STEP = 2 * 10**9


@dataclass(frozen=True, slots=True)
class CacheDirectory:
    """Where things are in a cache directory.

    Attributes:
        root: The directory.
        below: A cache directory that is read only, for what is not in this one.
    """

    root: Path
    below: CacheDirectory | None = None

    @property
    def packages(self) -> Path:
        """Package archives, each in a directory named after its checksum."""
        return self.root / "packages"

    @property
    def metadata(self) -> Path:
        """What packages say about themselves."""
        return self.root / "metadata"

    @property
    def incoming_packages(self) -> Path:
        """Package archives and metadata that are being written."""
        return self.root / "incoming"

    @property
    def repodata(self) -> Path:
        """Indexes of channels, as rattler keeps them."""
        return self.root / "repodata"

    @property
    def apt(self) -> Path:
        """Releases and indexes of archives of Debian packages."""
        return self.repodata / "apt"

    @property
    def layers(self) -> Path:
        """The layer store."""
        return self.root / "layers"

    @property
    def bases(self) -> Path:
        """Manifests, configs and layers of base images."""
        return self.root / "bases"

    @property
    def locks(self) -> Path:
        """Locks of packages that are being downloaded; those of layers are in their store."""
        return self.root / "locks"

    @property
    def builders(self) -> Path:
        """A locked file of each running builder."""
        return self.root / "builders"

    def remove_leftovers(self) -> list[Path]:
        """Remove temporary files and locks of processes that died.

        Returns:
            What was removed.
        """
        places = (
            self.incoming_packages,
            self.locks,
            self.bases / "incoming",
            self.layers / "incoming",
            self.layers / "locks",
            self.builders,
        )
        return [path for place in places for path in remove_abandoned(place)]

    def oldest_use(self) -> int | None:
        """What was used since then may be in use, in nanoseconds since 1970; None when no builder runs."""
        starts = []
        with contextlib.suppress(FileNotFoundError):
            for path in self.builders.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    started = path.stat().st_mtime_ns
                    if is_held(path):
                        starts.append(started)
        return min(starts) - _TIME_STEP if starts else None


@contextlib.contextmanager
def open_cache(root: Path, *, read_only: bool = False, reporter: Reporter) -> Iterator[CacheDirectory]:
    """Use a cache directory as a builder: nothing that is used inside the block is pruned until its end.

    Args:
        root: The directory; made if it can be.
        read_only: Whether nothing is to be written there: what is new is in a temporary directory then, gone at the
            end of the block. So it is as well where nothing can be written.
        reporter: Hears of the latter.

    Raises:
        StorageError: The directory can be neither written nor read.
    """
    cache = CacheDirectory(root)
    with contextlib.ExitStack() as stack:
        if not read_only:
            try:
                _, mark = stack.enter_context(temporary_file(cache.builders))
                stack.callback(mark.unlink, missing_ok=True)
            except OSError as error:
                if error.errno not in _READ_ONLY or not root.is_dir():
                    with storage_errors("write", cache.builders):
                        raise
                reporter.message(f"note: the cache `{root}` cannot be written, so what is new is not kept")
                read_only = True
            else:
                cache.remove_leftovers()
        if read_only:
            cache = CacheDirectory(Path(stack.enter_context(_temporary_directory())), below=cache)
            _link_repodata(cache)
        yield cache


def _temporary_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="docker-envs-", ignore_cleanup_errors=True)


def _link_repodata(cache: CacheDirectory) -> None:
    """Rattler knows one directory; it replaces large files there by rename, and writes small ones in place."""
    cache.repodata.mkdir()
    assert cache.below is not None
    for path in cache.below.apt.glob("*/*"):
        place = cache.apt / path.relative_to(cache.below.apt)
        place.parent.mkdir(parents=True, exist_ok=True)
        # What is written there appears by rename.
        place.symlink_to(path.absolute())
    with contextlib.suppress(FileNotFoundError):
        for path in cache.below.repodata.iterdir():
            place = cache.repodata / path.name
            if path.suffix == ".json" and not path.name.endswith(".info.json"):
                place.symlink_to(path.absolute())
            elif path.is_file():
                shutil.copyfile(path, place)


@contextlib.contextmanager
def exclusive(path: Path, cancelled: threading.Event) -> Iterator[None]:
    """Be the only one in a block of this name; see `named_lock`.

    Args:
        path: The name.
        cancelled: Set when the work is no longer wanted.

    Raises:
        Cancelled: It was.
        StorageError: Nothing can be written there.
    """
    with contextlib.ExitStack() as stack:
        with storage_errors("write", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(named_lock(path, pause=partial(pause, cancelled)))
        yield


def mark_used(directory: Path, *paths: Path) -> bool:
    """Note that files are used now, so that they are not pruned while this builder runs.

    Args:
        directory: The part of the cache that they are in, whose lock a pruner has while it removes something.
        paths: The files.

    Returns:
        Whether all are there.
    """
    try:
        with directory_lock(directory, shared=True):
            for path in paths:
                os.utime(path)
    except OSError:
        return False
    return True
