"""`docker-envs env`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Source, TargetPlatform, parse_platform
from docker_envs.cli.options import parse_choice
from docker_envs.cli.output_file import check_output, open_output
from docker_envs.errors import InvalidInputError, NotFoundError
from docker_envs.images.location import STREAM, parse_location
from docker_envs.images.referrers import attached_documents
from docker_envs.images.source import open_image
from docker_envs.projects.exports.export import ExportFormat, export_record
from docker_envs.records.attached import DECLARATION_TYPE
from docker_envs.records.choose import choose_record

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports
    from docker_envs.oci.reference import Reference


#: The format that is no other form of the record: the file that the image was built from.
_DECLARATION = "declaration"


@with_transports
def env_command(
    transports: Transports,
    source: Source,
    *,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="environment.yml, explicit, pixi.lock, requirements.txt, apt.txt, docker-env.yaml, record "
            "or declaration.",
        ),
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

    It is made from the record in the image: one small layer is read. `declaration` is the file that the image was built
    from, where a registry has it.
    """
    check_output(output, "the environment")
    location = parse_location(source)
    if kind == _DECLARATION:
        content = _declaration(location.registry_reference, transports)
    else:
        wanted = parse_choice(kind, ExportFormat, "--format")
        image = open_image(location, transports, platform=parse_platform(platform))
        record = choose_record(image, prefix=prefix, source=str(location))
        content = export_record(image, record, wanted).encode()
    with open_output(output, "the environment") as out:
        out.write(content)


def _declaration(reference: Reference, transports: Transports) -> bytes:
    """The file that was attached to an image, or to the index of one, when it was built."""
    digest = reference.digest or transports.registry.digest(reference)
    if digest is None:
        raise NotFoundError(f"`{reference}` not found")
    found = attached_documents(reference, digest, DECLARATION_TYPE, transports)
    if not found:
        raise NotFoundError(f"no declaration is attached to `{reference}`", hint="other values of `--format` need none")
    if len(found) > 1:
        names = ", ".join(f"`{each.title}` in `{each.digest}`" for each in found)
        raise InvalidInputError(f"several declarations are attached to `{reference}`: {names}")
    return found[0].content
