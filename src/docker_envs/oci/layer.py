"""A layer: a blob that is a tar, with the digest of what it unpacks to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.archive.compression import open_decompressed
from docker_envs.digest import VerifyingReader
from docker_envs.oci.blob import Blob

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.digest import Digest
    from docker_envs.oci.descriptor import Descriptor


@dataclass(frozen=True, slots=True)
class Layer(Blob):
    """A layer of an image; asking for a fact never reads or downloads.

    Attributes:
        diff_id: Digest of the uncompressed tar.
    """

    diff_id: Digest = field(kw_only=True)

    @classmethod
    def of_blob(cls, blob: Blob, diff_id: Digest) -> Layer:
        """A layer whose blob is known."""
        return Layer(blob.descriptor, blob.opener, blob.origin, blob.host_path, diff_id=diff_id)

    def open_blob(self) -> VerifyingReader:
        """The bytes as stored, verified while they are read; the caller closes the stream.

        Raises:
            VerificationError: While reading, when size or digest are wrong.
        """
        return VerifyingReader(self.opener(), source=self._source, digest=self.digest, size=self.size)

    def open_tar(self) -> VerifyingReader:
        """The uncompressed tar, verified against the diff_id while it is read; the caller closes the stream."""
        tar = open_decompressed(self.open_blob(), source=self._source)
        return VerifyingReader(tar, source=f"{self._source} (uncompressed)", digest=self.diff_id)

    @property
    def _source(self) -> str:
        return f"layer {self.digest.short}"


def file_layer(descriptor: Descriptor, diff_id: Digest, host_path: Path) -> Layer:
    """A layer whose blob is a local file."""
    return Layer(descriptor, lambda: host_path.open("rb"), host_path=host_path, diff_id=diff_id)
