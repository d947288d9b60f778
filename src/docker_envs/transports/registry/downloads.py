"""Blobs out of a registry: gone on with after a break, and small ones read again when they are wrong.

Spec: OCI distribution-spec 1.1, "Pulling blobs".
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from docker_envs.digest import VerifyingReader
from docker_envs.transports.resuming import ResumingReader, range_from

if TYPE_CHECKING:
    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.streams import ByteSource
    from docker_envs.transports.fetch import Response
    from docker_envs.transports.registry.session import Repository

# Blobs up to this size are read at once, in bytes: configs, as a rule.
_SMALL = 1 << 18


def open_blob(repository: Repository, descriptor: Descriptor) -> ByteSource:
    """A stream of a blob, which the caller closes, and verifies unless it is small.

    Raises:
        NotFoundError: The registry does not have it.
        VerificationError: It is small, and was wrong twice.
        TransportError: It cannot be opened; while reading, the connection broke too often.

    Cost: one request, and one more for each break. At most 256 kB are read ahead.
    """
    rule = repository.session.http.rule

    def open_at(offset: int) -> Response:
        path = f"blobs/{descriptor.digest}"
        return repository.request("GET", path, headers=range_from(offset), expected=(200, 206), retry=False)

    def read() -> bytes:
        stream = ResumingReader(open_at, rule, size=descriptor.size)
        source = f"blob {descriptor.digest.short} of `{repository.reference}`"
        with VerifyingReader(stream, source=source, digest=descriptor.digest, size=descriptor.size) as verified:
            return verified.read()

    if descriptor.size <= _SMALL:
        return io.BytesIO(rule.run_verified(read))
    return ResumingReader(open_at, rule, size=descriptor.size)
