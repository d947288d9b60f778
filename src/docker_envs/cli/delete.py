"""`docker-envs delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.images.delete import delete_image
from docker_envs.images.location import parse_location

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports


@with_transports
def delete_command(
    transports: Transports,
    images: Annotated[list[str], typer.Argument(metavar="REF...", help="Name in a registry, or oci:DIR:TAG.")],
    *,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="Delete what a tag names, with all tags of that, instead of the tag.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
) -> None:
    """Delete an image from a registry or layout.

    A name with a digest deletes the manifest, and thereby all its tags; one with a tag deletes the tag alone. Many
    registries cannot do the latter: then nothing is deleted, unless `--manifest` says so. Layers go when the registry
    collects garbage, those of a layout with `docker-envs layout gc`.
    """
    for location in [parse_location(text) for text in images]:
        deleted = delete_image(location, transports, manifest=manifest, dry_run=dry_run)
        print(f"{'would delete' if dry_run else 'deleted'} {deleted}")
