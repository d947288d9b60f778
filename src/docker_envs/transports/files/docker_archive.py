"""`docker save` files: read in all the forms that they have had, written in one that every tool takes.

What we write is an OCI image layout in a tar that has Docker's `manifest.json` as well.

Spec: Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format"; OCI image-spec 1.1,
image-layout.md.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from docker_envs.archive import tar_header
from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, directory_entry, file_entry
from docker_envs.digest import Digest
from docker_envs.errors import DigestMismatchError, FormatError, InvalidReferenceError, NotFoundError
from docker_envs.fields import Fields, canonical_json, parse_json
from docker_envs.oci import media_types
from docker_envs.oci.artifact import NamedArtifact
from docker_envs.oci.budget import DocumentBudget
from docker_envs.oci.config import MAX_CONFIG_SIZE, ImageConfig, check_layer_count
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import Image, NamedImage
from docker_envs.oci.layer import Layer
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE, Index
from docker_envs.oci.reference import Reference
from docker_envs.paths import image_path
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.blobs import atomic_file
from docker_envs.transports.files.archive_files import TarFiles, read_small_file
from docker_envs.transports.files.archived_layers import ArchivedLayers
from docker_envs.transports.files.docker_archive_v1 import REPOSITORIES_FILE, read_v1_images
from docker_envs.transports.files.layout import affordable_images, merge_images, read_artifacts, refuse_foreign
from docker_envs.transports.files.layout_content import (
    INDEX_FILE,
    LAYOUT_CONTENT,
    LAYOUT_FILE,
    NAME_ANNOTATION,
    REF_NAME_ANNOTATION,
    as_artifacts,
    blob_path,
    content_blobs,
    index_entries,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from docker_envs.oci.blob import Blob
    from docker_envs.oci.descriptor import Platform
    from docker_envs.report import Task
    from docker_envs.streams import ByteSink

MANIFEST_FILE = "manifest.json"

_NAME_KEYS = (NAME_ANNOTATION, REF_NAME_ANNOTATION)
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
    if not _has_layout(files):
        return _docker_images(files)
    budget = DocumentBudget(files.source)
    found = [
        NamedImage(image.image(), named.references)
        for named in _layout_artifacts(files)
        for image in affordable_images(named.artifact, budget)
    ]
    if not found:
        raise NotFoundError(f"{files.source}: no image")
    return merge_images(found)


def read_archive_artifacts(file: Path | BinaryIO, *, reference: str | None = None) -> list[NamedArtifact]:
    """Like `read_archive`, but with indexes, and whatever else a layout names, as they are.

    Args:
        file: Path or stream, compressed or not; a stream may be closed afterwards.
        reference: Only what has this name: a full one, a tag in a layout, or a digest.

    Raises:
        FormatError: It is no such file, or something in it is damaged or missing.
        VerificationError: A document differs from its digest.
        NotFoundError: It has no such image.
        StorageError: It cannot be read.
    """
    files = TarFiles(file)
    if _has_layout(files):
        found = _layout_artifacts(files)
    else:
        found = [NamedArtifact.of(named) for named in _docker_images(files)]
    wanted = [named for named in found if reference is None or reference in _names(named)]
    if not wanted:
        known = sorted({str(name) for named in found for name in named.references})
        hint = f"it has {', '.join(f'`{name}`' for name in known)}" if known else None
        raise NotFoundError(f"{files.source}: no image {f'`{reference}`' if reference else 'at all'}", hint=hint)
    return wanted


def _has_layout(files: TarFiles) -> bool:
    return files.has(LAYOUT_FILE) and files.has(INDEX_FILE)


def _layout_artifacts(files: TarFiles) -> list[NamedArtifact]:
    # The OCI part comes first: it keeps manifests, and the digests of layers as they are stored.
    tags = _tags_by_config(files) if files.has(MANIFEST_FILE) else {}
    found = as_artifacts(read_artifacts(files), keep_types=True)
    return [named if named.references else replace(named, references=_known(tags, named)) for named in found]


def _known(tags: dict[Digest, tuple[Reference, ...]], named: NamedArtifact) -> tuple[Reference, ...]:
    configs = [image.blobs[0].digest for image in named.artifact.images()]
    return next((tags[digest] for digest in configs if digest in tags), ())


def _names(named: NamedArtifact) -> set[str]:
    names = {str(named.artifact.digest), *(named.artifact.descriptor.annotations.get(key) for key in _NAME_KEYS)}
    for reference in named.references:
        names |= {str(reference), reference.familiar, reference.tag}
    return {name for name in names if name}


def _docker_images(files: TarFiles) -> list[NamedImage]:
    if files.has(MANIFEST_FILE):
        layers, budget = ArchivedLayers(files), DocumentBudget(files.source)
        return merge_images([_read_image(files, entry, layers, budget) for entry in _manifest_entries(files)])
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


def _read_image(files: TarFiles, entry: Fields, layers: ArchivedLayers, budget: DocumentBudget) -> NamedImage:
    path = image_path(entry.require("Config", str), source=entry.source)
    source = f"{files.source}: {path}"
    raw = read_small_file(files, path, MAX_CONFIG_SIZE)
    budget.take(len(raw))
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
        return Layer(foreign[diff_id], refuse_foreign(foreign[diff_id], layers.files.source), diff_id=diff_id)
    return layers.layer(path, diff_id)


def _foreign_descriptors(entry: Fields) -> dict[str, Descriptor]:
    if entry.get("LayerSources", dict) is None:
        return {}
    sources = entry.object("LayerSources")
    return {diff_id: Descriptor.from_fields(sources.object(diff_id)) for diff_id in sources.document}


def write_archive(
    images: Sequence[NamedImage | NamedArtifact],
    path: Path,
    *,
    platform: Platform | None = None,
    keep_types: bool = False,
    task: Task | None = None,
) -> None:
    """Write images into one file, which appears when it is complete; see `iter_archive`."""
    with atomic_file(path) as file:
        write_archive_stream(images, file, platform=platform, keep_types=keep_types, task=task)


def write_archive_stream(
    images: Sequence[NamedImage | NamedArtifact],
    sink: ByteSink,
    *,
    platform: Platform | None = None,
    keep_types: bool = False,
    task: Task | None = None,
) -> None:
    """Write an archive of images to a stream, and tell `task` of every byte; see `iter_archive`."""
    for piece in iter_archive(images, platform=platform, keep_types=keep_types):
        sink.write(piece)
        if task is not None:
            task.advance(len(piece))


def iter_archive(
    images: Sequence[NamedImage | NamedArtifact], *, platform: Platform | None = None, keep_types: bool = False
) -> Iterator[bytes]:
    """The bytes of an archive of images: a function of the arguments alone, the images' order and names included.

    Layers are carried as they are stored, each blob once; a foreign layer that cannot be had is left out. Manifests in
    Docker's format become OCI's, unless `keep_types` is set. It loads with `docker load`, `podman load`, `ctr image
    import`, and `skopeo copy docker-archive:` and `oci-archive:`. Of an image for several platforms, readers that know
    no index see the one for `platform`, or else the first.

    Raises:
        VerificationError: A layer is not what its descriptor says; what came so far must be discarded.

    Cost: one read of every layer; memory is bounded by a buffer.
    """
    artifacts = as_artifacts(images, keep_types=keep_types)
    blobs = content_blobs(artifacts)
    index = Index.make(index_entries(artifacts))
    listed = [_manifest_entry(named, platform) for named in artifacts if named.artifact.images()]
    for name, content in (
        (LAYOUT_FILE, LAYOUT_CONTENT),
        (INDEX_FILE, index.raw),
        (MANIFEST_FILE, canonical_json(listed)),
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
    with blob.open_blob() as stream:
        yield from iter(lambda: stream.read(CHUNK_SIZE), b"")


def _manifest_entry(named: NamedArtifact, platform: Platform | None) -> dict[str, Any]:
    image = (platform and named.artifact.select(platform)) or named.artifact.images()[0]
    config, *layers = image.blobs
    entry: dict[str, Any] = {
        "Config": blob_path(config.digest),
        # In full: what podman reads from a short name is an image of `localhost`.
        "RepoTags": [f"{reference.name}:{reference.tag}" for reference in named.references if reference.tag],
        "Layers": [blob_path(layer.digest) for layer in layers],
    }
    if any(media_types.is_foreign(layer.media_type) for layer in layers):
        check_layer_count(image.config, layers, source=image.source)
        entry["LayerSources"] = {
            str(diff_id): layer.descriptor.to_json()
            for layer, diff_id in zip(layers, image.config.diff_ids, strict=True)
            if media_types.is_foreign(layer.media_type)
        }
    return entry
