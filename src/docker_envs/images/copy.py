"""Images from one place to another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError
from docker_envs.images.compress import compress_layers
from docker_envs.images.destination import check_destination, write_artifacts
from docker_envs.images.local_layers import temporary_store
from docker_envs.images.location import Transport
from docker_envs.images.source import open_artifact, open_artifacts

if TYPE_CHECKING:
    import threading

    from docker_envs.archive.compression import CompressionSetting
    from docker_envs.digest import Digest
    from docker_envs.images.location import Location
    from docker_envs.images.transports import Transports
    from docker_envs.oci.artifact import Artifact, NamedArtifact
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.layer import Layer
    from docker_envs.transports.blobs import BlobStore


# Where uncompressed layers are a burden: engines and their archives unpack them at once.
_COMPRESSED = frozenset({Transport.REGISTRY, Transport.LAYOUT, Transport.OCI_ARCHIVE})


@dataclass(frozen=True, slots=True)
class Copied:
    """One artifact that was copied.

    Attributes:
        source: As it was.
        digest: At the destination.
    """

    source: Artifact
    digest: Digest


def copy_images(
    source: Location,
    destination: Location,
    transports: Transports,
    *,
    platform: Platform | None = None,
    all_platforms: bool = False,
    keep_types: bool = False,
    compression: CompressionSetting | None = None,
) -> list[Copied]:
    """Copy what a location names; layers that the destination has do not move.

    An index is copied with all that it names, wherever it can be: only an engine takes one platform's image out of it.
    An archive or layout of which no image is named is copied whole into another.

    Args:
        source: Where from.
        destination: Where to.
        transports: How to get there.
        platform: Only the image for this platform.
        all_platforms: Refuse a destination that cannot hold all.
        keep_types: Leave manifests in Docker's format as they are in archives and layouts.
        compression: Of layers that came uncompressed with no manifest, and go where others should not; gzip by default.

    Raises:
        InvalidInputError: The destination cannot hold what was asked for.
        DockerEnvsError: See `open_artifacts` and `write_artifacts`.
    """
    if all_platforms and platform is not None:
        raise InvalidInputError("`--all` and `--platform` exclude each other")
    if all_platforms and destination.transport is Transport.ENGINE:
        raise InvalidInputError("an engine holds one platform's image", hint="leave `--all` out")
    check_destination(destination)
    if destination.transport.is_file and destination.name is None:
        found = open_artifacts(source, transports, platform=platform)
    else:
        found = [open_artifact(source, transports, platform=platform)]
    with temporary_store() as store:
        if destination.transport in _COMPRESSED:
            found = [_compressed(named, destination, transports, store, compression) for named in found]
        digests = write_artifacts(found, destination, transports, keep_types=keep_types)
    return [Copied(named.artifact, digest) for named, digest in zip(found, digests, strict=True)]


def _compressed(
    named: NamedArtifact,
    destination: Location,
    transports: Transports,
    store: BlobStore,
    compression: CompressionSetting | None,
) -> NamedArtifact:
    def push(layer: Layer, cancelled: threading.Event) -> None:
        transports.registry.push_layer(layer, destination.registry_reference, cancelled=cancelled)

    # What is ready is sent while more is compressed.
    ready = push if destination.transport is Transport.REGISTRY else None
    artifact = compress_layers(
        named.artifact, store, compression=compression, reporter=transports.reporter, ready=ready
    )
    return replace(named, artifact=artifact)
