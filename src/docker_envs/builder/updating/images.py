"""Images of one platform or several from where they are, through an update, to where they shall be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.builder.caches.cache import open_cache
from docker_envs.builder.caches.remote_caches import CacheUse, RemoteCaches
from docker_envs.builder.deliver import channel_opener
from docker_envs.builder.updating.update import Updater
from docker_envs.images.destination import check_destination, write_artifact
from docker_envs.images.rewrite import edit_artifact
from docker_envs.images.source import open_artifact

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.updating.choose import Wanted
    from docker_envs.digest import Digest
    from docker_envs.images.location import Location
    from docker_envs.images.transports import Transports
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.records.record import RecordedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateSettings:
    """How images are updated.

    Attributes:
        cache: The cache directory.
        caches: Remote caches that may have layers and metadata of packages.
        prefix: Which environment; not needed for images with one.
        platform: Of an index, only the image for this one.
        force: Whether a base that the packages cannot run on is taken all the same.
        dry_run: Whether nothing is made or written.
    """

    cache: Path
    caches: CacheUse
    prefix: str | None = None
    platform: Platform | None = None
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class UpdatedImage:
    """What became of one platform's image.

    Attributes:
        platform: The platform.
        removed: Packages that it had, in this build.
        added: Packages that it has now, in this build.
        kept: How many of its layers of packages stayed.
        planned: How many were to be made.
        made: Layers that are new, the record's included; none of a dry run.
    """

    platform: Platform
    removed: tuple[RecordedPackage, ...]
    added: tuple[RecordedPackage, ...]
    kept: int
    planned: int
    made: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Updated:
    """What became of an image.

    Attributes:
        source: Digest of what was there.
        digest: Of what is at the destination now; None when nothing was written.
        images: One for each platform.
    """

    source: Digest
    digest: Digest | None
    images: tuple[UpdatedImage, ...]


def update_images(
    source: Location, target: Location, wanted: Wanted, settings: UpdateSettings, transports: Transports
) -> Updated:
    """Update an image, or an index's images of all platforms, and bring the result to a place.

    Where no package changes, the image stays as it is, and is brought there all the same. Layers that stay move only if
    the place lacks them.

    Raises:
        InvalidInputError: A package is not in the image, or others need one that shall go.
        NotFoundError: There is no such image, or it has no record.
        SolveError: No set of packages fits.
        DockerEnvsError: As `build` and `write_artifact` do.
    """
    check_destination(target)
    reporter = transports.reporter
    named = open_artifact(source, transports, platform=settings.platform)
    images: list[UpdatedImage] = []
    with open_cache(settings.cache, reporter=reporter) as cache:
        updater = Updater(
            wanted,
            prefix=settings.prefix,
            force=settings.force,
            cache=cache,
            caches=RemoteCaches(settings.caches, transports),
            open_url=channel_opener(transports, wanted.access),
            reporter=reporter,
        )

        def change(image: Image) -> Image:
            update = updater.plan(image, source=str(source))
            made = image
            if update.changes_packages and not settings.dry_run:
                made = updater.make(update, local=target.transport.is_file)
            planned = update.new_layers
            known = {layer.diff_id for layer in image.layers}
            images.append(
                UpdatedImage(
                    platform=image.platform,
                    removed=tuple(update.removed),
                    added=tuple(update.added),
                    kept=len(update.after.plan.layers) - len(planned),
                    planned=len(planned),
                    made=tuple(layer for layer in made.layers if layer.diff_id not in known),
                )
            )
            return made

        changed = edit_artifact(named, change, source=source, reporter=reporter)
        written = not settings.dry_run and (target != source or changed.artifact.digest != named.artifact.digest)
        digest = write_artifact(changed, target, transports) if written else None
    return Updated(named.artifact.digest, digest, tuple(images))
