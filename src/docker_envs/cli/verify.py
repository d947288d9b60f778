"""`docker-envs verify`."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from docker_envs.builder.deliver import channel_opener
from docker_envs.builder.host import cache_directory
from docker_envs.builder.recorded import recorded_packages
from docker_envs.builder.verify import verify_image
from docker_envs.cli import build_options as opt
from docker_envs.cli import options
from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform, parse_platform
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.errors import VerificationError
from docker_envs.images.location import parse_location
from docker_envs.images.source import open_image
from docker_envs.report import counted

if TYPE_CHECKING:
    from docker_envs.builder.verify import Verification
    from docker_envs.images.transports import Transports

Places = Annotated[
    list[str] | None,
    typer.Option("--channel", "-c", help="Where a channel is that was local when the image was built."),
]


@with_transports
def verify_command(
    transports: Transports,
    source: Source,
    *,
    channel: Places = None,
    mirror: opt.Mirror = None,
    offline: opt.Offline = False,
    platform: TargetPlatform = None,
    cache_dir: opt.CacheDir = None,
    as_json: Json = False,
) -> None:
    """Make the layers of an image again, and compare.

    The packages that the record names are fetched and verified, each layer is made of them anew, and compared with that
    of the image. The first difference of each is printed: the file, and what of it.
    """
    image = open_image(parse_location(source), transports, platform=parse_platform(platform))
    access = ChannelAccess(offline=offline, mirrors=options.parse_mirrors(mirror or ()))
    found = verify_image(
        image,
        cache=cache_directory(cache_dir),
        locate=partial(recorded_packages, channels=channel or ()),
        open_url=channel_opener(transports, access),
        reporter=transports.reporter,
    )
    report(found, str(image.digest), source, as_json=as_json)


def report(found: Verification, digest: str, source: str, *, as_json: bool) -> None:
    """Print what came out.

    Raises:
        VerificationError: A layer differs.
    """
    for each in found.layers:
        if each.recompressed:
            print(f"note: layer {each.layer.digest.short} ({each.title}) was compressed anew", file=sys.stderr)
    if as_json:
        print(json.dumps(_document(found, digest), indent=2))
    elif not found.differing:
        others = f"; not made again: {', '.join(found.others)}" if found.others else ""
        print(f"ok: {counted(len(found.layers), 'layer')} made again, to the bit{others}")
    for each in found.differing:
        print(f"differs: layer {each.layer.digest.short} ({each.title}): {each.difference}", file=sys.stderr)
    if found.differing:
        raise VerificationError(
            f"`{source}` is not what its packages give, in {counted(len(found.differing), 'layer')}"
        )


def _document(found: Verification, digest: str) -> dict[str, Any]:
    return {
        "digest": digest,
        "verified": not found.differing,
        "layers": [
            {
                "digest": str(each.layer.digest),
                "diff_id": str(each.layer.diff_id),
                "packages": each.title,
                "recompressed": each.recompressed,
                "difference": None
                if each.difference is None
                else {
                    "path": each.difference.path,
                    "field": each.difference.field,
                    "expected": each.difference.expected,
                    "found": each.difference.found,
                },
            }
            for each in found.layers
        ],
        "others": list(found.others),
    }
