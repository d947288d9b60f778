"""What was found out at some cost and is a function of a digest: kept in the cache directory, whole or not at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from docker_envs.builder.caches.cache import mark_used
from docker_envs.transports.blobs import atomic_file

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.caches.cache import CacheDirectory

_CHECKSUM_SIZE = hashlib.sha256().digest_size


class KeptDocuments:
    """Documents by name beside the metadata of packages; safe for many processes at once.

    Args:
        cache: Where they are kept.
        kind: What they are, with the version of their encoding, without hyphens: `deb1`.
    """

    def __init__(self, cache: CacheDirectory, kind: str) -> None:
        self._cache = cache
        self._kind = kind

    def get(self, name: str, title: str) -> bytes | None:
        """A document as it was added, by its name and its title for people; None when it is not here, or damaged."""
        for place in (self._cache, self._cache.below):
            if place is None:
                continue
            path = self._path(place, name, title)
            if place is self._cache and not mark_used(place.metadata, path):
                continue
            try:
                content = path.read_bytes()
            except OSError:
                continue
            if (payload := checked_payload(content)) is not None:
                return payload
        return None

    def add(self, name: str, title: str, content: bytes) -> None:
        """Keep a document.

        Raises:
            StorageError: It cannot be written.
        """
        # Not durable: what did not reach the disk whole has another checksum.
        with atomic_file(
            self._path(self._cache, name, title), durable=False, incoming=self._cache.incoming_packages
        ) as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)

    def _path(self, cache: CacheDirectory, name: str, title: str) -> Path:
        return cache.metadata / f"{name}-{self._kind}-{title[:100]}"


def checked_payload(content: bytes) -> bytes | None:
    """What a file of a document holds behind its checksum; None when it is damaged."""
    payload = content[_CHECKSUM_SIZE:]
    return payload if hashlib.sha256(payload).digest() == content[:_CHECKSUM_SIZE] else None
