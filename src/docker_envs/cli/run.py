"""`docker-envs run`: from a declaration or a name to a running container."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from docker_envs.cli.connection import Quiet, connection
from docker_envs.cli.local_run import (
    ContainerEnv,
    DashedCommand,
    EngineImage,
    LocalOptions,
    Publish,
    Volume,
    command_after_dashes,
    engine_name,
    engine_settings,
    loaded_request,
    name_in_engine,
)
from docker_envs.cli.option_values import with_options
from docker_envs.cli.progress import reporter_for
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
@with_options(LocalOptions)
def run_command(
    options: LocalOptions,
    *,
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[REF] [-- CMD...]", help="An image, and what to run in it.")
    ] = None,
    image: EngineImage = None,
    publish: Publish = None,
    volume: Volume = None,
    env: ContainerEnv = None,
    remove: Annotated[bool, typer.Option("--rm/--no-rm", help="Remove the container when it ends.")] = True,
    quiet: Quiet = False,
) -> None:
    """Run an image, or what is declared here, with the local engine.

    What is declared is built if need be, and the engine gets the layers that it lacks. Without REF it is FILE and
    Debian packages, or the docker-env.yaml or environment.yml here.
    """
    reference, command = _split(words or [], command_after_dashes(ctx), declares=options.declares)
    how = connection(options.plain_http, options.insecure, options.ca_file, options.auth_file)
    with reporter_for(quiet=quiet) as reporter:
        transports = Transports(how, reporter=reporter)
        program = transports.engine.program()
        if reference is not None:
            name = _fetch(parse_location(reference), transports)
        else:
            job = options.environment().job()
            name = name_in_engine(job, image)
            _build(job, name, transports)
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    settings = [*engine_settings(publish, volume, env), *(["--rm"] if remove else [])]
    _execute([*program, "run", "--pull=never", "--interactive", *terminal, *settings, engine_name(name), *command])


def _split(words: list[str], dashed: list[str] | None, *, declares: bool) -> tuple[str | None, list[str]]:
    """The image, if one is named, and the command.

    Raises:
        InvalidInputError: There are both an image and a declaration of one.
    """
    if dashed is None:
        return (None, words) if declares else (next(iter(words), None), words[1:])
    if declares and words:
        raise InvalidInputError("an image, and `--file` or `--apt`, exclude each other", hint="leave one out")
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
