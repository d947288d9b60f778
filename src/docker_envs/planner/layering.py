"""Which packages share a layer, in what order layers stand, and why.

Pure and canonical: what a package is and how large it is decides, as far as possible without regard to the others. The
constants come from the simulation in `benchmarks/planner.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Layers of an image including those of its base. The nominal limit of engines is 127, but mount options run out from
#: about 60 to 70 directories on, and each tiny layer costs a round trip.
DEFAULT_MAX_LAYERS = 64

#: Archives of fewer bytes are small; those that cannot stand alone share one layer with others of their kind.
SMALL = 256_000

#: Of Python and its libraries, archives of at least so many bytes stand lower, since most images have them: as if they
#: were so many times as large.
_FOUNDATION, _FOUNDATION_FACTOR = 1_000_000, 4


class Strategy(StrEnum):
    """How packages are distributed.

    Attributes:
        AUTO: A layer for each while there is room; otherwise large ones alone, small ones together.
        PER_PACKAGE: A layer for each, or an error.
        ONE: One layer for all.
    """

    AUTO = "auto"
    PER_PACKAGE = "per-package"
    ONE = "one"


class Reason(StrEnum):
    """Why packages are in a layer; the value explains it to people."""

    PYTHON = f"python and its libraries, {_FOUNDATION // 1_000_000} MB or more each"
    LARGE = "among the largest"
    PACKAGE = "a layer for each package"
    MEDIUM = f"no room to be alone, {SMALL // 1000} kB or more each"
    SMALL = f"no room to be alone, less than {SMALL // 1000} kB each"
    REST = "no room to be alone"
    ALL = "all in one layer"
    GROUP = "asked for by `--group`"


@dataclass(frozen=True, slots=True)
class SizedPackage:
    """A package as the planner sees it.

    Attributes:
        name: Qualified name.
        size: Of the archive in bytes.
        depends: Qualified names of packages that it needs; others than those of the environment do not matter.
        built: When, in milliseconds since 1970 UTC; 0 when unknown.
    """

    name: str
    size: int
    depends: tuple[str, ...] = ()
    built: int = 0


@dataclass(frozen=True, slots=True)
class UserGroup:
    """Packages that somebody wants in one layer: all that match one of the patterns, as shells know them."""

    name: str
    patterns: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> UserGroup:
        """A group from `NAME=PATTERN,…`.

        Raises:
            InvalidInputError: It is no such text.
        """
        name, _, rest = text.partition("=")
        patterns = tuple(pattern.strip().lower() for pattern in rest.split(","))
        if not name.strip() or not all(patterns):
            raise InvalidInputError(f"invalid `--group` {text!r}", hint="write it as `--group NAME=PATTERN,PATTERN`")
        return cls(name.strip(), patterns)

    def __str__(self) -> str:
        return f"{self.name}={','.join(self.patterns)}"

    def matches(self, name: str) -> bool:
        """Whether a package belongs to it: of a kind but conda's, by its qualified name, or its name alone."""
        names = {name.lower(), name.lower().rpartition(":")[2]}
        return any(fnmatchcase(each, pattern) for each in names for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Grouping:
    """How somebody wants packages distributed; a package that several groups match is in the first."""

    strategy: Strategy = Strategy.AUTO
    groups: tuple[UserGroup, ...] = ()

    def __post_init__(self) -> None:
        names = [group.name for group in self.groups]
        for name in names:
            if names.count(name) > 1:
                raise InvalidInputError(f"the group `{name}` is given twice", hint="separate patterns by commas")

    def group_of(self, name: str) -> UserGroup | None:
        """The group that a package belongs to."""
        return next((group for group in self.groups if group.matches(name)), None)


@dataclass(frozen=True, slots=True)
class PackageGroup:
    """The packages of a layer.

    Attributes:
        names: Sorted, so that the same packages make the same layer everywhere.
        reason: Why they are together, or alone.
        group: Name of the group that was asked for.
    """

    names: tuple[str, ...]
    reason: Reason
    group: str | None = None


@dataclass(frozen=True, slots=True)
class _Unit:
    """Packages that stay together."""

    packages: tuple[SizedPackage, ...]
    reason: Reason
    group: str | None = None

    @property
    def size(self) -> int:
        return sum(package.size for package in self.packages)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(package.name for package in self.packages))


