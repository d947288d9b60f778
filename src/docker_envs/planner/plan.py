"""The plan of an image: which layers of which packages, known before any of them is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker_envs.archive.compression import Compression
from docker_envs.digest import Digest
from docker_envs.fields import canonical_json
from docker_envs.planner.layering import Grouping, PackageGroup, Reason, SizedPackage, group_packages
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.archive.compression import CompressionSetting
    from docker_envs.environments.planned import PlannedPackage
    from docker_envs.planner.environment import PlannedEnvironment

#: Size of a layer by the size of its files: of site-packages and libraries, at the default levels.
_RATIOS = {Compression.GZIP: 0.30, Compression.ZSTD: 0.32, Compression.NONE: 1.0}


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer to be made.

    Attributes:
        packages: What is in it, in order.
        key: Digest over everything that its bytes depend on.
        group: Why they are together, or alone.
    """

    packages: tuple[PlannedPackage, ...]
    key: Digest
    group: PackageGroup

    @property
    def size(self) -> int:
        """Bytes of all package archives together: how much work it is."""
        return sum(package.size for package in self.packages)

    def estimated_size(self, compression: CompressionSetting) -> int:
        """About how many bytes the layer will have."""
        ratio = _RATIOS[compression.kind]
        return sum(package.estimated_size(ratio) for package in self.packages)

    @property
    def title(self) -> str:
        """The packages' names for people, shortened when there are many."""
        names = [package.display_name for package in self.packages]
        return " ".join(names) if len(names) <= 4 else f"{' '.join(names[:3])} and {len(names) - 3} more"


@dataclass(frozen=True, slots=True)
class Plan:
    """All layers of an image's packages.

    Attributes:
        layers: Bottom first.
        environment: The same packages, and what is worth knowing about them.
    """

    layers: tuple[PlannedLayer, ...]
    environment: PlannedEnvironment

    def to_json(self) -> list[dict[str, Any]]:
        """The layers as data."""
        return [
            {
                "key": str(layer.key),
                "packages": [package.display_name for package in layer.packages],
                "package_bytes": layer.size,
                "reason": layer.group.reason.name.lower(),
                "group": layer.group.group,
            }
            for layer in self.layers
        ]


def make_plan(
    environment: PlannedEnvironment,
    *,
    budget: int,
    compression: CompressionSetting,
    grouping: Grouping | None = None,
    layers: Sequence[Sequence[str]] | None = None,
) -> Plan:
    """Plan the layers of packages.

    Args:
        environment: The packages.
        budget: Number of layers there may be.
        compression: Of the layers; part of their keys.
        grouping: How packages are distributed; by default `auto`.
        layers: Qualified names of the packages of each layer, lowest first, when that is known already.

    Raises:
        InvalidInputError: There is no room for a layer.
    """
    by_name = {each.qualified_name: each for each in environment.packages}
    groups = (
        group_packages([_sized(each) for each in environment.packages], budget=budget, grouping=grouping)
        if layers is None
        else [PackageGroup(tuple(names), Reason.GROUP) for names in layers]
    )
    planned = []
    for group in groups:
        members = tuple(by_name[name] for name in group.names)
        planned.append(PlannedLayer(members, layer_key(members, compression=compression), group))
    return Plan(tuple(planned), environment)


def _sized(package: PlannedPackage) -> SizedPackage:
    return SizedPackage(package.qualified_name, package.size, package.needs, package.built)


def layer_key(packages: Sequence[PlannedPackage], *, compression: CompressionSetting) -> Digest:
    """Digest over all that a layer's bytes depend on, and nothing else: of filters, what they leave out."""
    document: dict[str, Any] = {
        "format": DIGEST_FORMAT,
        "compression": str(compression),
        "packages": [package.facts for package in packages],
    }
    for package in packages:
        document |= package.layer_facts
    return Digest.of(canonical_json(document))
