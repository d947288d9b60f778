"""What comes of a command of a maintainer script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker_envs.environments.debian.scripts.findings import Reason


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command.

    Attributes:
        status: Whether it succeeded, None when that is not known.
        output: What it wrote, None when that is not known.
        reason: Why it was left out, if it was.
        code: Its exit status where it failed.
    """

    status: bool | None = True
    output: str | None = ""
    reason: Reason | None = None
    code: int = 1


#: A command that only looks, and what it saw is not known.
UNKNOWN = Outcome(None, None)
