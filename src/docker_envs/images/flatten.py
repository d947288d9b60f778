"""One tree out of all layers: as a tar, or as the only layer of an image."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.archive.layer_writer import write_layer
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.archive.writer import TarWriter
from docker_envs.images.local_layers import create_layer, local_layers, temporary_store, watched_layer
from docker_envs.oci import edit
from docker_envs.report import SILENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker_envs.archive.entry import Entry
    from docker_envs.oci.image import Image
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSink
    from docker_envs.transports.blobs import BlobStore


def write_flattened(image: Image, out: ByteSink, *, reporter: Reporter = SILENT) -> None:
    """Write the files that containers of an image see as a tar; the same image gives the same bytes.

    Args:
        image: Layers that a registry has are downloaded first, each once, into a temporary directory.
        out: Receives the tar; what it has got is worth nothing if this raises.
        reporter: Hears of progress.

    Raises:
        VerificationError: A layer's bytes are wrong.
        FormatError: A layer is damaged.
    """
    with _flattened(image, reporter) as entries:
        tar = TarWriter(out.write, source="flattened image")
        for entry in entries:
            tar.add(entry)
        tar.close()


def flatten_image(
    image: Image, store: BlobStore, *, compression: CompressionSetting | None = None, reporter: Reporter = SILENT
) -> Image:
    """The image with one layer that holds what all its layers show, and a history of one entry.

    Args:
        image: See `write_flattened`.
        store: Keeps the new layer.
        compression: Codec and level; libdeflate gzip by default.
        reporter: Hears of progress.

    Raises:
        VerificationError: A layer's bytes are wrong.
        FormatError: A layer is damaged.
        StorageError: The new layer cannot be written.
    """
    compression = compression or CompressionSetting()
    with _flattened(image, reporter) as entries, ThreadPoolExecutor(os.cpu_count()) as executor:
        layer = create_layer(
            store,
            partial(write_layer, entries, source="flattened image", compression=compression, executor=executor),
            compression.kind,
        )
    return edit.with_only_layer(image, layer, history=history_entry(image, "docker-envs flatten"))


def history_entry(image: Image, created_by: str) -> dict[str, str]:
    """A history entry for a new layer, as old as the image says that it is."""
    created = image.config.document.get("created")
    return {"created_by": created_by, **({"created": created} if isinstance(created, str) else {})}


@contextmanager
def _flattened(image: Image, reporter: Reporter) -> Iterator[Iterator[Entry]]:
    with temporary_store() as store:
        image = local_layers(image, store, reporter=reporter)
        # Every layer is read twice.
        task = reporter.start("flatten", str(image.platform), 2 * sum(layer.size for layer in image.layers))
        openers = [watched_layer(layer, task).open_tar for layer in image.layers]
        yield iter_flattened(openers, source="image")
        task.finish()
