"""What packages say about themselves, by the digest of their archives: a plan is made without reading these again."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import msgspec

from docker_envs.builder.caches.cache import mark_used
from docker_envs.environments.conda.activating.packaged import PackagedFile, read_activation_files
from docker_envs.environments.conda.metadata import PackageMetadata, read_metadata
from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.errors import FormatError
from docker_envs.transports.blobs import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.environments.conda.package import CondaPackage

#: Raised whenever `read_kept` returns something else for the same archive, or its encoding changes.
METADATA_FORMAT = 2
#: Activation files that are kept of a package, in bytes together; whoever needs more reads the archive.
_MAX_ACTIVATION = 256 << 10
_CHECKSUM_SIZE = hashlib.sha256().digest_size


class KeptMetadata(msgspec.Struct, frozen=True):
    """What is known of an archive without reading it.

    Attributes:
        size: Of the archive in bytes.
        metadata: What it says about itself.
        activation_files: What takes part in activation; None when that is too much to keep, or damaged.
    """

    size: int
    metadata: PackageMetadata
    activation_files: tuple[PackagedFile, ...] | None


# Made here, for msgspec may crash when several threads are the first to use a type.
_DECODER = msgspec.msgpack.Decoder(KeptMetadata)


def read_kept(host_path: Path, size: int) -> KeptMetadata:
    """Read what is to be kept of an archive.

    Args:
        host_path: The archive, verified.
        size: Of it in bytes.

    Raises:
        FormatError: Its metadata are missing or damaged.
    """
    archive = PackageArchive(host_path)
    metadata = read_metadata(archive)
    try:
        files = read_activation_files(archive, metadata)
    except FormatError:
        # Who needs them reads them again, and hears of it.
        return KeptMetadata(size, metadata, None)
    return KeptMetadata(size, metadata, files if sum(len(file.content) for file in files) <= _MAX_ACTIVATION else None)


class MetadataStore:
    """Metadata of packages by their sha256; safe for many processes at once.

    Args:
        cache: Where they are kept.
    """

    def __init__(self, cache: CacheDirectory) -> None:
        self._cache = cache

    def get(self, package: CondaPackage) -> KeptMetadata | None:
        """The metadata of a package, if its digest is known and they are here, whole."""
        if package.sha256 is None:
            return None
        path = self._path(self._cache, package.sha256, package.file_name)
        if not mark_used(self._cache.metadata, path):
            if self._cache.below is None:
                return None
            path = self._path(self._cache.below, package.sha256, package.file_name)
        try:
            kept = decode_kept(path.read_bytes())
        except OSError:
            return None
        # Of an archive that is not as large as the lock says, others shall tell.
        return None if kept is None or package.size not in (None, kept.size) else kept

    def add(self, sha256: str, file_name: str, kept: KeptMetadata) -> None:
        """Keep the metadata of an archive.

        Raises:
            StorageError: They cannot be written.
        """
        # What the format cannot hold, such as numbers of more than 64 bits, is read from the archive each time.
        with contextlib.suppress(OverflowError, ValueError, TypeError):
            content = encode_kept(kept)
            # Not durable: what did not reach the disk whole has another checksum.
            path = self._path(self._cache, sha256, file_name)
            with atomic_file(path, durable=False, incoming=self._cache.incoming_packages) as file:
                file.write(content)

    @staticmethod
    def _path(cache: CacheDirectory, sha256: str, file_name: str) -> Path:
        return cache.metadata / f"{sha256}-{METADATA_FORMAT}-{file_name[:100]}"


def encode_kept(kept: KeptMetadata) -> bytes:
    """Kept metadata with their checksum.

    Raises:
        OverflowError: The format cannot hold them, as with numbers of more than 64 bits; so for the others.
        ValueError: So, too.
        TypeError: So, too.
    """
    content = msgspec.msgpack.encode(kept)
    return hashlib.sha256(content).digest() + content


def decode_kept(content: bytes) -> KeptMetadata | None:
    """Kept metadata; None when damaged."""
    payload = memoryview(content)[_CHECKSUM_SIZE:]
    if hashlib.sha256(payload).digest() != content[:_CHECKSUM_SIZE]:
        return None
    try:
        return _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
