"""`docker save` files: read in all the forms that they have had, written in one that every tool takes.

What we write is an OCI image layout in a tar that has Docker's `manifest.json` as well.

Spec: Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format"; OCI image-spec 1.1,
image-layout.md.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, BinaryIO

from docker_envs.archive import tar_header
from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, directory_entry, file_entry
from docker_envs.digest import Digest, VerifyingReader
from docker_envs.errors import DigestMismatchError, FormatError, InvalidReferenceError
from docker_envs.fields import Fields, canonical_json, parse_json
from docker_envs.oci import media_types
from docker_envs.oci.config import MAX_CONFIG_SIZE, ImageConfig, check_layer_count
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import Image, NamedImage
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE, Index
from docker_envs.oci.reference import Reference
from docker_envs.paths import image_path
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import atomic_file
from docker_envs.transports.files.archive_files import TarFiles, read_small_file
from docker_envs.transports.files.archived_layers import ArchivedLayers
from docker_envs.transports.files.docker_archive_v1 import REPOSITORIES_FILE, read_v1_images
from docker_envs.transports.files.layout import foreign_layer, read_layout_files
from docker_envs.transports.files.layout_content import (
    INDEX_FILE,
    LAYOUT_CONTENT,
    LAYOUT_FILE,
    Blob,
    blob_path,
    image_blobs,
    index_entries,
    layout_images,
    merge_images,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.layer import Layer
    from docker_envs.report import Task
    from docker_envs.streams import ByteSink

MANIFEST_FILE = "manifest.json"

# Configs are called by their digest: `<hex>.json`, `sha256:<hex>` or `blobs/sha256/<hex>`.
_DIGEST_NAME = re.compile(r"(?:.*/)?(?:sha256:)?([0-9a-f]{64})(?:\.json)?\Z")


def read_archive(file: Path | BinaryIO) -> list[NamedImage]:
    """The images in a `docker save` file or a tar of an OCI layout, in its order.

    Args:
        file: Path or stream, compressed or not; a stream may be closed afterwards.

    Raises:
        FormatError: It is no such file, or something in it is damaged or missing.
        VerificationError: A manifest or config differs from its digest.
        StorageError: It cannot be read.

    Cost: layers are not read, but for digests that nothing states: of layers compressed in the archive when it has no
    OCI layout, and of all layers of the oldest form. A file compressed as a whole is decompressed to a temporary one.
    """
    files = TarFiles(file)
    if files.has(LAYOUT_FILE) and files.has(INDEX_FILE):
        # The OCI part comes first: it keeps manifests, and the digests of layers as they are stored.
        tags = _tags_by_config(files) if files.has(MANIFEST_FILE) else {}
        return [
            named if named.references else NamedImage(named.image, tags.get(named.image.config.digest, ()))
            for named in read_layout_files(files)
        ]
    if files.has(MANIFEST_FILE):
        layers = ArchivedLayers(files)
        return merge_images(_read_image(files, entry, layers) for entry in _manifest_entries(files))
    if files.has(REPOSITORIES_FILE):
        return read_v1_images(files)
    raise FormatError(
        files.source,
        f"no image archive: it has neither `{INDEX_FILE}` nor `{MANIFEST_FILE}` nor `{REPOSITORIES_FILE}`",
        hint="make one with `docker save`",
    )


def _manifest_entries(files: TarFiles) -> Iterator[Fields]:
    source = f"{files.source}: {MANIFEST_FILE}"
    entries = parse_json(read_small_file(files, MANIFEST_FILE, MAX_MANIFEST_SIZE), source=source)
    if not isinstance(entries, list):
        raise FormatError(source, "top level: expected a list")
    for index, entry in enumerate(entries):
        yield Fields.of(entry, source=source, location=f"[{index}].")


def _tags_by_config(files: TarFiles) -> dict[Digest, tuple[Reference, ...]]:
    """Tags by digest of the config; entries whose config has another name than its digest are left out."""
    named = ((_DIGEST_NAME.match(entry.require("Config", str)), entry) for entry in _manifest_entries(files))
    return {Digest.sha256(match[1]): _tags(entry) for match, entry in named if match}


def _tags(entry: Fields) -> tuple[Reference, ...]:
    try:
        return tuple(Reference.parse(text) for text in entry.strings("RepoTags"))
    except InvalidReferenceError as error:
        raise entry.error("RepoTags", str(error)) from error


def _read_image(files: TarFiles, entry: Fields, layers: ArchivedLayers) -> NamedImage:
    path = image_path(entry.require("Config", str), source=entry.source)
    source = f"{files.source}: {path}"
    raw = read_small_file(files, path, MAX_CONFIG_SIZE)
    if (match := _DIGEST_NAME.match(path)) and Digest.of(raw).hex != match[1]:
        raise DigestMismatchError(source, expected=Digest.sha256(match[1]), actual=Digest.of(raw))
    config = ImageConfig.parse(raw, source=source)
    paths = [image_path(text, source=entry.source) for text in entry.strings("Layers")]
    check_layer_count(config, paths, source=source)
    foreign = _foreign_descriptors(entry)
    found = tuple(
        _read_layer(layers, layer_path, diff_id, foreign)
        for layer_path, diff_id in zip(paths, config.diff_ids, strict=True)
    )
    return NamedImage(Image(config, found), _tags(entry))


def _read_layer(layers: ArchivedLayers, path: str, diff_id: Digest, foreign: dict[str, Descriptor]) -> Layer:
    if diff_id in foreign and not layers.files.has(path):
        return foreign_layer(foreign[diff_id], diff_id, layers.files.source)
    return layers.layer(path, diff_id)


def _foreign_descriptors(entry: Fields) -> dict[str, Descriptor]:
    if entry.get("LayerSources", dict) is None:
        return {}
    sources = entry.object("LayerSources")
    return {diff_id: Descriptor.from_fields(sources.object(diff_id)) for diff_id in sources.document}


def write_archive(
    images: Sequence[NamedImage], path: Path, *, platform: Platform | None = None, task: Task | None = None
) -> None:
    """Write images into one file, which appears when it is complete; see `iter_archive`."""
    with atomic_file(path) as file:
        write_archive_stream(images, file, platform=platform, task=task)


def write_archive_stream(
    images: Sequence[NamedImage], sink: ByteSink, *, platform: Platform | None = None, task: Task | None = None
) -> None:
    """Write an archive of images to a stream, and tell `task` of every byte; see `iter_archive`."""
    for piece in iter_archive(images, platform=platform):
        sink.write(piece)
        if task is not None:
            task.advance(len(piece))


def iter_archive(images: Sequence[NamedImage], *, platform: Platform | None = None) -> Iterator[bytes]:
    """The bytes of an archive of images: a function of the arguments alone, the images' order and names included.

    Layers are carried as they are stored, each blob once; a foreign layer that cannot be had is left out. Manifests in
    Docker's format become OCI's. It loads with `docker load`, `podman load`, `ctr image import`, and `skopeo copy
    docker-archive:` and `oci-archive:`. Of an image for several platforms, readers that know no index see the one for
    `platform`, or else the first.

    Raises:
        VerificationError: A layer is not what its descriptor says; what came so far must be discarded.

    Cost: one read of every layer; memory is bounded by a buffer.
    """
    images = layout_images(images)
    blobs = image_blobs(images)
    index = Index.make(index_entries(images))
    for name, content in (
        (LAYOUT_FILE, LAYOUT_CONTENT),
        (INDEX_FILE, index.raw),
        (MANIFEST_FILE, canonical_json([_manifest_entry(named, platform) for named in images])),
    ):
        yield from _pieces(file_entry(name, content, mtime=DIRECTORY_MTIME))
    for path in ("blobs", *sorted({f"blobs/{blob.digest.algorithm}" for blob in blobs})):
        yield tar_header.encode(directory_entry(path))
    for blob in blobs:
        entry = Entry(blob_path(blob.digest), Kind.FILE, 0o644, DIRECTORY_MTIME, blob.size, _iter_blob(blob))
        yield from _pieces(entry)
    yield tar_header.END


def _pieces(entry: Entry) -> Iterator[bytes]:
    yield tar_header.encode(entry)
    yield from entry.content
    yield tar_header.padding(entry.size)


def _iter_blob(blob: Blob) -> Iterator[bytes]:
    source = f"blob {blob.digest.short}"
    with VerifyingReader(blob.open(), source=source, digest=blob.digest, size=blob.size) as stream:
        yield from iter(lambda: stream.read(CHUNK_SIZE), b"")


def _manifest_entry(named: NamedImage, platform: Platform | None) -> dict[str, Any]:
    image = named.image_for(platform)
    entry: dict[str, Any] = {
        "Config": blob_path(image.config_descriptor.digest),
        "RepoTags": [reference.familiar for reference in named.references if reference.tag],
        "Layers": [blob_path(layer.digest) for layer in image.layers],
    }
    if foreign := _foreign_sources(image.layers):
        entry["LayerSources"] = foreign
    return entry


def _foreign_sources(layers: Iterable[Layer]) -> dict[str, Any]:
    return {
        str(layer.diff_id): layer.descriptor.to_json() for layer in layers if media_types.is_foreign(layer.media_type)
    }
