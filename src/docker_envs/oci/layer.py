"""A layer: four facts and two openers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from docker_envs.archive.compression import open_decompressed
from docker_envs.digest import VerifyingReader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker_envs.digest import Digest
    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.oci.reference import Reference
    from docker_envs.streams import ByteSource


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image; asking for a fact never reads or downloads.

    Attributes:
        descriptor: Media type, digest and size (in bytes) of the blob as stored.
        diff_id: Digest of the uncompressed tar.
        opener: Gives a new stream of the blob as stored, not yet verified.
        origin: The registry and repository that have the blob, so that others may mount it instead of moving it.
        host_path: A local file that holds exactly the blob, when there is one.
    """

    descriptor: Descriptor
    diff_id: Digest
    opener: Callable[[], ByteSource] = field(compare=False, repr=False)
    origin: Reference | None = field(default=None, compare=False)
    host_path: Path | None = field(default=None, compare=False)

    @property
    def digest(self) -> Digest:
        """Digest of the blob as stored."""
        return self.descriptor.digest

    @property
    def size(self) -> int:
        """Length of the blob as stored, in bytes."""
        return self.descriptor.size

    @property
    def media_type(self) -> str:
        """Media type of the blob."""
        return self.descriptor.media_type

    def open_blob(self) -> VerifyingReader:
        """The bytes as stored, verified while they are read; the caller closes the stream.

        Raises:
            VerificationError: While reading, when size or digest are wrong.
        """
        source = f"layer {self.digest.short}"
        return VerifyingReader(self.opener(), source=source, digest=self.digest, size=self.size)

    def open_tar(self) -> VerifyingReader:
        """The uncompressed tar, verified against the diff_id while it is read; the caller closes the stream."""
        source = f"layer {self.digest.short}"
        tar = open_decompressed(self.open_blob(), source=source)
        return VerifyingReader(tar, source=f"{source} (uncompressed)", digest=self.diff_id)

    def with_media_type(self, media_type: str) -> Layer:
        """The same blob under another media type."""
        return replace(self, descriptor=self.descriptor.with_media_type(media_type))


def file_layer(descriptor: Descriptor, diff_id: Digest, host_path: Path) -> Layer:
    """A layer whose blob is a local file."""
    return Layer(descriptor, diff_id, lambda: host_path.open("rb"), host_path=host_path)
