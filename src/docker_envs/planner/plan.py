"""The plan of an image: which layers of which packages, known before any of them is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker_envs.digest import Digest
from docker_envs.environments.conda.clobber import Clobber, find_clobbers
from docker_envs.environments.conda.link import LinkPlan, plan_link
from docker_envs.environments.conda.noarch import PythonInfo
from docker_envs.fields import canonical_json
from docker_envs.planner.layering import SizedPackage, group_packages
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.archive.compression import CompressionSetting
    from docker_envs.environments.conda.metadata import PackageMetadata
    from docker_envs.environments.conda.package import CondaPackage


@dataclass(frozen=True, slots=True)
class PlannedPackage:
    """A package with what was read of it.

    Attributes:
        package: Where it came from.
        metadata: What it says about itself.
        sha256: Of the archive, verified, as hexadecimal digits.
        size: Of the archive in bytes.
    """

    package: CondaPackage
    metadata: PackageMetadata
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer to be made.

    Attributes:
        links: How each of its packages is linked, in order.
        packages: The same packages, in the same order.
        key: Digest over everything that its bytes depend on.
    """

    links: tuple[LinkPlan, ...]
    packages: tuple[PlannedPackage, ...]
    key: Digest

    @property
    def size(self) -> int:
        """Bytes of all package archives together: how much work it is."""
        return sum(package.size for package in self.packages)

    @property
    def title(self) -> str:
        """The packages' names for people, shortened when there are many."""
        names = [package.package.display_name for package in self.packages]
        return " ".join(names) if len(names) <= 4 else f"{' '.join(names[:3])} and {len(names) - 3} more"


@dataclass(frozen=True, slots=True)
class Plan:
    """All layers of an environment, bottom first, and what is worth knowing about them.

    Attributes:
        layers: Bottom first.
        clobbers: Paths that several packages bring.
        link_scripts: By package name, scripts that an installer would run and that are left unrun.
        timestamp: When the newest package was built, in seconds since 1970 UTC; 0 when no package says.
    """

    layers: tuple[PlannedLayer, ...]
    clobbers: tuple[Clobber, ...]
    link_scripts: dict[str, list[str]]
    timestamp: int

    def to_json(self) -> list[dict[str, Any]]:
        """The layers as data."""
        return [
            {
                "key": str(layer.key),
                "packages": [package.package.display_name for package in layer.packages],
                "package_bytes": layer.size,
            }
            for layer in self.layers
        ]


def make_plan(packages: Sequence[PlannedPackage], *, prefix: str, budget: int, compression: CompressionSetting) -> Plan:
    """Plan the layers of an environment.

    Args:
        packages: In topological order.
        prefix: Absolute path of the environment.
        budget: Number of layers there may be.
        compression: Of the layers; part of their keys.

    Raises:
        BuildError: A package cannot be linked there.
        InvalidInputError: There is no room for a layer.
    """
    python = next(
        (PythonInfo.from_metadata(each.metadata) for each in packages if each.metadata.name == "python"), None
    )
    links = [plan_link(each.package, each.metadata, prefix=prefix, python=python) for each in packages]
    clobbers = find_clobbers([(link.metadata.name, link.target_files()) for link in links])
    dropped = _dropped(clobbers)
    final = {
        link.metadata.name: LinkPlan(
            link.package, link.metadata, prefix, link.python, dropped.get(link.metadata.name, frozenset())
        )
        for link in links
    }
    by_name = {each.metadata.name: each for each in packages}
    layers = []
    for names in group_packages([SizedPackage(each.metadata.name, each.size) for each in packages], budget=budget):
        members = tuple(by_name[name] for name in names)
        group = tuple(final[name] for name in names)
        layers.append(PlannedLayer(group, members, layer_key(group, members, prefix=prefix, compression=compression)))
    return Plan(
        layers=tuple(layers),
        clobbers=tuple(clobbers),
        link_scripts={
            each.metadata.name: each.metadata.link_scripts for each in packages if each.metadata.link_scripts
        },
        timestamp=max((each.metadata.timestamp // 1000 for each in packages), default=0),
    )


def layer_key(
    links: Sequence[LinkPlan], packages: Sequence[PlannedPackage], *, prefix: str, compression: CompressionSetting
) -> Digest:
    """Digest over all that a layer's bytes depend on, and nothing else."""
    members = [
        {
            "sha256": package.sha256,
            "url": link.package.public_url,
            "python": [link.python.version, link.python.site_packages] if link.python else None,
            "dropped": sorted(link.dropped),
        }
        for link, package in zip(links, packages, strict=True)
    ]
    document = {"format": DIGEST_FORMAT, "prefix": prefix, "compression": str(compression), "packages": members}
    return Digest.of(canonical_json(document))


def _dropped(clobbers: Sequence[Clobber]) -> dict[str, frozenset[str]]:
    dropped: dict[str, set[str]] = {}
    for clobber in clobbers:
        for loser in clobber.losers:
            dropped.setdefault(loser, set()).add(clobber.path)
    return {name: frozenset(paths) for name, paths in dropped.items()}
