"""Layers compressed that came as they are unpacked: `docker save` and older engines keep no others.

Every tool compresses them on their way to a registry. Images that came with a manifest keep their layers as they are,
whatever these are, since their digests would change.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from docker_envs.archive.compression import Compression, CompressionSetting
from docker_envs.archive.layer_writer import LayerFacts, LayerWriter
from docker_envs.errors import TransportError
from docker_envs.images.local_layers import create_layer
from docker_envs.oci import edit, media_types
from docker_envs.oci.artifact import Artifact
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.parallel import run_parallel

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from docker_envs.digest import Digest
    from docker_envs.oci.layer import Layer
    from docker_envs.report import Reporter
    from docker_envs.transports.blobs import BlobStore

# Each uses all cores while its blocks are compressed; two, so that one reads while the other waits for its last block.
_WORKERS = 2


def compress_layers(
    artifact: Artifact,
    store: BlobStore,
    *,
    compression: CompressionSetting | None = None,
    reporter: Reporter,
    ready: Callable[[Layer, threading.Event], object] | None = None,
) -> Artifact:
    """The same image with compressed layers, if it came without a manifest and has others; else the artifact as it is.

    Args:
        artifact: An image.
        store: Keeps the new blobs, as long as the result is used.
        compression: Codec and level; gzip by default.
        reporter: Hears of progress.
        ready: Called in a thread with each new layer, and an event that is set when all shall end.

    Raises:
        VerificationError: A layer is not what it was promised to be.
        StorageError: The blob cannot be written.

    Cost: one read of every such layer.
    """
    setting = compression or CompressionSetting()
    if not artifact.made or setting.kind is Compression.NONE:
        return artifact
    image = artifact.image()
    made: dict[Digest, Layer] = {}
    plain = {layer.digest: layer for layer in image.layers if _is_plain(layer)}

    def job(layer: Layer, cancelled: threading.Event) -> None:
        made[layer.digest] = _compress(layer, store, setting, executor, reporter, cancelled)
        if ready is not None:
            ready(made[layer.digest], cancelled)

    with ThreadPoolExecutor(os.cpu_count()) as executor:
        ordered = sorted(plain.values(), key=lambda layer: -layer.size)
        run_parallel([partial(job, layer) for layer in ordered], workers=_WORKERS)
    if not made:
        return artifact
    layers = [made.get(layer.digest, layer) for layer in image.layers]
    return replace(Artifact.of_image(edit.with_layers(image, layers)), source=artifact.source)


def _is_plain(layer: Layer) -> bool:
    return media_types.to_oci(layer.media_type) == media_types.OCI_LAYER_TAR


def _compress(
    layer: Layer,
    store: BlobStore,
    setting: CompressionSetting,
    executor: ThreadPoolExecutor,
    reporter: Reporter,
    cancelled: threading.Event,
) -> Layer:
    task = reporter.start("compress", f"layer {layer.digest.short}", layer.size)

    def write(out: BinaryIO) -> LayerFacts:
        writer = LayerWriter(out, compression=setting, executor=executor)
        try:
            with layer.open_blob() as tar:
                while piece := tar.read(CHUNK_SIZE):
                    if cancelled.is_set():
                        raise TransportError("compressing was cancelled")
                    writer.write(piece)
                    task.advance(len(piece))
            return writer.close()
        except BaseException:
            writer.abort()
            raise

    made = create_layer(store, write, setting.kind)
    task.finish()
    return made
