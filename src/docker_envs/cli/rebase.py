"""`docker-envs rebase`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from docker_envs.builder.rebasing.rebase import Move, Outcome, RebaseSettings, Status, Summary, rebase_images
from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json
from docker_envs.cli.text import human_size
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import STREAM, Location, Transport, parse_location
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports

_DEFAULT_JOBS = 8


@with_transports
def rebase_command(
    transports: Transports,
    images: Annotated[
        list[str] | None, typer.Argument(metavar="REF...", help="Images, from anywhere that `copy` knows.")
    ] = None,
    *,
    onto: Annotated[str, typer.Option(metavar="BASE", help="The new base.")],
    to: Annotated[str | None, typer.Option(metavar="DST", help="Where to put the result, instead of REF.")] = None,
    old_base: Annotated[
        str | None, typer.Option(metavar="BASE", help="The base that the images are on, if they do not say it.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="LIST", help="Lines of REF, or REF and DST; - is stdin.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Images at once.")] = _DEFAULT_JOBS,
    force: Annotated[bool, typer.Option("--force", help="Do not compare C libraries.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Put images on a new base; no layer moves.

    The layers above the old base stay as they are, so within a registry only configs and manifests move. What a config
    has from the old base follows the new one; what is the image's own stays. Tags move to the rebased images.
    """
    moves = [_move(image, to) for image in images or ()] + (_read_list(file) if file is not None else [])
    if not moves:
        raise InvalidInputError("no image to rebase", hint="name one, or a list of them with `--file`")
    if to is not None and len(moves) > 1:
        raise InvalidInputError("`--to` is for one image", hint="give a list of `REF DST` lines with `--file`")
    settings = RebaseSettings(
        onto=parse_location(onto),
        old_base=parse_location(old_base) if old_base is not None else None,
        force=force,
        dry_run=dry_run,
        jobs=jobs,
    )
    summary = rebase_images(moves, settings, transports)
    if len(moves) == 1 and summary.outcomes[0].error is not None:
        raise summary.outcomes[0].error
    out = sys.stderr if any(move.target.is_stream for move in moves) else sys.stdout
    if as_json:
        print(json.dumps(_document(summary, settings), indent=2), file=out)
    else:
        _print(summary, settings)
    if summary.count(Status.FAILED):
        raise typer.Exit(1)


def _move(source: str, target: str | None) -> Move:
    location = parse_location(source)
    return Move(location, parse_location(target) if target is not None else location)


def _read_list(path: Path) -> list[Move]:
    """Moves from lines of `REF` or `REF DST`; `#` begins a comment.

    Raises:
        InvalidInputError: A line has more, or is no text.
        StorageError: The file cannot be read.
    """
    with storage_errors("read", path):
        content = sys.stdin.buffer.read() if path == STREAM else path.read_bytes()
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path}: no UTF-8 text") from error
    moves = []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if len(words) > 2:
            raise InvalidInputError(f"{path}:{number}: expected `REF` or `REF DST`, got {len(words)} words")
        try:
            moves += [_move(words[0], words[1] if len(words) == 2 else None)] if words else []
        except InvalidInputError as error:
            raise InvalidInputError(f"{path}:{number}: {error}", hint=error.hint) from error
    return moves


def _print(summary: Summary, settings: RebaseSettings) -> None:
    for outcome in summary.outcomes:
        target = outcome.move.target
        if outcome.error is not None:
            hint = f" ({outcome.error.hint})" if outcome.error.hint else ""
            print(f"failed: {outcome.move.source}: {outcome.error}{hint}", file=sys.stderr)
            continue
        if outcome.status is Status.UNCHANGED:
            print(f"unchanged: {outcome.move.source} is on {settings.onto} already", file=sys.stderr)
        print(_name(target, outcome), file=sys.stderr if target.is_stream else sys.stdout)
    counts = ", ".join(f"{summary.count(status)} {status}" for status in Status if summary.count(status))
    sent = f"{human_size(summary.bytes_sent)} of the base's layers {'to send at most' if settings.dry_run else 'sent'}"
    print(f"{counts}; {sent}{'; nothing was written' if settings.dry_run else ''}", file=sys.stderr)


def _name(target: Location, outcome: Outcome) -> str:
    named = target.reference is not None and target.transport is Transport.REGISTRY
    return f"{target.reference.name}@{outcome.digest}" if named and target.reference else str(outcome.digest)


def _document(summary: Summary, settings: RebaseSettings) -> dict[str, Any]:
    return {
        "base": str(settings.onto),
        "dry_run": settings.dry_run,
        "images": [
            {
                "source": str(outcome.move.source),
                "destination": str(outcome.move.target),
                "status": outcome.status,
                "digest": outcome.digest,
                "source_digest": outcome.previous,
                "error": str(outcome.error) if outcome.error is not None else None,
            }
            for outcome in summary.outcomes
        ],
        **{status: summary.count(status) for status in Status},
        "base_bytes_sent": summary.bytes_sent,
    }
