"""OCI image layouts: directories, and the tar files that hold one.

Spec: OCI image-spec 1.1, image-layout.md; annotations.md, "Pre-Defined Annotation Keys".
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.digest import Digest, VerifyingReader
from docker_envs.errors import (
    FormatError,
    InvalidInputError,
    InvalidReferenceError,
    NotFoundError,
    SizeMismatchError,
)
from docker_envs.fields import Fields, canonical_json
from docker_envs.oci import media_types
from docker_envs.oci.config import MAX_CONFIG_SIZE, ImageConfig
from docker_envs.oci.image import Image, NamedImage, image_from_parts
from docker_envs.oci.layer import Layer
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE, Index, Manifest, is_image_manifest
from docker_envs.oci.reference import Reference
from docker_envs.transports.blobs import BlobStore, atomic_file, storage_errors
from docker_envs.transports.files.archive_files import DirectoryFiles, ImageFiles, TarFiles, read_small_file
from docker_envs.transports.files.layout_content import (
    INDEX_FILE,
    LAYOUT_CONTENT,
    LAYOUT_FILE,
    NAME_ANNOTATION,
    REF_NAME_ANNOTATION,
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
    from typing import NoReturn

    from docker_envs.fields import JsonObject
    from docker_envs.oci.descriptor import Descriptor, Platform
    from docker_envs.report import Task

_MAX_DEPTH = 8
_CONFIGS = frozenset({media_types.OCI_CONFIG, media_types.DOCKER_CONFIG})


def read_layout(path: Path, *, reference: str | None = None, platform: Platform | None = None) -> list[NamedImage]:
    """The images of a layout, in its order; layers are not read.

    Args:
        path: The directory, or a tar of one, which may be compressed.
        reference: Only images of this name: what `ref.name` says, or a full name.
        platform: Only images for this platform, at most one for each entry of `index.json`; None gives all.

    Raises:
        FormatError: It is no layout, or something in it is damaged or missing.
        VerificationError: A manifest or config differs from its digest.
        NotFoundError: It has no such image.
    """
    files = DirectoryFiles(path) if path.is_dir() else TarFiles(path)
    return read_layout_files(files, reference=reference, platform=platform)


def read_layout_files(
    files: ImageFiles, *, reference: str | None = None, platform: Platform | None = None
) -> list[NamedImage]:
    """Like `read_layout`, from files that are open already."""
    _check_version(files)
    index = Index.parse(read_small_file(files, INDEX_FILE, MAX_MANIFEST_SIZE), source=f"{files.source}: {INDEX_FILE}")
    entries = [entry for entry in index.manifests if reference is None or reference in _names(entry)]
    if not entries:
        known = sorted({name for entry in index.manifests for name in _names(entry)})
        hint = f"it has {', '.join(f'`{name}`' for name in known)}" if known else None
        raise NotFoundError(f"{files.source}: no image {f'`{reference}`' if reference else 'at all'}", hint=hint)
    others: set[str] = set()
    found = [
        NamedImage(image, _references(entry))
        for entry in entries
        for image in _Reader(files, platform, others).images(entry)
    ]
    if not found:
        hint = f"it has {', '.join(sorted(others))}" if others else None
        raise NotFoundError(f"{files.source}: no image{f' for {platform}' if platform else ''}", hint=hint)
    return merge_images(found)


def _check_version(files: ImageFiles) -> None:
    if not files.has(LAYOUT_FILE):
        raise FormatError(files.source, f"no OCI image layout: `{LAYOUT_FILE}` is missing")
    fields = Fields.parse(read_small_file(files, LAYOUT_FILE, 1 << 16), source=f"{files.source}: {LAYOUT_FILE}")
    if not (version := fields.require("imageLayoutVersion", str)).startswith("1."):
        raise fields.error("imageLayoutVersion", f"version {version!r} is not supported")


def _names(entry: Descriptor) -> set[str]:
    references = _references(entry)
    names = {entry.annotations.get(REF_NAME_ANNOTATION), entry.annotations.get(NAME_ANNOTATION)}
    return {*filter(None, names), *map(str, references), *(reference.familiar for reference in references)}


def _references(entry: Descriptor) -> tuple[Reference, ...]:
    """The full name in an entry's annotations; a bare tag is none."""
    texts = [entry.annotations.get(key, "") for key in (NAME_ANNOTATION, REF_NAME_ANNOTATION)]
    for text in texts:
        if "/" in text or ":" in text:
            # Annotations are free text: what is no reference is no mistake.
            with contextlib.suppress(InvalidReferenceError):
                return (Reference.parse(text),)
    return ()


