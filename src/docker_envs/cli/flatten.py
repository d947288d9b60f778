"""`docker-envs flatten`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform
from docker_envs.cli.rewrite import Compressed, Target, parse_target, rewrite
from docker_envs.images.flatten import flatten_image
from docker_envs.images.local_layers import temporary_store
from docker_envs.images.location import parse_location

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports
    from docker_envs.oci.image import Image


@with_transports
def flatten_command(
    transports: Transports,
    source: Source,
    *,
    tag: Target = None,
    platform: TargetPlatform = None,
    compression: Compressed = "gzip",
    as_json: Json = False,
) -> None:
    """Make one layer of all layers of an image.

    The config stays, but for the history, which gets one entry. What upper layers deleted or replaced is gone for good.
    """
    target, setting = parse_target(tag), CompressionSetting.parse(compression)
    with temporary_store() as store:

        def change(image: Image) -> Image:
            return flatten_image(image, store, compression=setting, reporter=transports.reporter)

        rewrite(transports, parse_location(source), target, change, platform=platform, as_json=as_json)
