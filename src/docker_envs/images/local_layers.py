"""Layers on this machine: new ones, and copies of far ones, for as long as a command runs."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.compression import Compression
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import Layer, file_layer
from docker_envs.report import SILENT
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import BlobStore
from docker_envs.transports.parallel import run_parallel

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from docker_envs.archive.layer_writer import LayerFacts
    from docker_envs.oci.image import Image
    from docker_envs.report import Reporter, Task
    from docker_envs.streams import ByteSource

#: Layers that are downloaded at once.
_WORKERS = 4

LAYER_TYPES = {
    Compression.NONE: media_types.OCI_LAYER_TAR,
    Compression.GZIP: media_types.OCI_LAYER_GZIP,
    Compression.ZSTD: media_types.OCI_LAYER_ZSTD,
}


@contextmanager
def temporary_store() -> Iterator[BlobStore]:
    """A store of blobs in the directory for temporary files (`TMPDIR`), gone at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="docker-envs-", ignore_cleanup_errors=True) as root:
        yield BlobStore(Path(root), durable=False)


def create_layer(store: BlobStore, write: Callable[[BinaryIO], LayerFacts], compression: Compression) -> Layer:
    """A new layer, which lives as long as the store.

    Args:
        store: Keeps the blob.
        write: Writes the blob to the file given.
        compression: Of what it writes.

    Raises:
        StorageError: The blob cannot be written.
    """
    facts = store.create(write, lambda facts: facts.digest)
    descriptor = Descriptor(LAYER_TYPES[compression], facts.digest, facts.size)
    return file_layer(descriptor, facts.diff_id, store.path(facts.digest))


def local_layer(layer: Layer, store: BlobStore, *, reporter: Reporter = SILENT) -> Layer:
    """The same layer for reading several times: one that a registry has is downloaded into the store, verified.

    Raises:
        TransportError: It cannot be downloaded.
        VerificationError: Other bytes came than its descriptor promises.
    """
    return _fetch(layer, store, reporter, None)


def local_layers(image: Image, store: BlobStore, *, reporter: Reporter = SILENT) -> Image:
    """The same image with all layers on this machine; a few are downloaded at once, each blob once.

    Raises:
        TransportError: A layer cannot be downloaded.
        VerificationError: Other bytes came than a descriptor promises.
    """
    unique = {layer.digest: layer for layer in image.layers}
    found: dict[str, Layer] = {}

    def job(layer: Layer, cancelled: threading.Event) -> None:
        found[layer.digest] = _fetch(layer, store, reporter, cancelled)

    run_parallel([partial(job, layer) for layer in unique.values()], workers=_WORKERS)
    layers = tuple(
        replace(layer, opener=found[layer.digest].opener, host_path=found[layer.digest].host_path)
        for layer in image.layers
    )
    return replace(image, layers=layers)


def _fetch(layer: Layer, store: BlobStore, reporter: Reporter, cancelled: threading.Event | None) -> Layer:
    if layer.origin is None or layer.host_path is not None:
        return layer
    name = f"layer {layer.digest.short}"
    task = reporter.start("download", name, layer.size)
    with layer.opener() as stream:
        path = store.add(layer.digest, WatchedReader(stream, task, cancelled), source=name, size=layer.size)
    task.finish()
    return replace(file_layer(layer.descriptor, layer.diff_id, path), origin=layer.origin)


def watched_layer(layer: Layer, task: Task, cancelled: threading.Event | None = None) -> Layer:
    """The same layer; whoever reads it advances a task by the bytes of its blob, and may be stopped."""

    def open_watched() -> ByteSource:
        return WatchedReader(layer.opener(), task, cancelled)

    return replace(layer, opener=open_watched)


class WatchedReader:
    """A stream whose progress is shown, and that ends when it is told to.

    Raises:
        InterruptedError: While reading: `cancelled` is set.
    """

    def __init__(self, stream: ByteSource, task: Task, cancelled: threading.Event | None = None) -> None:
        self._stream = stream
        self._task = task
        self._cancelled = cancelled

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise InterruptedError("cancelled")
        chunk = self._stream.read(CHUNK_SIZE if size < 0 else size)
        self._task.advance(len(chunk))
        return chunk

    def close(self) -> None:
        """Close the stream underneath."""
        self._stream.close()

    def __enter__(self) -> WatchedReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
