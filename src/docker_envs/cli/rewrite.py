"""What `append`, `mutate` and `flatten` have in common: where the result goes, and what is printed of it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.image_options import parse_platform
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import Location, Transport, parse_location
from docker_envs.images.rewrite import rewrite_images

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.images.transports import Transports
    from docker_envs.oci.image import Image

Target = Annotated[
    str | None, typer.Option("--tag", "-t", metavar="DST", help="Where to put the result, in the forms of SRC.")
]
Compressed = Annotated[str, typer.Option("--compression", help="gzip, zstd or none, with a level as gzip:6.")]


def parse_target(text: str | None) -> Location:
    """The place of `--tag`.

    Raises:
        InvalidInputError: There is none.
    """
    if text is None:
        raise InvalidInputError("nowhere to put the image", hint="say where with `-t DST`")
    return parse_location(text)


def rewrite(
    transports: Transports,
    source: Location,
    target: Location,
    change: Callable[[Image], Image],
    *,
    platform: str | None,
    as_json: bool,
) -> None:
    """Change images on the way from one place to another, and print what came out."""
    digest = rewrite_images(source, target, transports, change, platform=parse_platform(platform))
    print_result(target, digest, as_json=as_json)


def print_result(target: Location, digest: str, *, as_json: bool) -> None:
    """Print the digest, in a registry with the repository; on stderr when the image itself went to stdout."""
    out = sys.stderr if target.is_stream else sys.stdout
    if as_json:
        print(json.dumps({"destination": str(target), "digest": digest}, indent=2), file=out)
    else:
        print(result_name(target, digest), file=out)


def result_name(target: Location, digest: str) -> str:
    """The digest, in a registry with the repository."""
    named = target.reference is not None and target.transport is Transport.REGISTRY
    return f"{target.reference.name}@{digest}" if named and target.reference else digest
