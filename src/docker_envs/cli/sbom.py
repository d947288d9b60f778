"""`docker-envs sbom`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Source, TargetPlatform, parse_platform
from docker_envs.cli.options import parse_choice
from docker_envs.cli.output_file import check_output, open_output
from docker_envs.errors import NotFoundError
from docker_envs.images.location import STREAM, Location, Transport, parse_location
from docker_envs.images.referrers import attached_documents
from docker_envs.images.source import open_image
from docker_envs.records.record import read_records
from docker_envs.records.sbom import SbomFormat, make_sbom

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports
    from docker_envs.oci.image import Image


@with_transports
def sbom_command(
    transports: Transports,
    source: Source,
    *,
    kind: Annotated[str, typer.Option("--format", help="spdx (2.3) or cyclonedx (1.6), as JSON.")] = "spdx",
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where to, - is standard output.")
    ] = STREAM,
    platform: TargetPlatform = None,
) -> None:
    """Print the bill of materials of an image.

    It is made from the record in the image, and the same wherever the image is.
    """
    wanted = parse_choice(kind, SbomFormat, "--format")
    check_output(output, "the bill of materials")
    location = parse_location(source)
    image = open_image(location, transports, platform=parse_platform(platform))
    records = [found.record for found in read_records(image)]
    content = make_sbom(image, records, wanted) if records else _attached(location, image, wanted, transports)
    with open_output(output, "the bill of materials") as out:
        out.write(content)


def _attached(location: Location, image: Image, wanted: SbomFormat, transports: Transports) -> bytes:
    """The document that somebody attached to an image without a record."""
    documents = []
    if location.transport is Transport.REGISTRY:
        reference = location.registry_reference
        documents = attached_documents(reference, image.digest, wanted.media_type, transports)
    if not documents:
        raise NotFoundError(
            f"`{location}` has no record of an environment, and no bill of materials as `{wanted.media_type}` attached",
            hint="images built by docker-envs have a record; scanners such as syft read the packages of other images",
        )
    first, *others = documents
    for other in others:
        transports.reporter.warning(f"another bill of materials is attached: `{other.digest}`")
    return first.content
