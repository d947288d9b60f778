"""All packages that an image gets, of whatever kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment

if TYPE_CHECKING:
    from docker_envs.environments.findings import Finding
    from docker_envs.environments.planned import PlannedPackage


@dataclass(frozen=True, slots=True)
class PlannedEnvironment:
    """The packages of an image by their kind; what a kind knows of its packages together stays with it.

    Attributes:
        conda: Those of conda channels.
    """

    conda: CondaEnvironment = field(default_factory=CondaEnvironment)

    @property
    def packages(self) -> tuple[PlannedPackage, ...]:
        """All packages."""
        return self.conda.packages

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is known without making layers."""
        return self.conda.findings

    @property
    def timestamp(self) -> int:
        """When the newest package was built, in seconds since 1970 UTC; 0 when no package says."""
        return max((package.built // 1000 for package in self.packages), default=0)
