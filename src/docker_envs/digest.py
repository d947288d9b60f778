"""Digests as values, and streams that hash, count and verify what passes through them.

Spec: OCI image-spec 1.1, descriptor.md, "Digests".
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import TYPE_CHECKING

from docker_envs.errors import DigestMismatchError, InvalidInputError, SizeMismatchError
from docker_envs.streams import CHUNK_SIZE

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from docker_envs.streams import ByteSource

# OCI image-spec, descriptor.md, "Registered algorithms".
_HEX_LENGTH = {"sha256": 64, "sha512": 128}
_PATTERN = re.compile(r"(sha256|sha512):([0-9a-f]+)\Z")


class Digest(str):
    """`algorithm:hex` of some bytes; once you hold one, it is well-formed.

    Raises:
        InvalidInputError: The text is no digest of a registered algorithm.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Digest:  # noqa: D102 - documented by the class
        match = _PATTERN.match(text)
        if match is None or len(match[2]) != _HEX_LENGTH[match[1]]:
            raise InvalidInputError(f"invalid digest {text!r}")
        return super().__new__(cls, text)

    @classmethod
    def of(cls, content: Buffer) -> Digest:
        """The sha256 digest of `content`."""
        return cls(f"sha256:{hashlib.sha256(content).hexdigest()}")

    @classmethod
    def sha256(cls, hex_text: str) -> Digest:
        """A sha256 digest from its 64 hexadecimal digits."""
        return cls(f"sha256:{hex_text}")

    @property
    def algorithm(self) -> str:
        """The algorithm's name, as `hashlib` knows it."""
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        """The hexadecimal digits."""
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first twelve digits, for people."""
        return self.hex[:12]


class VerifyingReader(io.RawIOBase):
    """A readable stream that raises before it would report a wrong end.

    It stops at the declared size, and checks size and digest when the end is reached, so no caller can forget to.
    Closing it closes `stream`.

    Args:
        stream: Where the bytes come from.
        source: What is read, for messages.
        digest: Expected digest of all bytes.
        size: Expected number of bytes, or None when unknown.
    """

    def __init__(self, stream: ByteSource, *, source: str, digest: Digest, size: int | None = None) -> None:
        super().__init__()
        self._stream = stream
        self._source = source
        self._expected = digest
        self._size = size
        self._hasher = hashlib.new(digest.algorithm)
        self._count = 0
        self._verified = False

    def readable(self) -> bool:
        """Always true."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the verified end.

        Raises:
            SizeMismatchError: More or fewer bytes than declared.
            DigestMismatchError: Other bytes than declared.
        """
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK_SIZE), b""))
        if size == 0 or self._verified:
            return b""
        chunk = self._stream.read(size)
        if chunk:
            self._count += len(chunk)
            self._hasher.update(chunk)
            if self._size is not None and self._count > self._size:
                raise SizeMismatchError(self._source, expected=self._size)
            if self._count == self._size:
                self._finish()
            return chunk
        self._finish()
        return b""

    def readinto(self, buffer: Buffer) -> int:
        """Read into `buffer`; see `read`."""
        view = memoryview(buffer)
        chunk = self.read(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)

    def _finish(self) -> None:
        if self._size is not None and self._count != self._size:
            raise SizeMismatchError(self._source, expected=self._size, actual=self._count)
        if self._size is not None and self._stream.read(1):
            raise SizeMismatchError(self._source, expected=self._size)
        actual = f"{self._expected.algorithm}:{self._hasher.hexdigest()}"
        if actual != self._expected:
            raise DigestMismatchError(self._source, expected=self._expected, actual=actual)
        self._verified = True

    def close(self) -> None:
        """Close the stream underneath as well."""
        if not self.closed:
            self._stream.close()
        super().close()
