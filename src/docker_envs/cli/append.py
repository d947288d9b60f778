"""`docker-envs append`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.host import SCRATCH, source_date_epoch
from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform, parse_platform
from docker_envs.cli.options import parse_owner
from docker_envs.cli.rewrite import Compressed, Target, parse_target, print_result, rewrite
from docker_envs.errors import InvalidInputError
from docker_envs.images.append import HostTree, append_layers, tar_layer, tree_layer
from docker_envs.images.destination import check_destination, write_artifact
from docker_envs.images.local_layers import temporary_store
from docker_envs.images.location import parse_location
from docker_envs.oci.artifact import Artifact, NamedArtifact
from docker_envs.oci.image import scratch
from docker_envs.transports.registry.client import host_platform

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.transports.blobs import BlobStore


@with_transports
def append_command(
    transports: Transports,
    source: Source,
    *,
    tag: Target = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--file", "-f", metavar="TAR", help="Layer as it is: .tar, .tar.gz, .tar.zst, or - for standard input."
        ),
    ] = None,
    path: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST[:IMAGE]", help="Directory or file of this host, and its place in the image."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Leave out of each --path: names, or paths below it.")
    ] = None,
    owner: Annotated[
        str, typer.Option(metavar="UID:GID", help="Numbers of user and group of what --path adds.")
    ] = "0:0",
    platform: TargetPlatform = None,
    compression: Compressed = "gzip",
    as_json: Json = False,
) -> None:
    """Add layers to an image.

    Each -f and --path becomes a layer, those of -f first; the last one is topmost. An index gets them for all its
    platforms. `scratch` is the image without layers.
    """
    target, setting = parse_target(tag), CompressionSetting.parse(compression)
    check_destination(target)
    trees = [HostTree.parse(text) for text in path or ()]
    if not (file or trees):
        raise InvalidInputError("no layer to add", hint="name one with `-f TAR` or `--path DIR:/PLACE`")
    user = parse_owner(owner, "--owner")

    def new_layers(store: BlobStore) -> list[tuple[Layer, str]]:
        reporter = transports.reporter
        tars = [(tar_layer(each, store, compression=setting, reporter=reporter), each.name) for each in file or ()]
        packed = [
            tree_layer(
                tree,
                store,
                exclude=exclude or (),
                owner=user,
                latest=source_date_epoch(),
                compression=setting,
                reporter=reporter,
            )
            for tree in trees
        ]
        return [*tars, *((layer, f"/{tree.path}") for layer, tree in zip(packed, trees, strict=True))]

    with temporary_store() as store:
        layers = new_layers(store)

        def change(image: Image) -> Image:
            return append_layers(image, layers)

        if source == SCRATCH:
            image = change(scratch(parse_platform(platform) or host_platform()))
            digest = write_artifact(NamedArtifact(Artifact.of_image(image)), target, transports)
            print_result(target, digest, as_json=as_json)
        else:
            rewrite(transports, parse_location(source), target, change, platform=platform, as_json=as_json)
