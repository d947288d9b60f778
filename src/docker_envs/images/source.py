"""Images from wherever they are."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError, NotFoundError
from docker_envs.images.location import Transport
from docker_envs.oci.artifact import NamedArtifact
from docker_envs.oci.image import NamedImage
from docker_envs.transports.files.docker_archive import read_archive_artifacts
from docker_envs.transports.files.layout import open_layout_files, read_artifacts
from docker_envs.transports.registry.client import host_platform

if TYPE_CHECKING:
    from docker_envs.images.location import Location
    from docker_envs.images.transports import Transports
    from docker_envs.oci.artifact import Artifact
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image


def open_artifacts(
    location: Location, transports: Transports, *, platform: Platform | None = None
) -> list[NamedArtifact]:
    """Everything that a location names, of any media type; blobs are not read.

    Args:
        location: Where from; an archive or layout without a name gives all that it has.
        transports: How to get there.
        platform: Of indexes, only the image for this platform.

    Raises:
        NotFoundError: It is not there, or not for the platform.
        FormatError: What is there is damaged.
        VerificationError: A document is not what its digest says.
        TransportError: The registry or engine cannot be reached.
        StorageError: The file cannot be read.
    """
    if location.transport is Transport.REGISTRY:
        reference = location.registry_reference
        return [NamedArtifact(transports.registry.artifact(reference, platform), (reference,))]
    found = _open_local(location, transports)
    return found if platform is None else [_for_platform(named, platform, location) for named in found]


def _open_local(location: Location, transports: Transports) -> list[NamedArtifact]:
    if location.transport is Transport.ENGINE:
        reference = location.registry_reference
        return [NamedArtifact.of(NamedImage(transports.engine.image(reference), (reference,)))]
    if location.transport is Transport.LAYOUT:
        if location.is_stream:
            raise InvalidInputError(f"cannot read the layout `{location}`: standard input is no directory")
        return read_artifacts(open_layout_files(location.host_path), reference=location.name)
    file = sys.stdin.buffer if location.is_stream else location.host_path
    return read_archive_artifacts(file, reference=location.name)


def _for_platform(named: NamedArtifact, platform: Platform, location: Location) -> NamedArtifact:
    artifact = named.artifact.select(platform)
    if artifact is not None and (not artifact.is_image or platform.accepts(artifact.config.platform)):
        return replace(named, artifact=artifact)
    offered = sorted({str(image.config.platform) for image in named.artifact.images()})
    raise NotFoundError(
        f"`{location}` has no image for platform `{platform}`, only for {', '.join(f'`{name}`' for name in offered)}",
        hint="choose one of these with `--platform`",
    )


def open_artifact(location: Location, transports: Transports, *, platform: Platform | None = None) -> NamedArtifact:
    """The one artifact that a location names; see `open_artifacts`.

    Raises:
        InvalidInputError: An archive or layout has several, and the location names none of them.
    """
    found = open_artifacts(location, transports, platform=platform)
    if len(found) > 1:
        names = sorted({_short_name(named, location) for named in found})
        raise InvalidInputError(
            f"`{location}` has {len(found)} images", hint=f"name one: {', '.join(f'`{name}`' for name in names)}"
        )
    return found[0]


def _short_name(named: NamedArtifact, location: Location) -> str:
    reference = next(iter(named.references), None)
    name = str(named.artifact.digest) if reference is None else reference.familiar
    if reference is not None and location.transport is Transport.LAYOUT and reference.tag:
        name = reference.tag
    return f"{location.transport}:{location.path}:{name}"


def open_image(location: Location, transports: Transports, *, platform: Platform | None = None) -> Image:
    """The one container image that a location names.

    Args:
        location: Where from.
        transports: How to get there.
        platform: What it must be for; by default an index is searched for Linux on this machine's CPU, and an image
            that is for one platform is taken as it is.

    Raises:
        FormatError: It is no container image.
        DockerEnvsError: See `open_artifact`.
    """
    if location.transport is Transport.REGISTRY:
        return transports.registry.image(location.registry_reference, platform)
    named = open_artifact(location, transports, platform=platform)
    return image_for(named.artifact, platform, location)


def image_for(artifact: Artifact, platform: Platform | None, location: Location) -> Image:
    """The container image in an artifact for a platform, by default this machine's.

    Raises:
        NotFoundError: There is none.
        FormatError: It is no container image.
    """
    if artifact.is_index:
        return _for_platform(NamedArtifact(artifact), platform or host_platform(), location).artifact.image()
    return artifact.image()
