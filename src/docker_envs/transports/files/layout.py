"""OCI image layouts, read from a directory or from the tar that holds one.

Spec: OCI image-spec 1.1, image-layout.md; annotations.md, "Pre-Defined Annotation Keys".
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.digest import VerifyingReader
from docker_envs.errors import FormatError, InvalidReferenceError, NotFoundError, SizeMismatchError
from docker_envs.fields import Fields
from docker_envs.oci import media_types
from docker_envs.oci.artifact import MAX_DEPTH, Artifact, Links, NamedArtifact
from docker_envs.oci.blob import Blob
from docker_envs.oci.budget import DocumentBudget
from docker_envs.oci.image import NamedImage
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE, Index
from docker_envs.oci.reference import Reference
from docker_envs.transports.blobs import storage_errors
from docker_envs.transports.files.archive_files import DirectoryFiles, ImageFiles, TarFiles, read_small_file
from docker_envs.transports.files.layout_content import (
    INDEX_FILE,
    LAYOUT_FILE,
    NAME_ANNOTATION,
    REF_NAME_ANNOTATION,
    blob_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import NoReturn

    from docker_envs.digest import Digest
    from docker_envs.oci.descriptor import Descriptor, Platform
    from docker_envs.streams import ByteSource


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
    files = open_layout_files(path)
    others: set[str] = set()
    budget = DocumentBudget(files.source)
    found = [
        NamedImage(each.image(), named.references)
        for named in read_artifacts(files, reference=reference)
        for each in _serving(named.artifact, platform, others, budget)
    ]
    if not found:
        hint = f"it has {', '.join(sorted(others))}" if others else None
        raise NotFoundError(f"{files.source}: no image{f' for {platform}' if platform else ''}", hint=hint)
    return merge_images(found)


def merge_images(images: list[NamedImage]) -> list[NamedImage]:
    """The same images with each manifest once, under all its names."""
    merged: dict[Digest, NamedImage] = {}
    for named in images:
        known = merged.get(named.image.digest, named)
        references = tuple(dict.fromkeys((*known.references, *named.references)))
        merged[named.image.digest] = replace(known, references=references)
    return list(merged.values())


def affordable_images(artifact: Artifact, budget: DocumentBudget) -> list[Artifact]:
    """The container images in an artifact, whose configs may now be read.

    Raises:
        FormatError: The configs of these, and of those before, are too big.
    """
    images = artifact.images()
    for image in images:
        budget.take(image.blobs[0].size)
    return images


def _serving(artifact: Artifact, platform: Platform | None, others: set[str], budget: DocumentBudget) -> list[Artifact]:
    """The images that an entry of `index.json` leads to; with a platform only the one that serves it best."""
    images = affordable_images(artifact, budget)
    if platform is None:
        return images
    serving = []
    for image in images:
        own = image.descriptor.platform or image.config.platform
        if platform.accepts(own):
            serving.append((own != platform, image))
        else:
            others.add(str(own))
    return [image for _, image in sorted(serving, key=lambda pair: pair[0])[:1]]


def open_layout_files(path: Path) -> ImageFiles:
    """The files of a layout that is a directory or a tar.

    Raises:
        FormatError: It is neither.
        StorageError: It cannot be read.
    """
    with storage_errors("read", path):
        is_directory = path.is_dir()
    return DirectoryFiles(path) if is_directory else TarFiles(path)


def read_artifacts(files: ImageFiles, *, reference: str | None = None) -> list[NamedArtifact]:
    """What the entries of `index.json` name, one for each entry, of any media type; blobs are not read.

    What an index names and is not there is passed over: engines save an index whole, but only the platforms they have.

    Args:
        files: Those of the layout.
        reference: Only entries of this name: what `ref.name` says, a full name, or a digest.

    Raises:
        FormatError: It is no layout, or something in it is damaged or missing.
        VerificationError: A document differs from its digest.
        NotFoundError: It has no such entry.
    """
    check_version(files)
    entries = read_index(files).manifests
    wanted = [entry for entry in entries if reference is None or reference in _names(entry)]
    if not wanted:
        known = sorted({name for entry in entries for name in _names(entry) if name != entry.digest})
        hint = f"it has {', '.join(f'`{name}`' for name in known)}" if known else None
        raise NotFoundError(f"{files.source}: no image {f'`{reference}`' if reference else 'at all'}", hint=hint)
    budget = DocumentBudget(files.source)
    return [NamedArtifact(_read_artifact(files, entry, budget), _references(entry)) for entry in wanted]


def read_index(files: ImageFiles) -> Index:
    """`index.json` of a layout.

    Raises:
        FormatError: It is missing or damaged.
    """
    return Index.parse(read_small_file(files, INDEX_FILE, MAX_MANIFEST_SIZE), source=f"{files.source}: {INDEX_FILE}")


def check_version(files: ImageFiles) -> None:
    """Look at the file that says that this is a layout.

    Raises:
        FormatError: It is missing, or names another version.
    """
    if not files.has(LAYOUT_FILE):
        raise FormatError(files.source, f"no OCI image layout: `{LAYOUT_FILE}` is missing")
    fields = Fields.parse(read_small_file(files, LAYOUT_FILE, 1 << 16), source=f"{files.source}: {LAYOUT_FILE}")
    if not (version := fields.require("imageLayoutVersion", str)).startswith("1."):
        raise fields.error("imageLayoutVersion", f"version {version!r} is not supported")


def _names(entry: Descriptor) -> set[str]:
    references = _references(entry)
    names = {entry.annotations.get(REF_NAME_ANNOTATION), entry.annotations.get(NAME_ANNOTATION), str(entry.digest)}
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


def _read_artifact(files: ImageFiles, descriptor: Descriptor, budget: DocumentBudget, depth: int = 0) -> Artifact:
    source = f"{files.source}: {blob_path(descriptor.digest)}"
    if depth > MAX_DEPTH:
        raise FormatError(source, f"more than {MAX_DEPTH} indexes inside one another")
    raw = _read_document(files, descriptor, budget)
    links, media_type = Links.parse(raw, source=source, media_type=descriptor.media_type)
    return Artifact(
        descriptor.with_media_type(media_type),
        raw,
        tuple(blob_from_files(files, blob) for blob in links.blobs),
        tuple(
            _read_artifact(files, child, budget, depth + 1)
            for child in links.documents
            if files.has(blob_path(child.digest))
        ),
        source,
    )


def _read_document(files: ImageFiles, descriptor: Descriptor, budget: DocumentBudget) -> bytes:
    path = blob_path(descriptor.digest)
    source = f"{files.source}: {path}"
    if descriptor.size > MAX_MANIFEST_SIZE:
        raise FormatError(source, f"has {descriptor.size:,} bytes, more than the limit of {MAX_MANIFEST_SIZE:,}")
    budget.take(descriptor.size)
    with VerifyingReader(files.open(path), source=source, digest=descriptor.digest, size=descriptor.size) as document:
        return document.read()


def blob_from_files(files: ImageFiles, descriptor: Descriptor) -> Blob:
    """A blob that is in a layout.

    Raises:
        FormatError: It is not there, and no foreign layer either.
        SizeMismatchError: It has another length than the descriptor says.
    """
    path = blob_path(descriptor.digest)
    if media_types.is_foreign(descriptor.media_type) and not files.has(path):
        return Blob(descriptor, refuse_foreign(descriptor, files.source))
    if (actual := files.size(path)) != descriptor.size:
        raise SizeMismatchError(f"{files.source}: {path}", expected=descriptor.size, actual=actual)
    return Blob(descriptor, partial(files.open, path), host_path=files.host_path(path))


def refuse_foreign(descriptor: Descriptor, source: str) -> Callable[[], ByteSource]:
    """The opener of a layer that was left out because its publisher does not let others distribute it."""

    def refuse() -> NoReturn:
        hint = f"it may be had from {descriptor.urls[0]}" if descriptor.urls else None
        raise NotFoundError(f"{source}: foreign layer {descriptor.digest.short} is not included", hint=hint)

    return refuse
