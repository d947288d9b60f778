"""`docker-envs env`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Source, TargetPlatform, parse_platform
from docker_envs.cli.options import parse_choice
from docker_envs.cli.output_file import check_output, open_output
from docker_envs.images.location import STREAM, parse_location
from docker_envs.images.source import open_image
from docker_envs.projects.exports.export import ExportFormat, export_record
from docker_envs.records.choose import choose_record

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports


@with_transports
def env_command(
    transports: Transports,
    source: Source,
    *,
    kind: Annotated[
        str, typer.Option("--format", help="environment.yml, explicit, pixi.lock or record.")
    ] = "environment.yml",
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to, - is standard output.")
    ] = STREAM,
    prefix: Annotated[
        str | None, typer.Option(metavar="PATH", help="Which environment, of an image with several.")
    ] = None,
    platform: TargetPlatform = None,
) -> None:
    """Print the environment of an image as a file to build from.

    It is made from the record in the image: one small layer is read.
    """
    wanted = parse_choice(kind, ExportFormat, "--format")
    check_output(output, "the environment")
    location = parse_location(source)
    image = open_image(location, transports, platform=parse_platform(platform))
    text = export_record(choose_record(image, prefix=prefix, source=str(location)), wanted)
    with open_output(output, "the environment") as out:
        out.write(text.encode())
