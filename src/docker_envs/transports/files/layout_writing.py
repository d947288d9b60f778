"""OCI image layouts, written in place: many processes may do so at once, and readers see the old or the new state.

Spec: OCI image-spec 1.1, image-layout.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError, NotFoundError, TransportError
from docker_envs.fields import Fields, canonical_json
from docker_envs.oci import media_types
from docker_envs.oci.manifest import MAX_MANIFEST_SIZE, Index
from docker_envs.transports.blobs import BlobStore, atomic_file, storage_errors
from docker_envs.transports.files.archive_files import DirectoryFiles, read_small_file
from docker_envs.transports.files.layout import check_version, read_artifacts
from docker_envs.transports.files.layout_content import (
    INDEX_FILE,
    LAYOUT_CONTENT,
    LAYOUT_FILE,
    REF_NAME_ANNOTATION,
    as_artifacts,
    content_blobs,
    index_entries,
)
from docker_envs.transports.parallel import run_parallel

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from docker_envs.fields import JsonObject
    from docker_envs.oci.artifact import NamedArtifact
    from docker_envs.oci.blob import Blob
    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.oci.image import NamedImage
    from docker_envs.report import Task

# Blobs that are written at once; their sources may be far away.
_WORKERS = 4


def write_layout(
    path: Path, images: Sequence[NamedImage | NamedArtifact], *, keep_types: bool = False, task: Task | None = None
) -> None:
    """Write images into a directory, which is made, or is a layout already and keeps what it has.

    Blobs are added first and `index.json` is replaced last, by one rename. An entry with the same `ref.name` (the tag)
    gives way. Manifests in Docker's format become OCI's, unless `keep_types` is set. If anything fails, the directory
    is as it was before. Writers wait for one another. `task` is told of every byte, written or there already.

    Raises:
        InvalidInputError: Two of the images have the same tag, or the directory holds something else.
        VerificationError: A blob is not what its descriptor says.
        StorageError: The directory cannot be written.
    """
    artifacts = as_artifacts(images, keep_types=keep_types)
    entries = index_entries(artifacts)
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
                _add_blobs(BlobStore(path), content_blobs(artifacts), added, task)
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
    check_version(files)
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
    def job(blob: Blob, cancelled: threading.Event) -> None:
        def watch(count: int) -> None:
            if cancelled.is_set():
                raise TransportError(f"writing blob {blob.digest.short} was cancelled")
            if task is not None:
                task.advance(count)

        if store.has(blob.digest):
            watch(blob.size)
            return
        with blob.opener() as stream:
            source = f"blob {blob.digest.short}"
            added.append(store.add(blob.digest, stream, source=source, size=blob.size, watch=watch))

    run_parallel([partial(job, blob) for blob in sorted(blobs, key=lambda blob: -blob.size)], workers=_WORKERS)


def _write_file(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)


def _clear(path: Path, *, itself: bool) -> None:
    if itself:
        shutil.rmtree(path, ignore_errors=True)
        return
    shutil.rmtree(path / "blobs", ignore_errors=True)
    (path / LAYOUT_FILE).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Collected:
    """What no entry of a layout names: blobs, and what broken writers left; sizes in bytes."""

    files: tuple[Path, ...]
    size: int


def collect_garbage(path: Path, *, dry_run: bool = False) -> Collected:
    """Remove what nothing in `index.json` leads to from a layout: blobs, and temporary files of writers that broke off.

    Our own writers wait for it, and it waits for them; other tools know of no lock, and must not write meanwhile.

    Args:
        path: The directory.
        dry_run: Only look.

    Returns:
        What was removed, or would be.

    Raises:
        FormatError: It is no layout, or a document in it is damaged: then nothing is removed.
        StorageError: Something cannot be removed.
    """
    _require_layout(path)
    with _locked(path):
        files = DirectoryFiles(path)
        used = {path / INDEX_FILE, path / LAYOUT_FILE}
        store = BlobStore(path)
        for named in read_artifacts(files) if _existing_index(path).get("manifests") else ():
            used.update(store.path(document.digest) for document in named.artifact.walk())
            used.update(store.path(digest) for digest in named.artifact.all_blobs())
        found = [file for file in _own_files(path) if file not in used]
        collected = Collected(tuple(found), sum(file.lstat().st_size for file in found))
        for file in () if dry_run else found:
            with storage_errors("remove", file):
                file.unlink(missing_ok=True)
    return collected


def _own_files(path: Path) -> list[Path]:
    """Files in the places that layouts keep theirs; what people put beside them stays."""
    blobs = [file for file in (path / "blobs").glob("*/*") if file.is_file()]
    return sorted([*blobs, *path.glob(".*.part")])


def remove_entry(path: Path, reference: str) -> Descriptor:
    """Take an entry out of `index.json`; its blobs stay until somebody collects them.

    Args:
        path: The directory.
        reference: The entry's `ref.name`, or its digest.

    Returns:
        The entry.

    Raises:
        NotFoundError: There is no such entry.
    """
    _require_layout(path)
    with storage_errors("write", path), _locked(path):
        (named, *_) = read_artifacts(DirectoryFiles(path), reference=reference)
        document = _existing_index(path)
        kept = [entry for entry in document["manifests"] if reference not in (_key(entry), entry["digest"])]
        if len(kept) == len(document["manifests"]):
            raise NotFoundError(f"{path}: no image `{reference}`")
        _write_file(path / INDEX_FILE, canonical_json({**document, "manifests": kept}))
    return named.artifact.descriptor


def _require_layout(path: Path) -> None:
    if not path.is_dir():
        raise NotFoundError(f"`{path}` is no directory of an OCI image layout")
    check_version(DirectoryFiles(path))
