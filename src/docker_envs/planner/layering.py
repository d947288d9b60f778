"""Which packages share a layer, and in what order layers stand.

Pure and canonical: the answer depends on the packages alone, and the same small packages fall into the same group in
every image.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Layers of an image including those of its base. The nominal limit of engines is 127, but mount options run out from
#: about 60 to 70 directories on, and each tiny layer costs a round trip.
DEFAULT_MAX_LAYERS = 64

#: Groups that packages share when there are more packages than layers.
_GROUPS = 8


@dataclass(frozen=True, slots=True)
class SizedPackage:
    """A package as the planner sees it; `size` of the archive in bytes."""

    name: str
    size: int


def group_packages(packages: Sequence[SizedPackage], *, budget: int) -> list[tuple[str, ...]]:
    """Distribute packages over at most `budget` layers.

    The largest packages stand alone, in their order. When there are too many, the small ones share up to eight groups
    on top, chosen by a digest of the name: a new version stays in its group, and one update disturbs an eighth of them.

    Args:
        packages: In topological order.
        budget: Number of layers there may be.

    Returns:
        Names for each layer, bottom first; each group in topological order.

    Raises:
        InvalidInputError: There is no room for a single layer.
    """
    if not packages:
        return []
    if budget < 1:
        raise InvalidInputError(
            "no layer is left for the packages within the limit",
            hint="raise `--max-layers`, or use a base with fewer layers",
        )
    if len(packages) <= budget:
        return [(package.name,) for package in packages]
    groups = min(_GROUPS, max(1, budget // 2))
    by_size = sorted(packages, key=lambda package: (-package.size, package.name))
    alone = {package.name for package in by_size[: budget - groups]}
    shared: list[list[str]] = [[] for _ in range(groups)]
    for package in packages:
        if package.name not in alone:
            shared[_group(package.name, groups)].append(package.name)
    singles = [(package.name,) for package in packages if package.name in alone]
    return [*singles, *(tuple(names) for names in shared if names)]


def _group(name: str, groups: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % groups
