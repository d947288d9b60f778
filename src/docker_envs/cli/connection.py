"""What all commands that talk to registries have in common: their options, and transports made of them."""

from __future__ import annotations

import functools
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

from docker_envs.cli.memory import keep_freed_memory
from docker_envs.cli.progress import reporter_for
from docker_envs.images.transports import Connection, Transports

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

_PANEL = "Connection"

PlainHttp = Annotated[
    list[str] | None, typer.Option(metavar="HOST", help="Registry without TLS.", rich_help_panel=_PANEL)
]
Insecure = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST", help="Registry whose certificate is not checked.", rich_help_panel=_PANEL),
]
CaFile = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="PEM file of a further certificate authority.", rich_help_panel=_PANEL),
]
AuthFile = Annotated[
    Path | None,
    typer.Option("--authfile", metavar="FILE", help="Credentials of this file only.", rich_help_panel=_PANEL),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, warnings only.", rich_help_panel=_PANEL)]


def connection(
    plain_http: list[str] | None, insecure: list[str] | None, ca_file: list[Path] | None, auth_file: Path | None
) -> Connection:
    """What the options say."""
    return Connection(tuple(plain_http or ()), tuple(insecure or ()), tuple(ca_file or ()), auth_file)


def with_transports(command: Callable[Concatenate[Transports, P], None]) -> Callable[..., None]:
    """Give a command the options of connections, and the transports that they describe as its first argument.

    Args:
        command: Its first parameter is called `transports`, all others are its own arguments and options.
    """

    @functools.wraps(command)
    def wrapper(
        *args: Any,
        plain_http: list[str] | None,
        insecure: list[str] | None,
        ca_file: list[Path] | None,
        auth_file: Path | None,
        quiet: bool,
        **options: Any,
    ) -> None:
        keep_freed_memory()
        with reporter_for(quiet=quiet) as reporter:
            command(
                Transports(connection(plain_http, insecure, ca_file, auth_file), reporter=reporter), *args, **options
            )

    # The name of the first parameter's type is not there at run time, and typer asks for no such option.
    hints = get_type_hints(command, localns={"Transports": Transports}, include_extras=True)
    own = list(inspect.signature(command).parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, kind, default in (
            ("plain_http", PlainHttp, None),
            ("insecure", Insecure, None),
            ("ca_file", CaFile, None),
            ("auth_file", AuthFile, None),
            ("quiet", Quiet, False),
        )
    ]
    parameters = [*(each.replace(annotation=hints[each.name]) for each in own), *common]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
    del wrapper.__wrapped__
    return wrapper
