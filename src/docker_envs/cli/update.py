"""`docker-envs update` and `docker-envs remove`: other packages in an image that is there."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from docker_envs.builder.host import cache_directory
from docker_envs.builder.updating.choose import Wanted
from docker_envs.builder.updating.images import UpdateSettings, update_images
from docker_envs.cli import build_options as opt
from docker_envs.cli import options
from docker_envs.cli.change_table import change_rows, print_rows
from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, TargetPlatform, parse_platform
from docker_envs.cli.rewrite import result_name
from docker_envs.cli.text import human_size
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.channels import channel_url, parse_channel
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import Location, parse_location
from docker_envs.projects.locking import PackageChange
from docker_envs.report import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker_envs.builder.updating.images import Updated
    from docker_envs.images.transports import Transports
    from docker_envs.records.record import RecordedPackage

Image = Annotated[
    str, typer.Argument(metavar="REF", help="An image that docker-envs built, from anywhere that `copy` knows.")
]
To = Annotated[str | None, typer.Option("--to", "-t", metavar="DST", help="Where to put the result.")]
SameTag = Annotated[bool, typer.Option("--same-tag", help="Put it where the image is, in its place.")]
Channel = Annotated[
    list[str] | None,
    typer.Option("--channel", "-c", help="Channel to look in first, or where one is that was local; may be repeated."),
]
Prefix = Annotated[str | None, typer.Option(metavar="PATH", help="Which environment, of an image with several.")]
Force = Annotated[bool, typer.Option("--force", help="Take packages that may not run on the image's base.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the change, and write nothing.")]


@with_transports
def update_command(
    transports: Transports,
    image: Image,
    specs: Annotated[list[str], typer.Argument(metavar="SPEC...", help="Packages, such as `numpy=2.1`.")],
    *,
    to: To = None,
    same_tag: SameTag = False,
    channel: Channel = None,
    mirror: opt.Mirror = None,
    offline: opt.Offline = False,
    virtual_package: opt.Virtual = None,
    platform: TargetPlatform = None,
    prefix: Prefix = None,
    force: Force = False,
    cache_dir: opt.CacheDir = None,
    cache_from: opt.CacheFrom = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring other versions of packages into an image.

    The other packages stay as far as they fit. Only layers with packages that change are made anew; all others stay,
    and are not downloaded.
    """
    wanted = Wanted(
        specs=tuple(specs),
        channels=_channels(channel),
        virtual_packages=tuple(VirtualPackage.parse(text) for text in virtual_package or ()),
        access=_access(mirror, offline=offline),
    )
    settings = UpdateSettings(
        cache=cache_directory(cache_dir),
        caches=options.parse_caches(cache_from or (), (), "0"),
        prefix=prefix,
        platform=parse_platform(platform),
        force=force,
        dry_run=dry_run,
    )
    _run(image, to, wanted, settings, transports, same_tag=same_tag, as_json=as_json)


@with_transports
def remove_command(
    transports: Transports,
    image: Image,
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Packages.")],
    *,
    to: To = None,
    same_tag: SameTag = False,
    with_dependents: Annotated[
        bool, typer.Option("--with-dependents", help="Remove packages that need them as well.")
    ] = False,
    channel: Channel = None,
    mirror: opt.Mirror = None,
    offline: opt.Offline = False,
    platform: TargetPlatform = None,
    prefix: Prefix = None,
    cache_dir: opt.CacheDir = None,
    cache_from: opt.CacheFrom = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove packages from an image.

    Only layers that have them are made anew, without them; all others stay, and are not downloaded.
    """
    wanted = Wanted(
        removed=tuple(names),
        with_dependents=with_dependents,
        channels=_channels(channel),
        access=_access(mirror, offline=offline),
    )
    settings = UpdateSettings(
        cache=cache_directory(cache_dir),
        caches=options.parse_caches(cache_from or (), (), "0"),
        prefix=prefix,
        platform=parse_platform(platform),
        dry_run=dry_run,
    )
    _run(image, to, wanted, settings, transports, same_tag=same_tag, as_json=as_json)


def _channels(texts: list[str] | None) -> tuple[str, ...]:
    return tuple(channel_url(parse_channel(text, directory=Path())).rstrip("/") for text in texts or ())


def _access(mirror: list[str] | None, *, offline: bool) -> ChannelAccess:
    return ChannelAccess(offline=offline, mirrors=options.parse_mirrors(mirror or ()))


def _target(source: Location, to: str | None, *, same_tag: bool, dry_run: bool) -> Location:
    """Where the result goes.

    Raises:
        InvalidInputError: Nowhere, or to two places, or to a digest.
    """
    if to is not None and same_tag:
        raise InvalidInputError("`--to` and `--same-tag` name two places", hint="use one of them")
    if to is None and not same_tag and not dry_run:
        raise InvalidInputError(
            "nowhere to put the image",
            hint="say where with `--to DST`, or put it in the place of the other: `--same-tag`",
        )
    target = parse_location(to) if to is not None else source
    if target.reference is not None and target.reference.digest is not None and not dry_run:
        raise InvalidInputError(
            f"`{target}` is a digest, which another image cannot have", hint="say where with `--to NAME:TAG`"
        )
    return target


def _run(
    image: str,
    to: str | None,
    wanted: Wanted,
    settings: UpdateSettings,
    transports: Transports,
    *,
    same_tag: bool,
    as_json: bool,
) -> None:
    source = parse_location(image)
    target = _target(source, to, same_tag=same_tag, dry_run=settings.dry_run)
    updated = update_images(source, target, wanted, settings, transports)
    changes = [change for each in updated.images for change in _changes(str(each.platform), each.removed, each.added)]
    out = sys.stderr if target.is_stream else sys.stdout
    if as_json:
        document = _document(source, target, updated, changes, written=not settings.dry_run)
        print(json.dumps(document, indent=2), file=out)
        return
    print_rows(change_rows(changes, [("", str(each.platform)) for each in updated.images]), out)
    kept, planned = (sum(getattr(each, name) for each in updated.images) for name in ("kept", "planned"))
    made = {layer.digest: layer.size for each in updated.images for layer in each.made}
    size = f" ({human_size(sum(made.values()))} with the record)" if made else ""
    counts = f"{counted(planned, 'layer')} of packages new{size}, {kept} kept"
    print(counts if changes else f"unchanged: `{source}` has these packages already", file=sys.stderr)
    if updated.digest is not None:
        print(result_name(target, updated.digest), file=out)


def _changes(
    platform: str, removed: Iterable[RecordedPackage], added: Iterable[RecordedPackage]
) -> list[PackageChange]:
    before = {package.name: f"{package.version} {package.build}" for package in removed}
    after = {package.name: f"{package.version} {package.build}" for package in added}
    return [
        PackageChange(image="", platform=platform, name=name, before=before.get(name), after=after.get(name))
        for name in sorted(before.keys() | after.keys())
    ]


def _document(
    source: Location, target: Location, updated: Updated, changes: list[PackageChange], *, written: bool
) -> dict[str, Any]:
    made = {layer.digest: layer.size for each in updated.images for layer in each.made}
    return {
        "source": str(source),
        "destination": str(target) if written else None,
        "source_digest": updated.source,
        "digest": (updated.digest or updated.source) if written else None,
        "changes": [
            {name: value for name, value in msgspec.to_builtins(change).items() if name != "image"}
            for change in changes
        ],
        "layers_kept": sum(each.kept for each in updated.images),
        "layers_new": sum(each.planned for each in updated.images),
        "new_size": sum(made.values()) if written else None,
    }
