"""The layer writer: tar bytes in, compressed bytes out, both digests in one pass, memory bounded by a few blocks.

The tar stream is cut into blocks of a fixed size that are compressed independently: on all cores when there is an
executor, and to the same bytes without one.

Spec: OCI image-spec 1.1, layer.md; config.md, "Layer DiffID".
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.archive.compression import BLOCK_SIZES, CompressionSetting
from docker_envs.archive.writer import TarWriter
from docker_envs.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Executor, Future

    from typing_extensions import Buffer

    from docker_envs.archive.entry import Entry
    from docker_envs.streams import ByteSink

#: Blocks of one layer that may wait for compression or for being written.
_MAX_PENDING = 4


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What is known of a layer once it is written.

    Attributes:
        digest: Of the bytes as stored.
        size: Of the bytes as stored.
        diff_id: Digest of the uncompressed tar.
        tar_size: Length of the uncompressed tar in bytes.
    """

    digest: Digest
    size: int
    diff_id: Digest
    tar_size: int


class LayerWriter:
    """Compresses and hashes the tar stream written to it.

    Args:
        out: Receives the compressed bytes; the caller closes it, and discards it on any error.
        compression: Codec and level.
        executor: Where blocks are compressed; None compresses in the calling thread, to the same bytes.
    """

    def __init__(
        self, out: ByteSink, *, compression: CompressionSetting | None = None, executor: Executor | None = None
    ) -> None:
        setting = compression or CompressionSetting()
        self._out = out
        self._compress = setting.block_compressor()
        self._block_size = BLOCK_SIZES[setting.kind]
        self._executor = executor
        self._pieces: list[Buffer] = []
        self._length = 0
        self._pending: deque[Future[Buffer]] = deque()
        self._tar_hasher = hashlib.sha256()
        self._blob_hasher = hashlib.sha256()
        self._tar_size = 0
        self._size = 0

    def write(self, piece: bytes) -> None:
        """Take the next bytes of the tar stream."""
        length = self._length + len(piece)
        if length < self._block_size:
            self._pieces.append(piece)
            self._length = length
        else:
            self._cut(piece)

    def close(self) -> LayerFacts:
        """Compress what is left and wait for it.

        Returns:
            The facts of what was written.
        """
        if self._length or not self._tar_size:
            self._emit(b"".join(self._pieces))
        while self._pending:
            self._write_out(self._pending.popleft().result())
        return LayerFacts(
            digest=Digest.sha256(self._blob_hasher.hexdigest()),
            size=self._size,
            diff_id=Digest.sha256(self._tar_hasher.hexdigest()),
            tar_size=self._tar_size,
        )

    def abort(self) -> None:
        """Give up: cancel and await what is under way."""
        while self._pending:
            future = self._pending.popleft()
            if not future.cancel():
                future.exception()

    def _cut(self, piece: bytes) -> None:
        """Complete blocks with a piece, each byte of which is copied once."""
        view, start = memoryview(piece), 0
        while self._length + len(view) - start >= self._block_size:
            end = start + self._block_size - self._length
            self._emit(b"".join((*self._pieces, view[start:end])))
            self._pieces, self._length, start = [], 0, end
        if start < len(view):
            self._pieces, self._length = [view[start:]], len(view) - start

    def _emit(self, block: bytes) -> None:
        self._tar_hasher.update(block)
        self._tar_size += len(block)
        if self._executor is None:
            self._write_out(self._compress(block))
            return
        self._pending.append(self._executor.submit(self._compress, block))
        if len(self._pending) >= _MAX_PENDING:
            self._write_out(self._pending.popleft().result())

    def _write_out(self, compressed: Buffer) -> None:
        self._blob_hasher.update(compressed)
        self._size += memoryview(compressed).nbytes
        self._out.write(compressed)


def write_layer(
    entries: Iterable[Entry],
    out: ByteSink,
    *,
    source: str,
    compression: CompressionSetting | None = None,
    executor: Executor | None = None,
) -> LayerFacts:
    """Pack entries into one layer, hashing both forms in a single pass.

    Args:
        entries: In the order wanted; parents that are missing are added. Contents are read once.
        out: Receives the compressed bytes; the caller closes it, and discards it if this raises.
        source: What the layer is made from, for messages.
        compression: Codec and level; libdeflate gzip by default.
        executor: See `LayerWriter`.

    Raises:
        BuildError: Two entries share a path, a name is reserved, or a content is longer or shorter than declared.
    """
    layer = LayerWriter(out, compression=compression, executor=executor)
    tar = TarWriter(layer.write, source=source)
    try:
        for entry in entries:
            tar.add(entry)
        tar.close()
        return layer.close()
    except BaseException:
        layer.abort()
        raise
