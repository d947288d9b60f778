"""A content-addressed store of blobs in a directory, safe for many processes at once.

A blob appears under its digest by one rename, after all of it was written, verified and flushed: whoever sees the name
may trust the bytes, and a crash leaves at most a temporary file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from docker_envs.digest import VerifyingReader
from docker_envs.errors import StorageError
from docker_envs.streams import copy_stream
from docker_envs.transports.locks import acquire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker_envs.digest import Digest
    from docker_envs.streams import ByteSource

Facts = TypeVar("Facts")


@contextlib.contextmanager
def storage_errors(action: str, path: Path) -> Iterator[None]:
    """Translate an `OSError` from local files into a message that names the place and the remedy.

    Raises:
        StorageError: Instead of `OSError`.
    """
    try:
        yield
    except OSError as error:
        hint = None
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            hint = f"free some space in `{path.parent}`, or choose another place"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = f"check the permissions of `{path.parent}`, or choose another place"
        raise StorageError(f"cannot {action} `{path}`: {error.strerror or error}", hint=hint) from error


@contextlib.contextmanager
def temporary_file(directory: Path, *, prefix: str = "") -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in a directory, which is made; to be renamed inside the block, and removed if the block fails.

    It is locked as long as the block lasts, so `remove_abandoned` knows it from that of a writer that died.

    Yields:
        The file, open for writing and reading, and its name.

    Raises:
        OSError: It cannot be made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    handle, path = _locked_file(directory, prefix)
    with os.fdopen(handle, "w+b") as file:
        try:
            yield cast("BinaryIO", file), path
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _locked_file(directory: Path, prefix: str) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(dir=directory, prefix=prefix, suffix=".part")
        try:
            acquire(handle)
            # Before it was locked, it looked abandoned.
            if os.fstat(handle).st_nlink:
                return handle, Path(name)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            os.close(handle)
            raise
        os.close(handle)


@contextlib.contextmanager
def atomic_file(
    path: Path, *, mode: int | None = None, durable: bool = True, incoming: Path | None = None
) -> Iterator[BinaryIO]:
    """A new file that appears at `path` only when the block ends well; nothing is left otherwise.

    Args:
        path: Its place.
        mode: Its permission bits; by default what the umask leaves.
        durable: Wait until it is on the disk, so that it outlives a crash of the machine.
        incoming: Directory of the same file system for the temporary file; by default that of `path`.

    Yields:
        The file, open for writing and reading, under a temporary name.

    Raises:
        StorageError: The file cannot be written.
    """
    with storage_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(incoming or path.parent, prefix=f".{path.name[:40]}.") as (file, temporary):
            yield file
            _finish(file, 0o666 & ~_umask() if mode is None else mode, durable=durable)
            temporary.replace(path)


def _finish(file: BinaryIO, mode: int, *, durable: bool) -> None:
    file.flush()
    os.fchmod(file.fileno(), mode)
    if durable:
        os.fsync(file.fileno())


def _umask() -> int:
    # There is no way to read the mask without setting it, which would race with other threads.
    status = Path("/proc/self/status")
    with contextlib.suppress(OSError):
        for line in status.read_text().splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o022


class BlobStore:
    """Blobs by digest below a directory, laid out as in an OCI image layout: `blobs/sha256/<hex>`.

    Args:
        root: The directory; what is being written is in its `incoming`.
        durable: Whether what is kept shall outlive a crash of the machine; not so for a temporary directory.
    """

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self.root = root
        self.incoming = root / "incoming"
        self._durable = durable

    def path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        return self.root / "blobs" / digest.algorithm / digest.hex

    def has(self, digest: Digest) -> bool:
        """Whether the blob is here."""
        return self.path(digest).is_file()

    def add(
        self,
        digest: Digest,
        stream: ByteSource,
        *,
        source: str,
        size: int | None = None,
        watch: Callable[[int], object] | None = None,
    ) -> Path:
        """Keep all of `stream`, which must be what `digest` says; the caller closes it, `watch` is as in `copy_stream`.

        Raises:
            VerificationError: It is not; nothing is kept.
            StorageError: It cannot be written; nothing is kept.
        """
        path = self.path(digest)
        if not path.is_file():
            with atomic_file(path, durable=self._durable) as file:
                copy_stream(VerifyingReader(stream, source=source, digest=digest, size=size), file, watch=watch)
        return path

    def create(self, write: Callable[[BinaryIO], Facts], digest: Callable[[Facts], Digest]) -> Facts:
        """Keep what `write` writes, under the digest that it found while writing.

        Args:
            write: Writes the blob to the file given and returns what it learnt.
            digest: Takes the digest out of that.

        Returns:
            What `write` returned.

        Raises:
            StorageError: The blob cannot be written; nothing is kept.
        """
        with (
            storage_errors("write", self.incoming / "blob"),
            temporary_file(self.incoming) as (file, temporary),
        ):
            facts = write(file)
            _finish(file, 0o644, durable=self._durable)
            path = self.path(digest(facts))
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
        return facts
