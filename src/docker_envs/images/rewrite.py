"""From one place to another with changes in between, for every platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError
from docker_envs.images.destination import check_destination, write_artifact
from docker_envs.images.source import open_artifact
from docker_envs.oci.artifact import NamedArtifact, edit_images
from docker_envs.report import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.digest import Digest
    from docker_envs.images.location import Location
    from docker_envs.images.transports import Transports
    from docker_envs.oci.artifact import Artifact
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image
    from docker_envs.report import Reporter


def rewrite_images(
    source: Location,
    target: Location,
    transports: Transports,
    change: Callable[[Image], Image],
    *,
    platform: Platform | None = None,
) -> Digest:
    """Change an image, or an index's images of all platforms, and bring the result to a place.

    Attestations of images that changed are left out, with a warning. Layers that stay move only if the place lacks
    them.

    Args:
        source: Where from.
        target: Where to.
        transports: How to get there.
        change: What to do with each image.
        platform: Of an index, only this platform's image.

    Returns:
        The digest of what is at `target` now.

    Raises:
        InvalidInputError: The source is no container image.
        DockerEnvsError: See `open_artifact` and `write_artifact`.
    """
    check_destination(target)
    named = open_artifact(source, transports, platform=platform)
    changed = edit_artifact(named, change, source=source, reporter=transports.reporter)
    return write_artifact(changed, target, transports)


def edit_artifact(
    named: NamedArtifact, change: Callable[[Image], Image], *, source: Location, reporter: Reporter
) -> NamedArtifact:
    """The artifact with its container images changed; the reporter is warned of attestations that are left out.

    Raises:
        InvalidInputError: It is no container image.
        DockerEnvsError: What `change` raises.
    """
    if not named.artifact.images():
        raise InvalidInputError(f"`{source}` is no container image, but `{named.artifact.media_type}`")
    changed = edit_images(named.artifact, change)
    if dropped := _others(named.artifact) - _others(changed):
        reporter.warning(f"left out {counted(dropped, 'attestation')} of `{source}`: they speak of images that changed")
    return NamedArtifact(changed, named.references)


def _others(artifact: Artifact) -> int:
    return sum(not each.is_image and not each.is_index for each in artifact.walk())
