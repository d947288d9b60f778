"""The local store of layers: what was made once for a key is never made again.

Blobs lie under their digest, the facts of a layer under its key; the facts are written after the blob, by rename, so
whoever reads them finds the blob. All of it may be deleted while nobody builds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.layer_writer import LayerFacts
from docker_envs.builder.caches.cache import exclusive, mark_used
from docker_envs.digest import Digest
from docker_envs.environments.findings import Finding
from docker_envs.errors import InvalidInputError
from docker_envs.fields import canonical_json
from docker_envs.transports.blobs import BlobStore, atomic_file

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import BinaryIO

    from docker_envs.builder.caches.cache import CacheDirectory


class StoredFacts(msgspec.Struct):
    """What is kept under a key, beside the blob."""

    digest: str
    size: int
    diff_id: str
    tar_size: int
    findings: list[Finding] = []
    title: str = ""
    #: The remote cache that it came from; empty for what was made here.
    origin: str = ""


# Made here, for msgspec may crash when several threads are the first to use a type.
FACTS_DECODER = msgspec.json.Decoder(StoredFacts)


class LayerStore:
    """Layers by key below a directory; safe for many processes at once.

    Args:
        root: The directory.
        below: Asked for what is not here.
        read_only: Whether not even uses are noted.
        trusted: Remote caches whose layers count as being here; those of others do not.
    """

    def __init__(
        self,
        root: Path,
        *,
        below: LayerStore | None = None,
        read_only: bool = False,
        trusted: Collection[str] = (),
    ) -> None:
        self._root = root
        self._below = below
        self._read_only = read_only
        self._trusted = frozenset(trusted)
        self._blobs = BlobStore(root)

    @classmethod
    def of(cls, cache: CacheDirectory, *, trusted: Collection[str] = ()) -> LayerStore:
        """The store of a cache directory."""
        below = cls(cache.below.layers, read_only=True, trusted=trusted) if cache.below else None
        return cls(cache.layers, below=below, trusted=trusted)

    def blob_path(self, facts: LayerFacts) -> Path:
        """The file that holds a layer's blob."""
        path = self._blobs.path(facts.digest)
        return path if self._below is None or path.exists() else self._below.blob_path(facts)

    def get(self, key: Digest) -> LayerFacts | None:
        """The facts of a layer that is here, whole; None otherwise."""
        try:
            stored = self._stored(key)
            facts = LayerFacts(Digest(stored.digest), stored.size, Digest(stored.diff_id), stored.tar_size)
            path = self._blobs.path(facts.digest)
            # Marked before it is looked at: what is there then, stays.
            marked = self._read_only or mark_used(self._root, self._facts_path(key), path)
            present = marked and path.stat().st_size == facts.size and stored.origin in {"", *self._trusted}
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, InvalidInputError):
            present = False
        if present:
            return facts
        return None if self._below is None else self._below.get(key)

    def _stored(self, key: Digest) -> StoredFacts:
        return FACTS_DECODER.decode(self._facts_path(key).read_bytes())

    def locked(self, key: Digest, cancelled: threading.Event) -> AbstractContextManager[None]:
        """Be the only one who makes a layer; see `exclusive`."""
        return exclusive(self._root / "locks" / f"{key.hex}.lock", cancelled)

    def findings(self, key: Digest) -> list[Finding]:
        """What was found in the files of a layer when it was made; empty for one that is not here."""
        try:
            return self._stored(key).findings
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return [] if self._below is None else self._below.findings(key)

    def origin(self, key: Digest) -> str:
        """The remote cache that a layer came from; empty for one that was made here, or is not here."""
        try:
            return self._stored(key).origin
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return "" if self._below is None else self._below.origin(key)

    def make(
        self,
        key: Digest,
        write: Callable[[BinaryIO], LayerFacts],
        *,
        findings: Sequence[Finding] = (),
        title: str = "",
        origin: str = "",
    ) -> LayerFacts:
        """Keep the layer that `write` writes.

        Args:
            key: Names it.
            write: Writes it to the file given.
            findings: Kept with it, as they are after `write`.
            title: What it holds, for people.
            origin: The remote cache that it came from.

        Raises:
            StorageError: It cannot be written; nothing is kept.
        """
        facts = self.add(write)
        document = {
            "digest": str(facts.digest),
            "size": facts.size,
            "diff_id": str(facts.diff_id),
            "tar_size": facts.tar_size,
            "findings": msgspec.to_builtins(findings),
            "title": title,
            "origin": origin,
        }
        with atomic_file(self._facts_path(key), incoming=self._blobs.incoming) as file:
            file.write(canonical_json(document))
        return facts

    def add(self, write: Callable[[BinaryIO], LayerFacts]) -> LayerFacts:
        """Keep the blob that `write` writes, under no key.

        Raises:
            StorageError: It cannot be written; nothing is kept.
        """
        return self._blobs.create(write, lambda written: written.digest)

    def _facts_path(self, key: Digest) -> Path:
        return self._root / "keys" / f"{key.hex}.json"
