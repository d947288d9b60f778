"""`docker-envs export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Source, TargetPlatform, parse_platform
from docker_envs.cli.output_file import check_output, open_output
from docker_envs.errors import InvalidInputError
from docker_envs.images.flatten import write_flattened
from docker_envs.images.location import STREAM, parse_location
from docker_envs.images.source import open_image

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports


@with_transports
def export_command(
    transports: Transports,
    source: Source,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to, - is standard output.")
    ] = STREAM,
    platform: TargetPlatform = None,
) -> None:
    """Write the files of an image as one tar.

    It holds what a container sees, whiteouts applied; the same image gives the same bytes.
    """
    if output == STREAM and sys.stdout.isatty():
        raise InvalidInputError("a tar is not written to a terminal", hint="use `-o FILE`, or redirect it")
    check_output(output, "the tar")
    image = open_image(parse_location(source), transports, platform=parse_platform(platform))
    with open_output(output, "the tar") as out:
        write_flattened(image, out, reporter=transports.reporter)
