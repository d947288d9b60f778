"""`docker-envs diff`."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.diff_output import markdown, plain_text
from docker_envs.cli.image_options import TargetPlatform, parse_platform
from docker_envs.cli.show import All
from docker_envs.images.compare_files import compare_files
from docker_envs.images.location import parse_location
from docker_envs.images.source import open_image
from docker_envs.records.compare import compare
from docker_envs.records.overview import look_into
from docker_envs.records.record import RECORD_LABEL

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image

#: The exit status for images that are different, as that of `diff`.
DIFFERENT = 1


class Format(StrEnum):
    """How a difference is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


@with_transports
def diff_command(
    transports: Transports,
    before: Annotated[str, typer.Argument(metavar="A", help="An image, written as `SRC` of other commands.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The image that it is compared with.")],
    *,
    files: Annotated[bool, typer.Option("--files", help="Compare files; reads layers that differ.")] = False,
    everything: All = False,
    output_format: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    platform: TargetPlatform = None,
) -> None:
    """Show what is different between two images.

    Packages, platform, base, config and layers are compared, and what somebody who has A must pull for B. The exit
    status is 0 when nothing is different, 1 when something is, and 2 or more in trouble.
    """
    names = (before, after)
    images = [_open(source, transports, parse_platform(platform)) for source in names]
    # What has no record is read to the end, and compared with all that is in the other.
    everything = everything or len({RECORD_LABEL in image.config.labels for image in images}) == 2
    overviews = [
        look_into(image, names=[name], everything=everything, reporter=transports.reporter)
        for name, image in zip(names, images, strict=True)
    ]
    changes = compare_files(*images, reporter=transports.reporter) if files else None
    difference = compare(*overviews, files=changes)
    if as_json or output_format is Format.JSON:
        print(json.dumps(difference.to_json(), indent=2))
    else:
        print("\n".join((markdown if output_format is Format.MARKDOWN else plain_text)(difference)))
    if not difference.same:
        raise typer.Exit(DIFFERENT)


def _open(source: str, transports: Transports, platform: Platform | None) -> Image:
    location = parse_location(source)
    return open_image(location, transports, platform=platform)