def group_packages(
    packages: Sequence[SizedPackage], *, budget: int, grouping: Grouping | None = None
) -> list[PackageGroup]:
    """Distribute packages over at most `budget` layers.

    While there is room, each package has its own layer. Otherwise the largest stand alone, and the others share two
    layers on top: those of at least `SMALL` bytes, and those with fewer. A package that joins, leaves or changes moves
    at most two others between layers of their own and these two.

    Below those two, layers are ordered by what their packages are, never by what else is there: in classes of size,
    each twice as large as the next and the largest at the bottom (the large ones of Python and its libraries count
    four times), and in each class the oldest first, which are the least likely to change. After a change, an engine
    fetches again what stands above it.

    Args:
        packages: In any order.
        budget: Number of layers there may be.
        grouping: How to distribute them; by default `auto`.

    Returns:
        The packages of each layer, bottom first.

    Raises:
        InvalidInputError: There is no room.
    """
    if not packages:
        return []
    grouping = grouping or Grouping()
    chosen: dict[str, list[SizedPackage]] = {}
    rest: list[SizedPackage] = []
    for package in packages:
        group = grouping.group_of(package.name)
        (rest if group is None else chosen.setdefault(group.name, [])).append(package)
    units = [_Unit(tuple(members), Reason.GROUP, name) for name, members in chosen.items()]
    alone, shared = _distribute(rest, budget - len(units), grouping.strategy)
    foundation = _closure("python", packages)
    ordered = sorted([*units, *alone], key=lambda unit: _position(unit, foundation))
    return [
        PackageGroup(unit.names, _reason(unit, foundation), unit.group)
        for unit in [*ordered, *(unit for unit in shared if unit.packages)]
    ]


def _distribute(
    packages: Sequence[SizedPackage], budget: int, strategy: Strategy
) -> tuple[list[_Unit], tuple[_Unit, ...]]:
    """Those that find their place by size, and those that are on top."""
    if budget < min(len(packages), 1):
        raise InvalidInputError(
            "no layer is left for the packages within the limit",
            hint="raise `--max-layers`, or use a base with fewer layers",
        )
    if strategy is Strategy.ONE:
        return [], (_Unit(tuple(packages), Reason.ALL),)
    if len(packages) <= budget:
        return _alone(packages, Reason.PACKAGE), ()
    if strategy is Strategy.PER_PACKAGE:
        raise InvalidInputError(
            f"{len(packages)} packages need a layer each, and {budget} are left within the limit",
            hint="raise `--max-layers`, or use `--layers auto`",
        )
    by_size = sorted(packages, key=lambda package: (-package.size, package.name))
    if budget <= 3:
        alone, tail = by_size[: budget - 1], by_size[budget - 1 :]
        return _alone(alone, Reason.LARGE), (_Unit(tuple(tail), Reason.REST),)
    # Only where some of the others are not small, they need a second layer.
    count = budget - (2 if by_size[budget - 1].size >= SMALL else 1)
    medium = tuple(package for package in by_size[count:] if package.size >= SMALL)
    small = tuple(by_size[count + len(medium) :])
    return _alone(by_size[:count], Reason.LARGE), (_Unit(medium, Reason.MEDIUM), _Unit(small, Reason.SMALL))


def _alone(packages: Iterable[SizedPackage], reason: Reason) -> list[_Unit]:
    return [_Unit((package,), reason) for package in packages]


def _closure(name: str, packages: Iterable[SizedPackage]) -> frozenset[str]:
    """A package of the environment and all that it needs."""
    depends = {package.name: package.depends for package in packages}
    found: set[str] = set()
    queue = [name]
    while queue:
        each = queue.pop()
        if each in depends and each not in found:
            found.add(each)
            queue.extend(depends[each])
    return frozenset(found)


def _is_foundation(unit: _Unit, foundation: frozenset[str]) -> bool:
    return unit.size >= _FOUNDATION and not foundation.isdisjoint(unit.names)


def _position(unit: _Unit, foundation: frozenset[str]) -> tuple[int, int, tuple[str, ...]]:
    weight = unit.size * (_FOUNDATION_FACTOR if _is_foundation(unit, foundation) else 1)
    return -weight.bit_length(), max(package.built for package in unit.packages), unit.names


def _reason(unit: _Unit, foundation: frozenset[str]) -> Reason:
    return Reason.PYTHON if unit.reason is Reason.LARGE and _is_foundation(unit, foundation) else unit.reason
