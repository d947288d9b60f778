"""The local store of layers: what was made once for a key is never made again.

Blobs lie under their digest, the facts of a layer under its key; the facts are written after the blob, by rename, so
whoever reads them finds the blob. All of it may be deleted at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.layer_writer import LayerFacts
from docker_envs.digest import Digest
from docker_envs.environments.conda.linking.findings import Finding
from docker_envs.errors import InvalidInputError
from docker_envs.fields import canonical_json
from docker_envs.transports.blobs import BlobStore, atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import BinaryIO


class _StoredFacts(msgspec.Struct):
    digest: str
    size: int
    diff_id: str
    tar_size: int
    findings: list[Finding] = []


class LayerStore:
    """Layers by key below a directory; safe for many processes at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs = BlobStore(root)

    def blob_path(self, facts: LayerFacts) -> Path:
        """The file that holds a layer's blob."""
        return self._blobs.path(facts.digest)

    def get(self, key: Digest) -> LayerFacts | None:
        """The facts of a layer that is here, whole; None otherwise."""
        try:
            stored = msgspec.json.decode(self._facts_path(key).read_bytes(), type=_StoredFacts)
            facts = LayerFacts(Digest(stored.digest), stored.size, Digest(stored.diff_id), stored.tar_size)
            present = self.blob_path(facts).stat().st_size == facts.size
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, InvalidInputError):
            return None
        return facts if present else None

    def findings(self, key: Digest) -> list[Finding]:
        """What was found in the files of a layer when it was made; empty for one that is not here."""
        try:
            return msgspec.json.decode(self._facts_path(key).read_bytes(), type=_StoredFacts).findings
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return []

    def make(
        self, key: Digest, write: Callable[[BinaryIO], LayerFacts], *, findings: Sequence[Finding] = ()
    ) -> LayerFacts:
        """Keep the layer that `write` writes.

        Args:
            key: Names it.
            write: Writes it to the file given.
            findings: Kept with it, as they are after `write`.

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
        }
        with atomic_file(self._facts_path(key)) as file:
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
