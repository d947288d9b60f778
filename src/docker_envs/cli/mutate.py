"""`docker-envs mutate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform, parse_platform
from docker_envs.cli.options import parse_command, parse_pairs
from docker_envs.cli.rewrite import Target, parse_target, rewrite
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import parse_location
from docker_envs.images.mutate import Mutation, mutate_image

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports
    from docker_envs.oci.image import Image

_PAIRS = "NAME=VALUE"
_COMMAND = "As a shell would split it, or a JSON list; empty removes it."


@with_transports
def mutate_command(
    transports: Transports,
    source: Source,
    *,
    tag: Target = None,
    label: Annotated[list[str] | None, typer.Option("--label", "-l", metavar=_PAIRS, help="Label to set.")] = None,
    unset_label: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Label to remove.")] = None,
    annotation: Annotated[
        list[str] | None, typer.Option("--annotation", "-a", metavar=_PAIRS, help="Annotation of the manifest to set.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option("--env", "-e", metavar=_PAIRS, help="Variable to set.")] = None,
    unset_env: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Variable to remove.")] = None,
    entrypoint: Annotated[str | None, typer.Option(help=f"{_COMMAND} A new one removes the command.")] = None,
    cmd: Annotated[str | None, typer.Option(help=_COMMAND)] = None,
    user: Annotated[str | None, typer.Option("--user", "-u", help="User, or empty.")] = None,
    workdir: Annotated[str | None, typer.Option("--workdir", "-w", help="Working directory, or empty.")] = None,
    exposed_ports: Annotated[
        list[str] | None, typer.Option("--exposed-ports", "-p", metavar="PORT", help="8080 or 53/udp; empty removes.")
    ] = None,
    volume: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Volume; empty removes all.")] = None,
    stop_signal: Annotated[str | None, typer.Option(metavar="SIGNAL", help="SIGTERM or 15, or empty.")] = None,
    set_platform: Annotated[
        str | None, typer.Option(metavar="OS/ARCH", help="What the image shall say that it runs on.")
    ] = None,
    platform: TargetPlatform = None,
    as_json: Json = False,
) -> None:
    """Change the config or annotations of an image.

    Layers are not touched, so within a registry nothing but config and manifest moves. An index is changed for all its
    platforms.
    """
    target = parse_target(tag)
    mutation = Mutation(
        labels=parse_pairs(label or (), "--label"),
        removed_labels=tuple(unset_label or ()),
        annotations=parse_pairs(annotation or (), "--annotation"),
        env=parse_pairs(env or (), "--env"),
        removed_env=tuple(unset_env or ()),
        entrypoint=parse_command(entrypoint, "--entrypoint"),
        cmd=parse_command(cmd, "--cmd"),
        user=user,
        workdir=workdir,
        stop_signal=stop_signal,
        ports=tuple(port for text in exposed_ports or () for port in text.split(",")),
        volumes=tuple(volume or ()),
        platform=parse_platform(set_platform),
    )
    if mutation.is_empty:
        raise InvalidInputError("nothing to change", hint="see `docker-envs mutate --help`, or use `docker-envs copy`")
    changed: list[Image] = []

    def change(image: Image) -> Image:
        if mutation.platform is not None and changed:
            raise InvalidInputError(
                f"`{source}` has images for several platforms, which cannot all become one",
                hint="choose one with `--platform`",
            )
        changed.append(image)
        return mutate_image(image, mutation)

    rewrite(transports, parse_location(source), target, change, platform=platform, as_json=as_json)
