"""`docker-envs validate`."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform, parse_platform
from docker_envs.cli.text import human_size
from docker_envs.errors import VerificationError
from docker_envs.images.location import parse_location
from docker_envs.images.source import open_artifact
from docker_envs.images.validation import Validation, blob_exists, validate_artifact
from docker_envs.report import counted

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports


@with_transports
def validate_command(
    transports: Transports,
    source: Source,
    *,
    fast: Annotated[bool, typer.Option("--fast", help="Do not read layers, only ask whether they are there.")] = False,
    platform: TargetPlatform = None,
    as_json: Json = False,
) -> None:
    """Check every byte of an image.

    Every digest, size and diff_id is computed again, every layer is read as a tar, config and history are compared with
    the manifest; of an index, for all platforms. All problems are listed.
    """
    artifact = open_artifact(parse_location(source), transports, platform=parse_platform(platform)).artifact
    found = validate_artifact(
        artifact,
        exists=(lambda blob: blob_exists(blob, transports)) if fast else None,
        reporter=transports.reporter,
    )
    if found.missing:
        transports.reporter.warning(f"{counted(found.missing, 'manifest')} that the index names are not there")
    if found.skipped:
        transports.reporter.warning(f"{counted(found.skipped, 'foreign layer')} not checked")
    if as_json:
        print(json.dumps(_document(found, artifact.digest), indent=2))
    elif not found.problems:
        size = human_size(found.size)
        print(f"ok: {counted(found.images, 'image')}, {counted(found.layers, 'layer')}, {size}")
    if found.problems:
        for problem in found.problems:
            print(f"problem: {problem}", file=sys.stderr)
        raise VerificationError(f"`{source}` has {counted(len(found.problems), 'problem')}")


def _document(found: Validation, digest: str) -> dict[str, Any]:
    return {
        "digest": digest,
        "valid": not found.problems,
        "images": found.images,
        "layers": found.layers,
        "size": found.size,
        "skipped": found.skipped,
        "missing": found.missing,
        "problems": [str(problem) for problem in found.problems],
    }
