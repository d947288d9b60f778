"""`docker-envs cat`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Source, TargetPlatform, parse_platform
from docker_envs.images.browse import FileTree
from docker_envs.images.local_layers import local_layer, temporary_store
from docker_envs.images.location import parse_location
from docker_envs.images.source import open_image
from docker_envs.streams import copy_stream

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports


@with_transports
def cat_command(
    transports: Transports,
    source: Source,
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files in the image.")],
    *,
    platform: TargetPlatform = None,
) -> None:
    """Print files of an image.

    Layers are read from the top until all files are found. Nothing is printed before everything is verified, or if one
    of the files is missing.
    """
    image = open_image(parse_location(source), transports, platform=parse_platform(platform))
    reporter = transports.reporter
    with (
        temporary_store() as store,
        FileTree(image, wanted=paths, nearby=lambda layer: local_layer(layer, store, reporter=reporter)) as tree,
    ):
        places = [tree.resolve(path) for path in paths]
        for place in places:
            tree.check_file(place)
        for place in places:
            with tree.open(place) as content:
                copy_stream(content, sys.stdout.buffer)
        sys.stdout.buffer.flush()
