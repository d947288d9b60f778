"""Packages that could be chosen, and what their relations mean among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.debian.relations import parse_clauses, parse_relations
from docker_envs.environments.debian.version import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from docker_envs.environments.debian.indexing.index import AvailablePackage, PackageIndex
    from docker_envs.environments.debian.indexing.indexed_package import IndexedPackage
    from docker_envs.environments.debian.relations import Clause, Relation
    from docker_envs.environments.debian.solving.installed import InstalledPackage
    from docker_envs.environments.debian.version import VersionKey

# Of providers of a virtual package, the one with the higher priority is the better choice, as with apt.
_PRIORITIES = ("required", "important", "standard", "optional", "extra")


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One version of a package that could be there.

    Attributes:
        indexed: What it says of itself.
        available: Where it can be fetched; None where only the base has it.
        installed: The base's own package, where it has this version.
    """

    indexed: IndexedPackage
    available: AvailablePackage | None
    installed: InstalledPackage | None

    @property
    def name(self) -> str:
        """The package's name."""
        return self.indexed.name


@dataclass(frozen=True, slots=True)
class Option:
    """Versions of one package, any of which serves; lowest first, and never none."""

    candidates: tuple[Candidate, ...]

    @property
    def name(self) -> str:
        """The package's name."""
        return self.candidates[0].name


class Pool:
    """All candidates.

    Args:
        index: What archives offer.
        installed: What the base has.
        wanted: Whether somebody asked for a version that is not chosen otherwise, as those of backports.
        locked: Versions by name that are better than newer ones.
    """

    def __init__(
        self,
        index: PackageIndex,
        installed: Sequence[InstalledPackage] = (),
        wanted: Callable[[AvailablePackage], bool] = lambda package: False,
        locked: Mapping[str, str] | None = None,
    ) -> None:
        self.index = index
        self.installed = {package.name: package for package in installed}
        self.locked = locked or {}
        self._wanted = wanted
        self._candidates: dict[str, tuple[Candidate, ...]] = {}
        self._depends: dict[Candidate, tuple[tuple[Clause, tuple[Option, ...]], ...]] = {}
        self._conflicts: dict[Candidate, frozenset[Candidate]] = {}
        self._provided: dict[str, list[str]] = {}
        for package in installed:
            for relation in parse_relations(package.indexed.provides):
                self._provided.setdefault(relation.name, []).append(package.name)

    def candidates(self, name: str) -> tuple[Candidate, ...]:
        """All versions of a package, lowest first."""
        if name not in self._candidates:
            self._candidates[name] = self._find(name)
        return self._candidates[name]

    def best(self, option: Option) -> Candidate:
        """The version of an option that is better than the others: the locked one, or else the newest."""
        locked = self.locked.get(option.name)
        return next((each for each in option.candidates if each.indexed.version == locked), option.candidates[-1])

    def depends(self, candidate: Candidate) -> tuple[tuple[Clause, tuple[Option, ...]], ...]:
        """What a package needs: each clause with the options that fulfil it, the preferred first.

        A clause that the package fulfils itself is left out, and so is one of the base that is broken there already.
        """
        if candidate not in self._depends:
            indexed = candidate.indexed
            clauses = (*parse_clauses(indexed.pre_depends), *parse_clauses(indexed.depends))
            self._depends[candidate] = self._fulfilments(candidate, clauses)
        return self._depends[candidate]

    def recommends(self, candidate: Candidate) -> tuple[tuple[Clause, tuple[Option, ...]], ...]:
        """What a package recommends, as `depends`."""
        return self._fulfilments(candidate, parse_clauses(candidate.indexed.recommends))

    def options(self, clause: Clause) -> tuple[Option, ...]:
        """What fulfils a clause, the preferred first: real packages before those that provide it."""
        found: dict[str, dict[Candidate, None]] = {}
        for relation in clause.alternatives:
            for candidate in self.matches(relation):
                found.setdefault(candidate.name, {})[candidate] = None
        return tuple(Option(tuple(sorted(each, key=_age))) for each in found.values())

    def matches(self, relation: Relation) -> list[Candidate]:
        """Every candidate that fulfils a relation, the preferred package first."""
        real = [
            each
            for each in self.candidates(relation.name)
            if relation.allows(each.indexed.version) and self._qualifies(relation, each)
        ]
        return real + sorted(
            (
                each
                for name in self._provider_names(relation.name)
                for each in self.candidates(name)
                if any(_fits(provided, relation) for provided in parse_relations(each.indexed.provides))
                and self._qualifies(relation, each)
            ),
            key=_provider_order,
        )

    def conflicts(self, candidate: Candidate) -> frozenset[Candidate]:
        """What cannot be there together with a package, by its own word; no version of itself."""
        if candidate not in self._conflicts:
            indexed = candidate.indexed
            relations = (*parse_relations(indexed.conflicts), *parse_relations(indexed.breaks))
            self._conflicts[candidate] = frozenset(
                other for relation in relations for other in self.matches(relation) if other.name != candidate.name
            )
        return self._conflicts[candidate]

    def _find(self, name: str) -> tuple[Candidate, ...]:
        available = self.index.versions(name)
        usable = [each for each in available if each.automatic or self._wanted(each)] or available
        installed = self.installed.get(name)
        if installed is None:
            return tuple(Candidate(each.indexed, each, None) for each in usable)
        key = version_key(installed.indexed.version)
        same = next((each for each in available if version_key(each.indexed.version) == key), None)
        own = Candidate(installed.indexed, same, installed)
        if installed.held:
            return (own,)
        others = [Candidate(each.indexed, each, None) for each in usable if each is not same]
        return tuple(sorted((own, *others), key=_age))

    def _fulfilments(
        self, candidate: Candidate, clauses: Sequence[Clause]
    ) -> tuple[tuple[Clause, tuple[Option, ...]], ...]:
        found = []
        for clause in clauses:
            options = self.options(clause)
            if any(candidate in option.candidates for option in options):
                continue
            broken = candidate.installed and not any(each.installed for option in options for each in option.candidates)
            if not broken:
                found.append((clause, options))
        return tuple(found)

    def _provider_names(self, name: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self._provided.get(name, ()), *self.index.providers(name))))

    def _qualifies(self, relation: Relation, candidate: Candidate) -> bool:
        if relation.qualifier == "any":
            return candidate.indexed.multi_arch == "allowed"
        return relation.qualifier in ("", "native", self.index.architecture)


def _fits(provided: Relation, relation: Relation) -> bool:
    """Whether what a package provides fulfils a relation: one with a version needs a version.

    Spec: Debian Policy 4.7, section 7.5.
    """
    if provided.name != relation.name:
        return False
    return not relation.operator or (provided.operator == "=" and relation.allows(provided.version))


def _age(candidate: Candidate) -> VersionKey:
    return version_key(candidate.indexed.version)


def _provider_order(candidate: Candidate) -> tuple[bool, bool, int, str]:
    indexed = candidate.indexed
    priority = _PRIORITIES.index(indexed.priority) if indexed.priority in _PRIORITIES else len(_PRIORITIES)
    return (candidate.installed is None, indexed.essential.lower() != "yes", priority, indexed.name)
