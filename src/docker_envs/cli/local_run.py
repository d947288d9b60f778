"""What `run` and `watch` have in common: options of a container, a command after dashes, and a build for the engine."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from docker_envs.builder.host import parse_target_platform
from docker_envs.builder.request import Destinations
from docker_envs.cli import build_options as opt
from docker_envs.cli.apt_options import AptOptions
from docker_envs.cli.connection import AuthFile, CaFile, Insecure, PlainHttp
from docker_envs.cli.requests import EnvironmentOptions
from docker_envs.environments.conda.declarations.read import DEFAULT_FILE
from docker_envs.errors import InvalidInputError
from docker_envs.oci.reference import Reference

if TYPE_CHECKING:
    from docker_envs.builder.request import BuildRequest
    from docker_envs.cli.project_options import ImageJob

RunBase = Annotated[str | None, typer.Option("--base", "-b", help="Base image of what is built.")]
EngineImage = Annotated[
    str | None, typer.Option("--image", "-i", metavar="NAME:TAG", help="Name of what is built, in the engine.")
]
Publish = Annotated[
    list[str] | None, typer.Option("--publish", "-p", metavar="[HOST:]PORT", help="Port, may be repeated.")
]
Volume = Annotated[
    list[str] | None, typer.Option("--volume", "-v", metavar="HOST:PATH", help="Volume, may be repeated.")
]
ContainerEnv = Annotated[
    list[str] | None, typer.Option("--env", "-e", metavar="NAME[=VALUE]", help="Variable, may be repeated.")
]

_COMMAND = "command after the dashes"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions(AptOptions):
    """What is built for this machine's engine, and how; the fields are the options of these names.

    Each is one of `EnvironmentOptions` as well.
    """

    file: opt.File = None
    base: RunBase = None
    target: opt.Target = None
    channel: opt.Channel = None
    extra: opt.Extra = None
    dependency_group: opt.DependencyGroup = None
    build_sdists: opt.BuildSdists = None
    python_layout: opt.Layout = None
    offline: opt.Offline = False
    locked: opt.Locked = False
    frozen: opt.Frozen = False
    cache_dir: opt.CacheDir = None
    plain_http: PlainHttp = None
    insecure: Insecure = None
    ca_file: CaFile = None
    auth_file: AuthFile = None

    @property
    def declares(self) -> bool:
        """Whether the options themselves say what is built, so that no image is named beside them."""
        return bool(self.file or self.apt)

    def environment(self) -> EnvironmentOptions:
        """The same as options of a build for this machine."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return EnvironmentOptions(**given, platform=[str(parse_target_platform(None))])


class DashedCommand(TyperCommand):
    """Keeps what follows `--` apart, and leaves all that follows the first argument to the container."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Take no option after an argument."""
        extra["allow_interspersed_args"] = False
        return super().make_context(info_name, args, parent, **extra)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Cut at the dashes."""
        if "--" in args:
            place = args.index("--")
            ctx.meta[_COMMAND] = args[place + 1 :]
            args = args[:place]
        return super().parse_args(ctx, args)


def command_after_dashes(ctx: typer.Context) -> list[str] | None:
    """What follows `--` in the command line of a `DashedCommand`; None when there are no dashes."""
    found: list[str] | None = ctx.meta.get(_COMMAND)
    return found


def engine_settings(publish: list[str] | None, volume: list[str] | None, env: list[str] | None) -> list[str]:
    """Options of a container as the engine's program takes them."""
    given = [("--publish", publish), ("--volume", volume), ("--env", env)]
    return [f"{option}={value}" for option, values in given for value in values or ()]


def name_in_engine(job: ImageJob, image: str | None) -> Reference:
    """The name of what is built: the one that is given, else declared, else the folder's."""
    if image:
        return Reference.parse(image)
    if job.references:
        return job.references[0]
    return Reference.parse(name_of_folder(Path.cwd()))


def name_of_folder(folder: Path) -> str:
    """A name that no registry's image has."""
    return f"localhost/{re.sub(r'[^a-z0-9]+', '-', folder.name.lower()).strip('-') or 'environment'}:latest"


def engine_name(reference: Reference) -> str:
    """A name as engines understand it."""
    return f"{reference.name}@{reference.digest}" if reference.digest else reference.familiar


def loaded_request(job: ImageJob, name: Reference) -> BuildRequest:
    """A request for an image for this machine that the engine gets.

    Raises:
        InvalidInputError: Nothing is declared.
    """
    request = job.requests[0]
    if not request.declares_packages and job.project is None:
        raise InvalidInputError(
            "nothing to run", hint=f"name an image, or a declaration with `--file`; there is no `{DEFAULT_FILE}` here"
        )
    return replace(request, destinations=Destinations(names=(name,), load=True))
