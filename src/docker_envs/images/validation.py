"""The oracle over everything that a place has under a name, with all problems instead of the first one."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.digest import VerifyingReader
from docker_envs.errors import FormatError, NotFoundError, StorageError, VerificationError
from docker_envs.images.local_layers import WatchedReader, watched_layer
from docker_envs.oci import media_types
from docker_envs.oci.layer import Layer
from docker_envs.report import SILENT
from docker_envs.streams import CHUNK_SIZE
from docker_envs.transports.parallel import run_parallel
from docker_envs.validate import check_layer, iter_problems

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator

    from docker_envs.digest import Digest
    from docker_envs.errors import DockerEnvsError
    from docker_envs.images.transports import Transports
    from docker_envs.oci.artifact import Artifact
    from docker_envs.oci.blob import Blob
    from docker_envs.report import Reporter

#: Blobs that are read at once.
_WORKERS = 4
#: What a bad image may raise; anything else (no network, say) ends the validation.
_FAULTS = (VerificationError, FormatError, NotFoundError, StorageError)


@dataclass(slots=True)
class Validation:
    """What was looked at, and what is wrong with it.

    Attributes:
        images: Number of container images.
        layers: Number of different layers.
        size: Of all different blobs, in bytes.
        skipped: Number of layers that only their publisher distributes, and that nobody read.
        missing: Number of manifests that an index names, and that are not there.
        problems: All that is wrong, in the order of the documents.
    """

    images: int = 0
    layers: int = 0
    size: int = 0
    skipped: int = 0
    missing: int = 0
    problems: list[DockerEnvsError] = field(default_factory=list)


def validate_artifact(
    artifact: Artifact, *, exists: Callable[[Blob], bool] | None = None, reporter: Reporter = SILENT
) -> Validation:
    """Check every document and blob of an artifact.

    Args:
        artifact: An image, an index, or anything else with a manifest.
        exists: Says whether a blob is there, with its size; if given, this is asked instead of reading blobs.
        reporter: Hears of progress.

    Raises:
        TransportError: The source cannot be reached any more.

    Cost: one read of every blob, a few at once; memory grows with the number of paths in a layer.
    """
    found = Validation()
    blobs: dict[tuple[Digest, Digest | None], Blob] = {}
    for named in artifact.walk():
        document = replace(named, source=f"manifest {named.digest.short}")
        found.problems += _document_problems(document)
        if document.is_index:
            found.missing += len(document.index.manifests) - len(document.children)
            continue
        others: tuple[Blob, ...] = document.blobs
        if document.is_image:
            found.images += 1
            others = _layers(document)
        for blob in others:
            blobs.setdefault((blob.digest, blob.diff_id if isinstance(blob, Layer) else None), blob)
    layers = [blob for blob in blobs.values() if isinstance(blob, Layer)]
    found.layers = len({layer.digest for layer in layers})
    found.size = sum({blob.digest: blob.size for blob in artifact.all_blobs().values()}.values())
    wanted = [blob for blob in blobs.values() if not media_types.is_foreign(blob.media_type)]
    found.skipped = len(blobs) - len(wanted)
    found.problems += _blob_problems(wanted, exists, reporter)
    return found


def blob_exists(blob: Blob, transports: Transports) -> bool:
    """Whether a blob is where it comes from, with its size, without reading it.

    Raises:
        TransportError: The registry does not let us, or cannot be reached.
    """
    if blob.host_path is not None:
        return blob.host_path.is_file() and blob.host_path.stat().st_size == blob.size
    if blob.origin is not None:
        return transports.registry.has_blob(blob)
    with blob.opener() as stream:  # of an archive, whose members have known places
        return bool(stream.read(1)) == bool(blob.size)


def _document_problems(document: Artifact) -> Iterator[DockerEnvsError]:
    descriptor, source = document.descriptor, document.source
    try:
        _drain(VerifyingReader(io.BytesIO(document.raw), source=source, digest=descriptor.digest, size=descriptor.size))
        if not document.is_image:
            return
        image = document.image()
    except _FAULTS as error:
        yield error
        return
    yield from iter_problems(image, source=source)
    stated = descriptor.platform
    # Configs often leave the variant out.
    if stated is not None and not stated.accepts(
        replace(image.platform, variant=image.platform.variant or stated.variant)
    ):
        yield FormatError(source, f"the index says platform `{stated}`, the config says `{image.platform}`")


def _layers(document: Artifact) -> tuple[Blob, ...]:
    """The layers of an image, as mere blobs if its config is of no use; the config itself was read by then."""
    try:
        return document.image().layers
    except _FAULTS:
        return document.blobs[1:]  # the problem is listed already


def _blob_problems(
    blobs: list[Blob], exists: Callable[[Blob], bool] | None, reporter: Reporter
) -> Iterator[DockerEnvsError]:
    problems: dict[int, DockerEnvsError] = {}

    def job(number: int, blob: Blob, cancelled: threading.Event) -> None:
        try:
            if exists is None:
                _check(blob, reporter, cancelled)
            elif not exists(blob):
                problems[number] = NotFoundError(f"blob {blob.digest.short} is missing, or has another size")
        except (NotFoundError, StorageError) as error:
            problems[number] = NotFoundError(f"blob {blob.digest.short}: {error}", hint=error.hint)
        except _FAULTS as error:
            problems[number] = error

    run_parallel([partial(job, number, blob) for number, blob in enumerate(blobs)], workers=_WORKERS)
    yield from (problems[number] for number in sorted(problems))


def _check(blob: Blob, reporter: Reporter, cancelled: threading.Event) -> None:
    kind = "layer" if isinstance(blob, Layer) else "blob"
    task = reporter.start("check", f"{kind} {blob.digest.short}", blob.size)
    if isinstance(blob, Layer):
        check_layer(watched_layer(blob, task, cancelled), source="image")
    else:
        with WatchedReader(blob.open_blob(), task, cancelled) as stream:
            _drain(stream)
    task.finish()


def _drain(stream: VerifyingReader | WatchedReader) -> None:
    while stream.read(CHUNK_SIZE):
        pass
