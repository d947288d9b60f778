"""All that an error can show of what it met."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from docker_envs.errors import DockerEnvsError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Spelled so that no line of source that a traceback shows holds it.
HUSH = "".join(["hu", "sh"])


def everything_said(error: BaseException) -> str:
    """The traceback, and `repr`, hint and attributes of the error and of all that is behind it."""
    said = ["".join(traceback.format_exception(error))]
    for each in _chain(error):
        said += [repr(each), repr(each.args), repr(vars(each)), getattr(each, "hint", None) or ""]
        said += [repr(getattr(each, name, "")) for name in ("output", "stdout", "stderr", "object", "doc")]
    assert isinstance(error, DockerEnvsError)
    return "\n".join(said)


def _chain(error: BaseException) -> Iterator[BaseException]:
    yield error
    for behind in (error.__cause__, error.__context__):
        if behind is not None:
            yield from _chain(behind)
