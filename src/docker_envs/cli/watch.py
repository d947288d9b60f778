"""`docker-envs watch`: an image that is built and run again whenever its sources change."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from docker_envs.cli.changes import Watched
from docker_envs.cli.connection import Quiet, connection
from docker_envs.cli.container_process import ContainerProcess
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
from docker_envs.cli.progress import LineReporter
from docker_envs.cli.text import print_error
from docker_envs.errors import DockerEnvsError
from docker_envs.images.transports import Transports
from docker_envs.report import SilentReporter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from docker_envs.builder.application.sources import Look
    from docker_envs.cli.project_options import ImageJob
    from docker_envs.cli.requests import EnvironmentOptions
    from docker_envs.report import Reporter, Task

app = typer.Typer(add_completion=False)


@app.command("watch", cls=DashedCommand)
@with_options(LocalOptions)
def watch_command(
    options: LocalOptions,
    *,
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="[-- CMD...]", help="What to run in it.")] = None,
    image: EngineImage = None,
    publish: Publish = None,
    volume: Volume = None,
    env: ContainerEnv = None,
    run: Annotated[bool, typer.Option("--run/--no-run", help="Run it; or only build and load.")] = True,
    quiet: Quiet = False,
) -> None:
    """Build and run again whenever sources change.

    That goes on until Ctrl-C. Only layers whose files have changed are made anew.
    """
    environment = options.environment()
    reporter = LineReporter(quiet=quiet)
    arguments = engine_settings(publish, volume, env)
    command = [*(words or []), *(command_after_dashes(ctx) or [])]
    how = connection(options.plain_http, options.insecure, options.ca_file, options.auth_file)
    runner = _Runner(Transports(how).engine.program(), arguments, command) if run else None
    job = environment.job()
    try:
        _watch(environment, job, image, runner, reporter)
    finally:
        if runner is not None:
            runner.stop()


def _watch(
    options: EnvironmentOptions,
    job: ImageJob,
    image: str | None,
    runner: _Runner | None,
    reporter: Reporter,
) -> None:
    from docker_envs.builder.repeated import RepeatedBuild

    heard = _FirstReporter(reporter)
    build = RepeatedBuild(heard)
    changed: AbstractSet[str] = frozenset()
    running = problem = ""
    watched = Watched.of(job)
    while True:
        start = time.monotonic()
        # Before anything is read, so that what changes while it is read is seen.
        look = watched.look()
        try:
            job = options.job()
            watched = Watched.of(job)
            now = watched.look()
            look = {path: look.get(path, now[path]) for path in now}
            name = name_in_engine(job, image)
            made = build.build(loaded_request(job, name))
        except DockerEnvsError as error:
            # One change may be seen in parts.
            if str(error) != problem:
                print_error(error)
            problem = str(error)
        else:
            problem = ""
            if made.digest != running:
                names = ", ".join(sorted(map(_shown, changed))) or "will be built again when its sources change"
                reporter.message(f"built    {name.familiar} in {time.monotonic() - start:.2f} s: {names}")
                running = made.digest
                heard.is_first = False
                if runner is not None:
                    runner.start(engine_name(name))
        changed = _next_change(watched, look, runner, reporter)


def _next_change(watched: Watched, look: Look, runner: _Runner | None, reporter: Reporter) -> AbstractSet[str]:
    while not (changed := watched.wait(look)):
        if runner is not None and (status := runner.ended()) is not None:
            reporter.message(f"ended    with status {status}; waiting for a change")
    return changed


def _shown(path: str) -> str:
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path


class _Runner:
    """Runs an image in place of the one before."""

    def __init__(self, program: Sequence[str], settings: Sequence[str], command: Sequence[str]) -> None:
        self._program = program
        self._settings = settings
        self._command = command
        self._container: ContainerProcess | None = None

    def start(self, image: str) -> None:
        """Stop what runs, and run an image."""
        self.stop()
        self._container = ContainerProcess(self._program, [*self._settings, image, *self._command])

    def ended(self) -> int | None:
        """How the container ended, told once; None while it runs."""
        if self._container is None or (status := self._container.status) is None:
            return None
        self._container = None
        return status

    def stop(self) -> None:
        """Stop what runs."""
        if self._container is not None:
            self._container.stop()
            self._container = None


class _FirstReporter(SilentReporter):
    """Passes on what is new: notes and warnings once, and of later builds not what the engine gets.

    Attributes:
        is_first: Whether no build has ended yet.
    """

    def __init__(self, reporter: Reporter) -> None:
        self.is_first = True
        self._reporter = reporter
        self._said: set[str] = set()

    def message(self, text: str) -> None:
        """Pass it on, once."""
        if self._is_new(text):
            self._reporter.message(text)

    def warning(self, text: str) -> None:
        """Pass it on, once."""
        if self._is_new(text):
            self._reporter.warning(text)

    def start(self, verb: str, name: str, total: int | None = None) -> Task:
        """Pass it on, unless it is always the same."""
        if verb == "loading" and not self.is_first:
            return super().start(verb, name, total)
        return self._reporter.start(verb, name, total)

    def _is_new(self, text: str) -> bool:
        is_new = text not in self._said
        self._said.add(text)
        return is_new
