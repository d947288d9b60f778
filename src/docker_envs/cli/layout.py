"""`docker-envs layout`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from docker_envs.cli.image_options import Json
from docker_envs.cli.text import human_size
from docker_envs.report import counted
from docker_envs.transports.files.layout_writing import collect_garbage

app = typer.Typer(help="Look after OCI layouts.", no_args_is_help=True, add_completion=False)


@app.callback()
def _callback() -> None:
    pass


@app.command("gc")
def gc_command(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The layout.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: Json = False,
) -> None:
    """Remove blobs that no image in a layout needs any more."""
    collected = collect_garbage(directory, dry_run=dry_run)
    if as_json:
        names = [str(path.relative_to(directory)) for path in collected.files]
        print(json.dumps({"files": names, "size": collected.size, "dry_run": dry_run}, indent=2))
    else:
        verb = "would remove" if dry_run else "removed"
        print(f"{verb} {counted(len(collected.files), 'file')}, {human_size(collected.size)}")
