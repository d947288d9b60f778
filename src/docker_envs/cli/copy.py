"""`docker-envs copy`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.archive.compression import CompressionSetting
from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform, parse_platform
from docker_envs.images.copy import copy_images
from docker_envs.images.location import parse_location

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports


@with_transports
def copy_command(
    transports: Transports,
    source: Source,
    destination: Annotated[str, typer.Argument(metavar="DST", help="Where to, in the same forms.")],
    *,
    platform: TargetPlatform = None,
    all_platforms: Annotated[
        bool, typer.Option("--all", "-a", help="Refuse a destination that cannot hold all platforms.")
    ] = False,
    keep_types: Annotated[
        bool, typer.Option("--preserve-digests", help="Keep Docker's manifests in archives and layouts.")
    ] = False,
    compression: Annotated[
        str,
        typer.Option(help="Of layers that an engine or `docker save` gave uncompressed: gzip, zstd, none."),
    ] = "gzip",
    as_json: Json = False,
) -> None:
    """Copy an image from anywhere to anywhere.

    Layers that the destination has do not move; in one registry, they are mounted. An index is copied with all its
    platforms, and whatever else it names, unless `--platform` picks one or the destination is an engine.
    """
    target = parse_location(destination)
    copied = copy_images(
        parse_location(source),
        target,
        transports,
        platform=parse_platform(platform),
        all_platforms=all_platforms,
        keep_types=keep_types,
        compression=CompressionSetting.parse(compression),
    )
    out = sys.stderr if target.is_stream else sys.stdout
    if as_json:
        listed = [{"digest": each.digest, "source_digest": each.source.digest} for each in copied]
        print(json.dumps({"destination": str(target), "images": listed}, indent=2), file=out)
    else:
        for each in copied:
            print(each.digest, file=out)
