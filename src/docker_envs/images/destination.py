"""Images to wherever they shall be."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError, StorageError
from docker_envs.images.location import Transport
from docker_envs.images.source import image_for
from docker_envs.oci.artifact import Artifact, NamedArtifact, to_oci, with_children
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.report import counted
from docker_envs.transports.files.docker_archive import write_archive, write_archive_stream
from docker_envs.transports.files.layout_content import REF_NAME_ANNOTATION
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import host_platform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.digest import Digest
    from docker_envs.images.location import Location
    from docker_envs.images.transports import Transports
    from docker_envs.report import Reporter


def check_destination(location: Location) -> None:
    """Find out what can be known to fail before any work is done.

    Raises:
        InvalidInputError: A file is to be written where a directory is, or the other way round, or to a terminal.
    """
    path = location.path
    if path is None:
        return
    if location.is_stream:
        if location.transport is Transport.LAYOUT:
            raise InvalidInputError("cannot write a layout to standard output", hint="use `-` or `docker-archive:-`")
        if sys.stdout.isatty():
            raise InvalidInputError("an archive is not written to a terminal", hint="redirect it to a file or program")
    elif location.transport is Transport.LAYOUT:
        if path.exists() and not path.is_dir():
            raise InvalidInputError(f"cannot write the layout `{path}`: it is no directory")
    elif path.is_dir():
        raise InvalidInputError(f"cannot write the archive `{path}`: it is a directory")


def write_artifact(
    named: NamedArtifact, location: Location, transports: Transports, *, keep_types: bool = False
) -> Digest:
    """Bring an artifact to a place; see `write_artifacts`."""
    return write_artifacts([named], location, transports, keep_types=keep_types)[0]


def write_artifacts(
    artifacts: Sequence[NamedArtifact], location: Location, transports: Transports, *, keep_types: bool = False
) -> list[Digest]:
    """Bring artifacts to a place.

    Manifests pass as they are, but for these: archives and layouts hold OCI's media types, unless `keep_types` is set;
    an engine gets the image for its platform; a registry gets an index without what is missing from it.

    Args:
        artifacts: With their names, which count where the location has none; several need an archive or layout.
        location: Where to.
        transports: How to get there.
        keep_types: Leave manifests in Docker's format as they are.

    Returns:
        The digest of each there.

    Raises:
        InvalidInputError: The place cannot hold them.
        VerificationError: A blob is not what its descriptor says; nothing is left there.
        TransportError: The registry or engine cannot be reached, or refused.
        StorageError: The file cannot be written.
    """
    check_destination(location)
    if location.transport.is_file:
        return _write_files([_renamed(named, location) for named in artifacts], location, transports, keep_types)
    if len(artifacts) > 1:
        raise InvalidInputError(f"{counted(len(artifacts), 'image')} do not fit into `{location}`")
    artifact, reference = artifacts[0].artifact, location.registry_reference
    if location.transport is Transport.REGISTRY:
        return [transports.registry.push_artifact(_complete(artifact, transports.reporter), reference)]
    image = image_for(artifact, None, location)
    transports.engine.load([NamedImage(image, (reference,))])
    return [image.digest]


def _write_files(
    artifacts: Sequence[NamedArtifact], location: Location, transports: Transports, keep_types: bool
) -> list[Digest]:
    size = sum(
        {digest: blob.size for named in artifacts for digest, blob in named.artifact.all_blobs().items()}.values()
    )
    task = transports.reporter.start("write", str(location.path), size)
    if location.transport is Transport.LAYOUT:
        write_layout(location.host_path, artifacts, keep_types=keep_types, task=task)
    elif location.is_stream:
        _write_stdout(artifacts, keep_types)
    else:
        write_archive(artifacts, location.host_path, platform=host_platform(), keep_types=keep_types, task=task)
    task.finish()
    return [(named.artifact if keep_types else to_oci(named.artifact)).digest for named in artifacts]


def _write_stdout(artifacts: Sequence[NamedArtifact], keep_types: bool) -> None:
    try:
        write_archive_stream(artifacts, sys.stdout.buffer, platform=host_platform(), keep_types=keep_types)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        raise StorageError("cannot write the archive: its reader went away") from error


def _renamed(named: NamedArtifact, location: Location) -> NamedArtifact:
    """An artifact under the name that a location gives it, if it does."""
    if location.name is None:
        return named
    if location.transport is Transport.DOCKER_ARCHIVE or any(char in location.name for char in "/:"):
        return replace(named, references=(Reference.parse(location.name),))
    known = next(iter(named.references), None)
    if known is not None:
        return replace(named, references=(known.with_tag(location.name),))
    # A bare tag is all that a layout needs.
    descriptor = replace(named.artifact.descriptor, annotations={REF_NAME_ANNOTATION: location.name})
    return NamedArtifact(replace(named.artifact, descriptor=descriptor))


def _complete(artifact: Artifact, reporter: Reporter) -> Artifact:
    """An index without entries that are missing: engines save one whole, but only the platforms that they have."""
    if not artifact.is_index:
        return artifact
    children = tuple(_complete(child, reporter) for child in artifact.children)
    missing = len(artifact.index.manifests) - len(children)
    if missing:
        reporter.warning(
            f"{artifact.source}: left out {counted(missing, 'manifest')} that the index names, but are missing"
        )
    return artifact if children == artifact.children and not missing else with_children(artifact, children)
