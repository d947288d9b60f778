"""`docker-envs cache`."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.caches.cache_contents import Part, choose_unused, find_damaged, list_cache, remove
from docker_envs.builder.host import cache_directory
from docker_envs.cli.image_options import Json
from docker_envs.cli.text import human_size
from docker_envs.errors import InvalidInputError, VerificationError
from docker_envs.report import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.builder.caches.cache_contents import Kept, Pruned

app = typer.Typer(help="Look after the cache of packages and layers.", no_args_is_help=True, add_completion=False)

CacheDir = Annotated[Path | None, typer.Option(metavar="DIR", help="The cache, if not the usual one.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([kMGT])(i?))?B?", re.IGNORECASE)
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@app.callback()
def _callback() -> None:
    pass


@app.command("du")
def du_command(*, cache_dir: CacheDir = None, as_json: Json = False) -> None:
    """Say how much room the parts of the cache take."""
    cache = _cache(cache_dir)
    kept = list_cache(cache)
    parts = {part: [each for each in kept if each.part is part] for part in Part}
    if as_json:
        sizes = {part: {"count": len(found), "size": _size(found)} for part, found in parts.items()}
        print(json.dumps({"directory": str(cache.root), **sizes, "size": _size(kept)}, indent=2))
        return
    for name, found in [*((str(part), found) for part, found in parts.items()), ("total", kept)]:
        print(f"{human_size(_size(found)):>9}  {len(found):6}  {name}")


@app.command("ls")
def ls_command(*, cache_dir: CacheDir = None, as_json: Json = False) -> None:
    """List what is in the cache, what was used last at the end."""
    kept = list_cache(_cache(cache_dir))
    if as_json:
        print(json.dumps([_kept_json(each) for each in kept], indent=2))
        return
    for each in kept:
        print(f"{_used(each):%Y-%m-%d %H:%M}  {human_size(each.size):>9}  {each.part:8}  {each.name}")


@app.command("prune")
def prune_command(
    *,
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="What may stay, such as 20GB; the least recently used goes.")
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Remove what was not used for so long, such as 30d or 12h.")
    ] = None,
    dry_run: DryRun = False,
    cache_dir: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Remove what was not used for long, but never what a running build uses."""
    if max_size is None and older_than is None:
        raise InvalidInputError("nothing says what may stay", hint="give `--max-size`, `--older-than`, or both")
    size = None if max_size is None else parse_size(max_size)
    before = None if older_than is None else time.time() - parse_age(older_than)
    cache = _cache(cache_dir)
    chosen = choose_unused(list_cache(cache), max_size=size, before=before)
    _print_pruned(remove(cache, chosen, dry_run=dry_run), dry_run=dry_run, as_json=as_json)


@app.command("verify")
def verify_command(
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Remove what is damaged.")] = False,
    cache_dir: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Read every layer and package, and compare it with its digest."""
    cache = _cache(cache_dir)
    kept = list_cache(cache)
    damaged = find_damaged(kept)
    pruned = remove(cache, damaged) if repair else None
    left = damaged if pruned is None else pruned.in_use
    if as_json:
        found = [_kept_json(each) for each in damaged]
        print(json.dumps({"verified": len(kept), "damaged": found, "removed": len(damaged) - len(left)}, indent=2))
    else:
        for each in damaged:
            print(f"{'damaged' if each in left else 'removed'}  {each.part}  {each.name}  {each.files[-1]}")
        print(f"verified {counted(len(kept), 'item')}, {human_size(_size(kept))}")
    if left:
        raise VerificationError(
            f"{counted(len(left), 'damaged item')} in the cache `{cache.root}`",
            hint="what is in use is not removed; try again when no build runs"
            if repair
            else "remove what is damaged with `--repair`",
        )


@app.command("clear")
def clear_command(*, dry_run: DryRun = False, cache_dir: CacheDir = None, as_json: Json = False) -> None:
    """Remove everything from the cache that no running build uses."""
    cache = _cache(cache_dir)
    _print_pruned(remove(cache, list_cache(cache), dry_run=dry_run), dry_run=dry_run, as_json=as_json)


def parse_size(text: str) -> int:
    """Bytes of a size such as `20GB`, `1.5GiB` or `4096`.

    Raises:
        InvalidInputError: It is written otherwise.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(f"invalid size {text!r}", hint="write it as `500MB` or `20GB`")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** (" kmgt".index((unit or " ").lower())))


def parse_age(text: str) -> float:
    """Seconds of an age such as `30d` or `12h`.

    Raises:
        InvalidInputError: It is written otherwise.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise InvalidInputError(f"invalid age {text!r}", hint="write it as `30d`, `2w` or `12h`")
    return float(match[1]) * _SECONDS[match[2]]


def _cache(given: Path | None) -> CacheDirectory:
    return CacheDirectory(cache_directory(given))


def _size(kept: Sequence[Kept]) -> int:
    return sum(each.size for each in kept)


def _used(kept: Kept) -> datetime:
    return datetime.fromtimestamp(kept.used // 10**9, UTC)


def _kept_json(kept: Kept) -> dict[str, Any]:
    return {
        "part": str(kept.part),
        "name": kept.name,
        "size": kept.size,
        "used": f"{_used(kept):%Y-%m-%dT%H:%M:%SZ}",
        "files": [str(path) for path in kept.files],
    }


def _print_pruned(pruned: Pruned, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        removed = [_kept_json(each) for each in pruned.removed]
        sizes = {"size": _size(pruned.removed), "in_use": len(pruned.in_use), "dry_run": dry_run}
        print(json.dumps({"removed": removed, **sizes}, indent=2))
        return
    counts = ", ".join(
        counted(sum(each.part is part for each in pruned.removed), noun)
        for part, noun in (
            (Part.LAYERS, "layer"),
            (Part.PACKAGES, "package"),
            (Part.METADATA, "metadata file"),
            (Part.REPODATA, "index file"),
        )
    )
    kept = f"; {len(pruned.in_use)} more in use" if pruned.in_use else ""
    print(f"{'would remove' if dry_run else 'removed'} {counts}, {human_size(_size(pruned.removed))}{kept}")
