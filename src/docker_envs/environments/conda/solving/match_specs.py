"""Match specs, whose grammar and meaning only rattler knows.

Spec: conda CEP 29, "MatchSpec query language".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_match_spec(text: str) -> Any:
    """A match spec for rattler.

    Raises:
        InvalidInputError: It is none.
    """
    import rattler
    from rattler import exceptions

    if text.startswith("defaults::"):
        raise InvalidInputError(
            f"invalid match spec {text!r}: `defaults` stands for several channels",
            hint="name one, such as `https://repo.anaconda.com/pkgs/main::`",
        )
    try:
        return rattler.MatchSpec(text)
    except exceptions.InvalidMatchSpecError as error:
        raise InvalidInputError(f"invalid match spec {text!r}: {explanation(error)}") from error


def check_match_spec(text: str) -> None:
    """Find out early whether a text is a match spec.

    Raises:
        InvalidInputError: It is none.
    """
    parse_match_spec(text)


def channels_of(specs: Iterable[Any]) -> list[str]:
    """The base URLs of the channels that rattler's match specs name as `channel::name`."""
    return list(dict.fromkeys(spec.channel.base_url for spec in specs if spec.channel is not None))


def explanation(error: Exception) -> str:
    """Rattler's text: trailing blanks and repeated `Caused by` removed."""
    lines = [line.rstrip() for line in str(error).splitlines()]
    return re.sub(r"\n{2,}", "\n", "\n".join(lines)).strip()
