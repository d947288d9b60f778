"""What of the findings about packages is true in an image, and what everybody shall hear of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.findings import FindingKind
from docker_envs.environments.pypi.needed_libraries import SYSTEM_LIBRARIES, needed_library

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker_envs.environments.findings import Finding
    from docker_envs.planner.environment import PlannedEnvironment


def true_findings(environment: PlannedEnvironment, found: Iterable[Finding]) -> list[Finding]:
    """What is known of an environment, and of what was found in the files of its layers, what matters in it; sorted."""
    return sorted({*environment.findings, *(each for each in found if _matters(each, environment))})


def _matters(finding: Finding, environment: PlannedEnvironment) -> bool:
    if finding.kind is not FindingKind.NEEDED_LIBRARY:
        return True
    # conda's Python finds those of its prefix; of a system that nobody looked into, nothing is known.
    libraries = environment.debian.libraries if environment.conda.python is None else frozenset[str]()
    return bool(libraries) and needed_library(finding) not in libraries


def is_alarming(finding: Finding, environment: PlannedEnvironment) -> bool:
    """Whether everybody shall hear of a finding; of scripts, only if something may be missing without them."""
    if finding.kind is FindingKind.LINK_SCRIPT:
        return finding.path in {script.path for script in environment.conda.unhandled_scripts}
    return finding.kind is not FindingKind.MAINTAINER_SCRIPT or finding in environment.debian.scripts


def with_remedy(finding: Finding) -> str:
    """A finding for people, with what to do about it where that is known."""
    if finding.kind is not FindingKind.NEEDED_LIBRARY:
        return str(finding)
    package = SYSTEM_LIBRARIES[needed_library(finding)]
    return f"{finding}, which no package brings: add Debian's `{package}`"
