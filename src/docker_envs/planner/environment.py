"""All packages that an image gets, of whatever kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment
from docker_envs.environments.debian.plan_environment import DebianEnvironment
from docker_envs.environments.filters import Filter, Saving
from docker_envs.environments.pypi.plan_environment import PypiEnvironment

if TYPE_CHECKING:
    from docker_envs.environments.clobber import Clobber
    from docker_envs.environments.findings import Finding
    from docker_envs.environments.planned import PlannedPackage


@dataclass(frozen=True, slots=True)
class PlannedEnvironment:
    """The packages of an image by their kind; what a kind knows of its packages together stays with it.

    Attributes:
        conda: Those of conda channels.
        pypi: Those of package indexes of Python.
        debian: Those of Debian archives.
    """

    conda: CondaEnvironment = field(default_factory=CondaEnvironment)
    pypi: PypiEnvironment = field(default_factory=PypiEnvironment)
    debian: DebianEnvironment = field(default_factory=DebianEnvironment)

    @property
    def packages(self) -> tuple[PlannedPackage, ...]:
        """All packages."""
        return (*self.debian.packages, *self.conda.packages, *self.pypi.packages)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is known without making layers."""
        return (*self.debian.findings, *self.conda.findings, *self.pypi.findings)

    @property
    def clobbers(self) -> tuple[Clobber, ...]:
        """Paths that several packages bring."""
        return (*self.conda.clobbers, *self.pypi.clobbers)

    @property
    def savings(self) -> tuple[Saving, ...]:
        """What each filter that was asked for leaves out."""
        found = (*self.debian.savings, *self.conda.savings, *self.pypi.savings)
        return tuple(
            Saving(each, sum(saving.files for saving in same), sum(saving.size for saving in same))
            for each in Filter
            if (same := [saving for saving in found if saving.filter is each])
        )

    @property
    def timestamp(self) -> int:
        """When the newest package was built, in seconds since 1970 UTC; 0 when no package says."""
        return max((package.built // 1000 for package in self.packages), default=0)
