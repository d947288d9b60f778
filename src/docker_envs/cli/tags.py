"""`docker-envs tags`, `catalog` and `referrers`: lists of what registries have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json
from docker_envs.cli.text import human_size
from docker_envs.images.location import parse_location

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker_envs.images.transports import Transports


@with_transports
def tags_command(
    transports: Transports,
    repository: Annotated[str, typer.Argument(metavar="REPOSITORY", help="Name in a registry.")],
    *,
    as_json: Json = False,
) -> None:
    """List the tags of a repository."""
    reference = parse_location(repository).registry_reference
    _print_names(transports.registry.tags(reference), as_json=as_json)


@with_transports
def catalog_command(
    transports: Transports,
    registry: Annotated[str, typer.Argument(metavar="HOST", help="Registry, such as localhost:5000.")],
    *,
    as_json: Json = False,
) -> None:
    """List the repositories of a registry.

    Public registries list theirs to nobody.
    """
    host = parse_location(f"{registry.removeprefix('docker://').rstrip('/')}/x").registry_reference.registry
    _print_names(transports.registry.repositories(host), as_json=as_json)


@with_transports
def referrers_command(
    transports: Transports,
    image: Annotated[str, typer.Argument(metavar="REF", help="Name in a registry.")],
    *,
    artifact_type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="Only artifacts of this type, such as application/spdx+json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what refers to an image.

    Signatures, attestations and SBOMs are, as OCI 1.1 has it, or under the tag that stands in for it where a registry
    does not know that.
    """
    found = transports.registry.referrers(parse_location(image).registry_reference, artifact_type)
    if as_json:
        print(json.dumps([each.to_json() for each in found], indent=2))
        return
    for each in found:
        kind = each.extra.get("artifactType") or each.media_type
        print(f"{each.digest}  {human_size(each.size):>9}  {kind}")


def _print_names(names: Iterable[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(list(names), indent=2))
        return
    for name in names:
        print(name)
