"""Options that several commands share, given to each of them as one value."""

from __future__ import annotations

import functools
import inspect
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def with_options(*kinds: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that the fields of dataclasses describe, and values of these as its first arguments.

    Args:
        *kinds: Dataclasses whose fields have types as typer wants them; one for each of the command's first parameters.
            All other parameters are options and arguments of the command's own.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        names = [[field.name for field in fields(kind)] for kind in kinds]

        @functools.wraps(command)
        def wrapper(**given: Any) -> None:
            values = [kind(**{name: given.pop(name) for name in own}) for kind, own in zip(kinds, names, strict=True)]
            command(*values, **given)

        shared = [parameter for kind in kinds for parameter in _parameters(kind)]
        parameters = [*shared, *_own_parameters(command, count=len(kinds))]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {each.name: each.annotation for each in parameters}
        del wrapper.__wrapped__
        return wrapper

    return decorate


def _parameters(kind: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=hints[field.name],
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
        )
        for field in fields(kind)
    ]


def _own_parameters(command: Callable[..., None], *, count: int) -> Sequence[inspect.Parameter]:
    parameters = list(inspect.signature(command).parameters.values())
    hints = get_type_hints(command, include_extras=True)
    return [each.replace(annotation=hints[each.name]) for each in parameters[count:]]
