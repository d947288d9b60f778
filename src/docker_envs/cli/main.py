"""The entry point: every error becomes one message, a hint and an exit status here."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from docker_envs import errors
from docker_envs.cli.commands import LazyGroup
from docker_envs.cli.text import print_error
from docker_envs.version import __version__

if TYPE_CHECKING:
    from types import FrameType

#: Exit statuses, most specific class first; documented in `docs/commands.md`.
EXIT_STATUSES: tuple[tuple[type[errors.DockerEnvsError], int], ...] = (
    (errors.InvalidInputError, 2),
    (errors.SolveError, 3),
    (errors.TransportError, 4),
    (errors.VerificationError, 5),
    (errors.FormatError, 5),
    (errors.BuildError, 6),
    (errors.DockerEnvsError, 1),
)
INTERRUPTED = 130

app = typer.Typer(
    name="docker-envs",
    cls=LazyGroup,
    help="Declarative environments as container images, built without Docker.",
    no_args_is_help=True,
    # Tracebacks with local variables would show credentials.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"docker-envs {__version__}")
        raise typer.Exit


@app.callback()
def _callback(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line and exit the process."""
    signal.signal(signal.SIGTERM, _interrupt)
    status = _run()
    for stream in (sys.stdout, sys.stderr):
        # A reader that went away is no news to anybody.
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    if "rattler" in sys.modules:
        # Its threads can crash an interpreter that takes itself apart; everything of ours is closed and flushed by now.
        os._exit(status)
    sys.exit(status)


def _run() -> int:
    try:
        app()
    except SystemExit as done:
        if done.code == INTERRUPTED:
            return _interrupted()
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except KeyboardInterrupt:
        return _interrupted()
    except errors.DockerEnvsError as error:
        print_error(error)
        return next(status for kind, status in EXIT_STATUSES if isinstance(error, kind))
    return 0


def _interrupted() -> int:
    print("interrupted; nothing half-made was left behind", file=sys.stderr)
    return INTERRUPTED


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
