"""A blob that can be opened: what a descriptor promises, verified while it is read.

Spec: OCI image-spec 1.1, descriptor.md, "Verification".
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Self

from docker_envs.digest import Digest, VerifyingReader
from docker_envs.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker_envs.oci.reference import Reference
    from docker_envs.streams import ByteSource


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob of an image; asking for a fact never reads or downloads.

    Attributes:
        descriptor: Media type, digest and size (in bytes) of the blob as stored.
        opener: Gives a new stream of the blob as stored, not yet verified.
        origin: The registry and repository that have the blob, so that others may mount it instead of moving it.
        host_path: A local file that holds exactly the blob, when there is one.
    """

    descriptor: Descriptor
    opener: Callable[[], ByteSource] = field(compare=False, repr=False)
    origin: Reference | None = field(default=None, compare=False)
    host_path: Path | None = field(default=None, compare=False)

    @classmethod
    def of_bytes(cls, content: bytes, media_type: str) -> Blob:
        """A blob in memory."""
        return Blob(Descriptor(media_type, Digest.of(content), len(content)), partial(io.BytesIO, content))

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
        return VerifyingReader(self.opener(), source=f"blob {self.digest.short}", digest=self.digest, size=self.size)

    def with_media_type(self, media_type: str) -> Self:
        """The same blob under another media type."""
        return replace(self, descriptor=self.descriptor.with_media_type(media_type))