@dataclass
class _Reader:
    files: ImageFiles
    platform: Platform | None
    others: set[str]
    seen: set[Digest] = field(default_factory=set)

    def images(self, entry: Descriptor) -> list[Image]:
        """The images that an entry of `index.json` leads to; with a platform only the one that serves it best."""
        images = [image for image in self._iter(entry, depth=0) if self._serves(image.platform)]
        if self.platform is None:
            return images
        return sorted(images, key=lambda image: image.platform != self.platform)[:1]

    def _serves(self, platform: Platform | None) -> bool:
        if self.platform is None or platform is None or self.platform.accepts(platform):
            return True
        self.others.add(str(platform))
        return False

    def _iter(self, descriptor: Descriptor, depth: int) -> Iterator[Image]:
        if descriptor.digest in self.seen or not self._serves(descriptor.platform):
            return
        self.seen.add(descriptor.digest)
        source = f"{self.files.source}: {blob_path(descriptor.digest)}"
        if descriptor.media_type in media_types.INDEXES:
            if depth == _MAX_DEPTH:
                raise FormatError(source, f"more than {_MAX_DEPTH} indexes inside one another")
            index = Index.parse(self._blob(descriptor), source=source, media_type=descriptor.media_type)
            for child in index.manifests:
                # Engines save an index whole, but only the platforms that they have.
                if self.files.has(blob_path(child.digest)):
                    yield from self._iter(child, depth + 1)
        elif is_image_manifest(descriptor):
            manifest = Manifest.parse(self._blob(descriptor), source=source, media_type=descriptor.media_type)
            if manifest.config.media_type in _CONFIGS:
                config = ImageConfig.parse(
                    self._blob(manifest.config, MAX_CONFIG_SIZE),
                    source=f"{self.files.source}: {blob_path(manifest.config.digest)}",
                )
                yield image_from_parts(manifest, config, partial(layer_from_files, self.files), source=source)

    def _blob(self, descriptor: Descriptor, limit: int = MAX_MANIFEST_SIZE) -> bytes:
        path = blob_path(descriptor.digest)
        source = f"{self.files.source}: {path}"
        if descriptor.size > limit:
            raise FormatError(source, f"has {descriptor.size:,} bytes, more than the limit of {limit:,}")
        stream = self.files.open(path)
        with VerifyingReader(stream, source=source, digest=descriptor.digest, size=descriptor.size) as blob:
            return blob.read()


def layer_from_files(files: ImageFiles, descriptor: Descriptor, diff_id: Digest) -> Layer:
    """A layer whose blob is in a layout.

    Raises:
        FormatError: It is not there, and no foreign layer either.
        SizeMismatchError: It has another length than the descriptor says.
    """
    path = blob_path(descriptor.digest)
    if media_types.is_foreign(descriptor.media_type) and not files.has(path):
        return foreign_layer(descriptor, diff_id, files.source)
    if (actual := files.size(path)) != descriptor.size:
        raise SizeMismatchError(f"{files.source}: {path}", expected=descriptor.size, actual=actual)
    return Layer(descriptor, diff_id, partial(files.open, path), host_path=files.host_path(path))


