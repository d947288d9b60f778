"""Whether wheels still have what they require when packages beside them become others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from docker_envs.environments.pypi.planned import ReadWheel


def unmet_requirements(wheels: Iterable[ReadWheel], beside: Mapping[str, str]) -> list[tuple[str, str]]:
    """What wheels require and have not: names of the wheels, and the requirements.

    Args:
        wheels: All of one environment.
        beside: Versions of the distributions that are there besides, by their normalised names.

    Returns:
        Sorted; of extras nothing, for which of them are wanted is not known.
    """
    wheels = list(wheels)
    versions = {**beside, **{wheel.package.name: wheel.package.version for wheel in wheels}}
    found = set()
    for wheel in wheels:
        for text in wheel.conditions:
            requirement = Requirement(text)
            version = versions.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                found.add((wheel.package.name, text.partition(";")[0].strip()))
    return sorted(found)
