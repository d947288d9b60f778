"""`docker-envs export`."""

from __future__ import annotations

import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Source, TargetPlatform, parse_platform
from docker_envs.errors import InvalidInputError, StorageError
from docker_envs.images.flatten import write_flattened
from docker_envs.images.location import STREAM, parse_location
from docker_envs.images.source import open_image
from docker_envs.transports.blobs import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    if output.is_dir():
        raise InvalidInputError(f"cannot write the tar `{output}`: it is a directory")
    image = open_image(parse_location(source), transports, platform=parse_platform(platform))
    with _open_output(output) as out:
        write_flattened(image, out, reporter=transports.reporter)


@contextmanager
def _open_output(path: Path) -> Iterator[BinaryIO]:
    if path == STREAM:
        try:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        except BrokenPipeError as error:
            raise StorageError("cannot write the tar: its reader went away") from error
    elif path.exists() and not stat.S_ISREG(path.stat().st_mode):
        # A pipe or device stays what it is.
        with storage_errors("write", path), path.open("wb") as file:
            yield file
    else:
        with atomic_file(path) as file:
            yield file
