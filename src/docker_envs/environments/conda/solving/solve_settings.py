"""How an environment is solved, apart from its channels and specs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.environments.conda.solving.channels import ChannelPriority

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class SolveStrategy(StrEnum):
    """Which versions are preferred."""

    HIGHEST = "highest"
    LOWEST = "lowest"
    LOWEST_DIRECT = "lowest-direct"


@dataclass(frozen=True, slots=True)
class SolveSettings:
    """Choices that a solve depends on.

    Attributes:
        channel_priority: What the order of channels means.
        strategy: Which versions are preferred.
        constraints: Match specs of packages that need not be there, but if they are, must fit.
        exclude_newer: Packages made later than this, or less long ago, are not seen.
    """

    channel_priority: ChannelPriority = ChannelPriority.STRICT
    strategy: SolveStrategy = SolveStrategy.HIGHEST
    constraints: tuple[str, ...] = ()
    exclude_newer: datetime | timedelta | None = None
