"""`docker-envs run`: from a declaration or a name to a running container."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from docker_envs.builder.host import parse_target_platform
from docker_envs.cli import build_options as opt
from docker_envs.cli.connection import AuthFile, CaFile, Insecure, PlainHttp, Quiet, connection
from docker_envs.cli.local_run import (
    ContainerEnv,
    DashedCommand,
    EngineImage,
    Publish,
    RunBase,
    Volume,
    command_after_dashes,
    engine_name,
    engine_settings,
    loaded_request,
    name_in_engine,
)
from docker_envs.cli.progress import reporter_for
from docker_envs.cli.requests import EnvironmentOptions
from docker_envs.errors import InvalidInputError
from docker_envs.images.destination import write_artifact
from docker_envs.images.location import Location, Transport, parse_location
from docker_envs.images.source import open_artifact
from docker_envs.images.transports import Transports
from docker_envs.oci.reference import Reference

if TYPE_CHECKING:
    from docker_envs.cli.project_options import ImageJob

app = typer.Typer(add_completion=False)


@app.command("run", cls=DashedCommand)
def run_command(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[REF] [-- CMD...]", help="An image, and what to run in it.")
    ] = None,
    *,
    file: opt.File = None,
    base: RunBase = None,
    channel: opt.Channel = None,
    extra: opt.Extra = None,
    dependency_group: opt.DependencyGroup = None,
    build_sdists: opt.BuildSdists = None,
    python_layout: opt.Layout = None,
    offline: opt.Offline = False,
    locked: opt.Locked = False,
    frozen: opt.Frozen = False,
    cache_dir: opt.CacheDir = None,
    target: opt.Target = None,
    image: EngineImage = None,
    publish: Publish = None,
    volume: Volume = None,
    env: ContainerEnv = None,
    remove: Annotated[bool, typer.Option("--rm/--no-rm", help="Remove the container when it ends.")] = True,
    plain_http: PlainHttp = None,
    insecure: Insecure = None,
    ca_file: CaFile = None,
    auth_file: AuthFile = None,
    quiet: Quiet = False,
) -> None:
    """Run an image, or what is declared here, with the local engine.

    What is declared is built if need be, and the engine gets the layers that it lacks. Without REF it is FILE, or the
    docker-env.yaml or environment.yml here.
    """
    reference, command = _split(words or [], command_after_dashes(ctx), has_file=bool(file))
    how = connection(plain_http, insecure, ca_file, auth_file)
    with reporter_for(quiet=quiet) as reporter:
        transports = Transports(how, reporter=reporter)
        program = transports.engine.program()
        if reference is not None:
            name = _fetch(parse_location(reference), transports)
        else:
            options = EnvironmentOptions(
                base=base,
                file=file,
                channel=channel,
                extra=extra,
                dependency_group=dependency_group,
                build_sdists=build_sdists,
                python_layout=python_layout,
                offline=offline,
                locked=locked,
                frozen=frozen,
                cache_dir=cache_dir,
                target=target,
                platform=[str(parse_target_platform(None))],
                plain_http=plain_http,
                insecure=insecure,
                ca_file=ca_file,
                auth_file=auth_file,
            )
            job = options.job()
            name = name_in_engine(job, image)
            _build(job, name, transports)
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    settings = [*engine_settings(publish, volume, env), *(["--rm"] if remove else [])]
    _execute([*program, "run", "--pull=never", "--interactive", *terminal, *settings, engine_name(name), *command])


def _split(words: list[str], dashed: list[str] | None, *, has_file: bool) -> tuple[str | None, list[str]]:
    """The image, if one is named, and the command.

    Raises:
        InvalidInputError: There are both an image and a file.
    """
    if dashed is None:
        return (None, words) if has_file else (next(iter(words), None), words[1:])
    if has_file and words:
        raise InvalidInputError("an image and `--file` exclude each other", hint="leave one out")
    return next(iter(words), None), [*words[1:], *dashed]


def _fetch(location: Location, transports: Transports) -> Reference:
    """Have an image in the engine; its name there."""
    if location.transport is Transport.ENGINE:
        return location.registry_reference
    if location.transport is Transport.REGISTRY:
        transports.engine.pull(location.registry_reference)
        return location.registry_reference
    named = open_artifact(location, transports)
    name = Reference.parse(f"localhost/docker-envs/run:{named.artifact.digest.hex[:12]}")
    write_artifact(named, Location(Transport.ENGINE, name), transports)
    return name


def _build(job: ImageJob, name: Reference, transports: Transports) -> None:
    from docker_envs.builder.build import build_platforms

    build_platforms([loaded_request(job, name)], reporter=transports.reporter)


def _execute(command: list[str]) -> NoReturn:
    """Become the engine's program, which has the terminal, signals and exit status from then on."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Python ignores these, and they would stay ignored.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
