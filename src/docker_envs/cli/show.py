"""`docker-envs show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform, parse_platform
from docker_envs.cli.page import render_page
from docker_envs.cli.show_output import print_overview
from docker_envs.images.location import parse_location
from docker_envs.images.source import image_for, open_artifact
from docker_envs.records.overview import look_into
from docker_envs.transports.blobs import atomic_file

if TYPE_CHECKING:
    from docker_envs.images.location import Location
    from docker_envs.images.transports import Transports
    from docker_envs.oci.descriptor import Platform
    from docker_envs.records.overview import Overview

All = Annotated[bool, typer.Option("--all", help="Read layers that no record speaks of, too, such as the base's.")]


@with_transports
def show_command(
    transports: Transports,
    source: Source,
    *,
    everything: All = False,
    history: Annotated[bool, typer.Option("--history", help="How the image came about, as well.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one page of HTML instead of printing.")
    ] = None,
    platform: TargetPlatform = None,
    as_json: Json = False,
) -> None:
    """Show what is in an image: packages, layers, sizes.

    Of an image made by docker-envs, manifest, config and one small layer are read. Of any other, all layers are, for
    the databases of conda, Python, Debian and Alpine.
    """
    location = parse_location(source)
    overview = open_overview(location, transports, platform=parse_platform(platform), everything=everything)
    if html is not None:
        with atomic_file(html) as file:
            file.write(render_page(overview).encode())
    if as_json:
        print(json.dumps(overview.to_json(), indent=2))
    elif html is not None:
        print(f"wrote {html}")
    else:
        print_overview(overview, history=history)


def open_overview(
    location: Location, transports: Transports, *, platform: Platform | None, everything: bool
) -> Overview:
    """What is in the image at a location; of an index, in the one for a platform, by default this machine's."""
    named = open_artifact(location, transports, platform=platform)
    children = (child.descriptor.platform for child in named.artifact.images() if named.artifact.is_index)
    return look_into(
        image_for(named.artifact, platform, location),
        names=[str(reference) for reference in named.references] or [str(location)],
        platforms=[str(each) for each in children if each is not None],
        everything=everything,
        reporter=transports.reporter,
    )