def foreign_layer(descriptor: Descriptor, diff_id: Digest, source: str) -> Layer:
    """A layer that was left out because its publisher does not let others distribute it; it cannot be opened."""

    def refuse() -> NoReturn:
        hint = f"it may be had from {descriptor.urls[0]}" if descriptor.urls else None
        raise NotFoundError(f"{source}: foreign layer {descriptor.digest.short} is not included", hint=hint)

    return Layer(descriptor, diff_id, refuse)


def write_layout(path: Path, images: Sequence[NamedImage], *, task: Task | None = None) -> None:
    """Write images into a directory, which is made, or is a layout already and keeps what it has.

    Blobs are added first and `index.json` is replaced last, by one rename. An entry with the same `ref.name` (the tag)
    gives way. Manifests in Docker's format become OCI's. If anything fails, the directory is as it was before. Writers
    wait for one another. `task` is told of every byte, written or there already.

    Raises:
        InvalidInputError: Two of the images have the same tag, or the directory holds something else.
        VerificationError: A blob is not what its descriptor says.
        StorageError: The directory cannot be written.
    """
    images = layout_images(images)
    entries = index_entries(images)
    _check_tags(entries, path)
    with storage_errors("write", path):
        is_new = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            if is_empty := not any(path.iterdir()):
                document: JsonObject = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX}
            else:
                document = _existing_index(path)
            added: list[Path] = []
            try:
                _add_blobs(BlobStore(path), image_blobs(images), added, task)
                _write_file(path / LAYOUT_FILE, LAYOUT_CONTENT)
                _write_file(path / INDEX_FILE, canonical_json(_merged_index(document, entries)))
            except BaseException:
                for blob in added:
                    blob.unlink(missing_ok=True)
                if is_empty:
                    _clear(path, itself=is_new)
                raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_tags(entries: Sequence[Descriptor], path: Path) -> None:
    tags = [tag for entry in entries if (tag := entry.annotations.get(REF_NAME_ANNOTATION))]
    if repeated := next((tag for tag in tags if tags.count(tag) > 1), None):
        raise InvalidInputError(
            f"two images are to be called `{repeated}` in the layout `{path}`", hint="give them different tags"
        )


def _existing_index(path: Path) -> JsonObject:
    files = DirectoryFiles(path)
    if not files.has(LAYOUT_FILE):
        raise InvalidInputError(
            f"`{path}` is neither empty nor an OCI image layout", hint="choose a new directory, or one of a layout"
        )
    _check_version(files)
    raw = read_small_file(files, INDEX_FILE, MAX_MANIFEST_SIZE)
    Index.parse(raw, source=f"{path}: {INDEX_FILE}")
    return Fields.parse(raw, source=f"{path}: {INDEX_FILE}").document


def _merged_index(document: JsonObject, entries: Sequence[Descriptor]) -> JsonObject:
    names = {_key(entry.to_json()) for entry in entries}
    kept = [entry for entry in document.get("manifests") or () if _key(entry) not in names]
    return {**document, "manifests": [*kept, *(entry.to_json() for entry in entries)]}


def _key(entry: JsonObject) -> str:
    """What an entry is found by: its name, or the digest of one without."""
    name: str | None = (entry.get("annotations") or {}).get(REF_NAME_ANNOTATION)
    return name or str(entry["digest"])


def _add_blobs(store: BlobStore, blobs: Iterable[Blob], added: list[Path], task: Task | None) -> None:
    for blob in blobs:
        if not store.has(blob.digest):
            with blob.open() as stream:
                source = f"blob {blob.digest.short}"
                added.append(store.add(blob.digest, stream, source=source, size=blob.size))
        if task is not None:
            task.advance(blob.size)


def _write_file(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)


def _clear(path: Path, *, itself: bool) -> None:
    if itself:
        shutil.rmtree(path, ignore_errors=True)
        return
    shutil.rmtree(path / "blobs", ignore_errors=True)
    (path / LAYOUT_FILE).unlink(missing_ok=True)
