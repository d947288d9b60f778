"""Arguments and options that several commands on images have."""

from __future__ import annotations

from typing import Annotated

import typer

from docker_envs.oci.descriptor import Platform

Source = Annotated[
    str,
    typer.Argument(
        metavar="SRC",
        help="Name in a registry, docker-daemon:NAME, docker-archive:FILE[:NAME], oci-archive:FILE[:TAG], "
        "oci:DIR[:TAG], or - for standard input.",
    ),
]
TargetPlatform = Annotated[
    str | None, typer.Option("--platform", metavar="OS/ARCH", help="Only the image for this platform.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def parse_platform(text: str | None) -> Platform | None:
    """The platform of `--platform`.

    Raises:
        InvalidInputError: It is written otherwise.
    """
    return None if text is None else Platform.parse(text)
