"""Layers of archives that say nothing of them but where they are."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.archive.compression import Compression, detect, open_decompressed
from docker_envs.digest import Digest
from docker_envs.errors import FormatError
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import Layer
from docker_envs.streams import CHUNK_SIZE

if TYPE_CHECKING:
    from docker_envs.streams import ByteSource
    from docker_envs.transports.files.archive_files import ImageFiles

_MEDIA_TYPES = {
    Compression.NONE: media_types.OCI_LAYER_TAR,
    Compression.GZIP: media_types.OCI_LAYER_GZIP,
    Compression.ZSTD: media_types.OCI_LAYER_ZSTD,
}


@dataclass(frozen=True, slots=True)
class ArchivedLayers:
    """Makes layers of archive members; a member is read at most once for each digest, however often it is a layer."""

    files: ImageFiles
    _digests: dict[str, Digest] = field(default_factory=dict)
    _diff_ids: dict[str, Digest] = field(default_factory=dict)

    def layer(self, path: str, diff_id: Digest) -> Layer:
        """The layer in a member.

        Raises:
            FormatError: There is no such member, or it is compressed in a way that layers cannot be.

        Cost: reads the first bytes; all of it when it is compressed, since only its uncompressed digest is known.
        """
        kind = self._compression(path)
        digest = diff_id if kind is Compression.NONE else self._digest(path)
        descriptor = Descriptor(_MEDIA_TYPES[kind], digest, self.files.size(path))
        return Layer(descriptor, partial(self.files.open, path), host_path=self.files.host_path(path), diff_id=diff_id)

    def diff_id(self, path: str) -> Digest:
        """The digest of the uncompressed layer in a member, by reading it.

        Raises:
            FormatError: See `layer`.
        """
        if self._compression(path) is Compression.NONE:
            return self._digest(path)
        if path not in self._diff_ids:
            stream = open_decompressed(self.files.open(path), source=f"{self.files.source}: {path}")
            self._diff_ids[path] = _hash(stream)
        return self._diff_ids[path]

    def _compression(self, path: str) -> Compression:
        with self.files.open(path) as stream:
            kind = detect(stream.read(6))
        if kind not in _MEDIA_TYPES:
            raise FormatError(self.files.source, f"layer `{path}` is compressed with {kind}, which is not supported")
        return kind

    def _digest(self, path: str) -> Digest:
        if path not in self._digests:
            self._digests[path] = _hash(self.files.open(path))
        return self._digests[path]


def _hash(stream: ByteSource) -> Digest:
    hasher = hashlib.sha256()
    with stream:
        while chunk := stream.read(CHUNK_SIZE):
            hasher.update(chunk)
    return Digest.sha256(hasher.hexdigest())
