"""New layers for an image: a tar as it is, or files of this host."""

from __future__ import annotations

import hashlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from docker_envs.archive.compression import Compression, CompressionSetting, detect, open_decompressed
from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind
from docker_envs.archive.layer_writer import LayerFacts, LayerWriter, write_layer
from docker_envs.digest import Digest
from docker_envs.errors import InvalidInputError
from docker_envs.images.flatten import history_entry
from docker_envs.images.host_files import WELL_KNOWN_MODES, copying_change, iter_host_entries, landing_path
from docker_envs.images.local_layers import LAYER_TYPES, WatchedReader, create_layer
from docker_envs.oci import edit
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import Layer, file_layer
from docker_envs.paths import parent_paths
from docker_envs.report import SILENT
from docker_envs.transports.blobs import storage_errors
from docker_envs.validate import check_tar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.oci.image import Image
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource
    from docker_envs.transports.blobs import BlobStore

#: Compressions that layers may have; tars in others are compressed anew.
_KEPT = (Compression.GZIP, Compression.ZSTD)
STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class HostTree:
    """A directory or file of this host, and where it lands in an image.

    Attributes:
        host_path: The directory or file.
        path: Canonical path in the image; empty for the root.
    """

    host_path: Path
    path: str

    @classmethod
    def parse(cls, text: str) -> HostTree:
        """Parse `HOST[:IMAGE]`; a file for an `IMAGE` that ends in `/` keeps its name.

        Raises:
            InvalidInputError: It would land outside of the image.
        """
        host, colon, landing = text.rpartition(":")
        place: str | None = landing
        if not colon or not landing.startswith("/"):
            host, place = text, None
        if not host:
            raise InvalidInputError(f"invalid path {text!r}", hint="write it as `HOST:/PLACE/IN/THE/IMAGE`")
        host_path = Path(host)
        if place is None and ".." in host_path.parts:
            raise InvalidInputError(
                f"{host!r} is no place in an image", hint=f"say where it shall land: `{host}:/PLACE`"
            )
        if place is not None and place.endswith("/") and not host_path.is_dir():
            place += host_path.name
        return cls(host_path, landing_path(host_path, place))


def tar_layer(
    path: Path, store: BlobStore, *, compression: CompressionSetting | None = None, reporter: Reporter = SILENT
) -> Layer:
    """A tar as a layer: gzip and zstd files byte for byte, others compressed; its entries stay as they are.

    Args:
        path: The file, which must stay as it is for as long as the layer is used; `-` is standard input.
        store: Keeps what is compressed here, and standard input.
        compression: For what is not compressed, or with a codec that layers do not have.
        reporter: Hears of progress.

    Raises:
        FormatError: It is no tar, is damaged, or holds what layers cannot.
        StorageError: It cannot be read.

    Cost: one read; memory grows with the number of paths, not with sizes.
    """
    if path == STDIN:
        path = store.path(store.create(partial(_spool, sys.stdin.buffer), lambda digest: digest))
    with storage_errors("read", path):
        task = reporter.start("read", path.name, path.stat().st_size)
        with path.open("rb") as file:
            kind = detect(file.read(6))
            file.seek(0)
            if kind in _KEPT:
                layer = _kept_layer(path, WatchedReader(file, task), kind)
            else:
                layer = _compressed_layer(path.name, WatchedReader(file, task), store, compression)
        task.finish()
    return layer


def tree_layer(
    tree: HostTree,
    store: BlobStore,
    *,
    exclude: Sequence[str] = (),
    owner: tuple[int, int] = (0, 0),
    latest: int | None = None,
    compression: CompressionSetting | None = None,
    reporter: Reporter = SILENT,
) -> Layer:
    """Files of this host as a layer: sorted, with one owner, and with their modes, mtimes and links.

    Directories above the place get the modes that they have in every distribution.

    Args:
        tree: What to pack, and for where.
        store: Keeps the layer.
        exclude: See `copying_change`.
        owner: Numbers of user and group.
        latest: Upper bound for every mtime, in seconds since 1970 UTC.
        compression: Codec and level; libdeflate gzip by default.
        reporter: Hears of progress.

    Raises:
        StorageError: Something cannot be read.
        BuildError: A file changes while it is read, or has a name that layers reserve.
    """
    compression = compression or CompressionSetting()
    change = copying_change(tree.path, exclude=exclude, owner=owner, latest=latest)
    parents = (
        Entry(path, Kind.DIRECTORY, WELL_KNOWN_MODES[path], DIRECTORY_MTIME)
        for path in parent_paths(tree.path)
        if path in WELL_KNOWN_MODES
    )
    entries = chain(parents, iter_host_entries(tree.host_path, tree.path, change))
    task = reporter.start("pack", str(tree.host_path))
    with ThreadPoolExecutor(os.cpu_count()) as executor:
        layer = create_layer(
            store,
            partial(write_layer, entries, source=str(tree.host_path), compression=compression, executor=executor),
            compression.kind,
        )
    task.finish()
    return layer


def append_layers(image: Image, layers: Sequence[tuple[Layer, str]]) -> Image:
    """The image with layers on top, the last one topmost, each with a name for the history."""
    for layer, name in layers:
        image = edit.append_layer(image, layer, history=history_entry(image, f"docker-envs append {name}"))
    return image


def _kept_layer(path: Path, file: ByteSource, kind: Compression) -> Layer:
    blob = _Hashing(file)
    with open_decompressed(blob, source=path.name) as decompressed:
        tar = _Hashing(decompressed)
        check_tar(tar, source=path.name)
    return file_layer(Descriptor(LAYER_TYPES[kind], blob.digest, blob.size), tar.digest, path)


def _compressed_layer(name: str, file: ByteSource, store: BlobStore, compression: CompressionSetting | None) -> Layer:
    compression = compression or CompressionSetting()
    with ThreadPoolExecutor(os.cpu_count()) as executor, open_decompressed(file, source=name) as tar:

        def write(out: BinaryIO) -> LayerFacts:
            writer = LayerWriter(out, compression=compression, executor=executor)
            try:
                check_tar(_Passing(tar, writer.write), source=name)
                return writer.close()
            except BaseException:
                writer.abort()
                raise

        return create_layer(store, write, compression.kind)


def _spool(stream: BinaryIO, out: BinaryIO) -> Digest:
    hashed = _Hashing(stream)
    while chunk := hashed.read(1 << 18):
        out.write(chunk)
    return hashed.digest


class _Passing:
    """A stream whose bytes go somewhere else, too."""

    def __init__(self, stream: ByteSource, take: Callable[[bytes], object]) -> None:
        self._stream = stream
        self._take = take

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._take(chunk)
        return chunk

    def close(self) -> None:
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Hashing(_Passing):
    """A stream that knows digest and length of what was read of it."""

    def __init__(self, stream: ByteSource) -> None:
        self._hasher = hashlib.sha256()
        super().__init__(stream, self._hasher.update)
        self.size = 0

    @property
    def digest(self) -> Digest:
        return Digest.sha256(self._hasher.hexdigest())

    def read(self, size: int = -1) -> bytes:
        chunk = super().read(size)
        self.size += len(chunk)
        return chunk
