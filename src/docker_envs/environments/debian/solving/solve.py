"""Declared packages to chosen ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.debian.declarations.declaration import Seed
from docker_envs.environments.debian.relations import Clause, Relation
from docker_envs.environments.debian.solving.explanation import explain
from docker_envs.environments.debian.solving.pool import Option, Pool
from docker_envs.environments.debian.solving.preferences import prefer
from docker_envs.environments.debian.solving.problem import Problem, UnsolvableError
from docker_envs.errors import SolveError
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.environments.debian.declarations.request import PackageRequest
    from docker_envs.environments.debian.indexing.index import AvailablePackage, PackageIndex
    from docker_envs.environments.debian.package import DebianPackage
    from docker_envs.environments.debian.solving.installed import InstalledPackage
    from docker_envs.environments.debian.solving.pool import Candidate

Root = tuple[str, tuple[Option, ...]]

#: What merges `/bin` and its like into `/usr`, and what says that this was done; packages need one of them.
_MERGING, _MERGED = "usrmerge", "usr-is-merged"


@dataclass(frozen=True, slots=True)
class Solution:
    """What has to be put onto a base.

    Attributes:
        packages: What is new or of another version than in the base, sorted by name.
        replaced: Packages of the base in whose place another version comes, sorted by name.
        requested: Names of the packages that were asked for, as opposed to what these need; sorted.
    """

    packages: tuple[DebianPackage, ...]
    replaced: tuple[InstalledPackage, ...]
    requested: tuple[str, ...]


def solve(
    requests: Sequence[PackageRequest],
    index: PackageIndex,
    *,
    installed: Sequence[InstalledPackage] = (),
    seed: Seed = Seed.NONE,
    recommends: bool = False,
    locked: Mapping[str, str] | None = None,
) -> Solution:
    """Choose packages whose relations all hold.

    Packages of the base stay, and stay as they are, unless they are asked for or something needs another version.

    Args:
        requests: What is asked for.
        index: What archives offer.
        installed: What the base has.
        seed: What is added without being asked for; for bases without packages.
        recommends: Whether what packages recommend is added, as far as it can be.
        locked: Versions by name that are chosen wherever they fit, even where there are newer ones.

    Raises:
        SolveError: A package is not known, or nothing fits; the message explains why.
        FormatError: An index is malformed.
    """
    return _Solving(requests, index, installed, seed, locked or {}).run(recommends=recommends)


class _Solving:
    def __init__(
        self,
        requests: Sequence[PackageRequest],
        index: PackageIndex,
        installed: Sequence[InstalledPackage],
        seed: Seed,
        locked: Mapping[str, str],
    ) -> None:
        self._requests = requests
        self._index = index
        self._seed = seed
        self._pool = Pool(index, installed, self._is_wanted, locked)

    def run(self, *, recommends: bool) -> Solution:
        asked = [self._root(request) for request in self._requests]
        seeded = [self._seed_root(name) for name in _seeded(self._seed, self._index)]
        kept = [self._by_name(name) for name in self._pool.installed]
        chosen = self._choose([*asked, *seeded], kept)
        if self._seed is not Seed.NONE and any(each.name == _MERGING for each in chosen):
            # A system that is made from nothing is merged from the start, and needs no program (and no Perl) for that.
            seeded += [self._by_name(_MERGED)] if self._pool.candidates(_MERGED) else []
            chosen = self._choose([*asked, *seeded], kept)
        if recommends:
            chosen = self._with_recommended([*asked, *seeded], kept, chosen)
        new = [each for each in chosen if each.installed is None]
        names = {each.name for each in new}
        wanted = {option.name for _, options in asked for option in options}
        return Solution(
            packages=tuple(each.available.chosen() for each in new if each.available is not None),
            replaced=tuple(package for name, package in sorted(self._pool.installed.items()) if name in names),
            requested=tuple(sorted(wanted)),
        )

    def _choose(self, roots: Sequence[Root], kept: Sequence[Root]) -> list[Candidate]:
        preferred = prefer(self._pool, [options for _, options in roots])
        # Nearly always what is preferred fits together. Only otherwise is it worth looking at all there is.
        for within in (frozenset(preferred), None):
            problem = Problem(self._pool, preferred, within)
            try:
                found = problem.solve([*roots, *kept])
            except UnsolvableError as error:
                if within is None:
                    raise SolveError(explain(str(error), problem.texts, self._pool)) from error
            else:
                return sorted(found, key=lambda each: each.name)
        raise AssertionError("unreachable")

    def _with_recommended(
        self, roots: Sequence[Root], kept: Sequence[Root], chosen: list[Candidate]
    ) -> list[Candidate]:
        """What new packages recommend, and what those recommend in turn; what does not fit is left out."""
        roots, seen = list(roots), set[str]()
        while True:
            wanted = [
                (str(clause), options)
                for candidate in chosen
                if candidate.installed is None
                for clause, options in self._pool.recommends(candidate)
                if str(clause) not in seen and options
            ]
            seen |= {text for text, _ in wanted}
            missing = [root for root in wanted if not _holds(root, chosen)]
            if not missing:
                return chosen
            try:
                chosen = self._choose([*roots, *missing], kept)
                roots += missing
            except SolveError:
                for root in missing:
                    try:
                        chosen = self._choose([*roots, root], kept)
                        roots.append(root)
                    except SolveError:
                        continue

    def _root(self, request: PackageRequest) -> Root:
        """The options that fulfil a request.

        Raises:
            SolveError: There are none, or it is a virtual package with several providers.
        """
        if request.architecture not in ("", self._index.architecture, "all"):
            raise SolveError(
                f"package `{request}` is for another architecture than the image, `{self._index.architecture}`",
                hint="leave out the architecture, or choose another with `--platform`",
            )
        real = self._pool.candidates(request.name)
        fitting = tuple(each for each in real if self._allows(request, each))
        if fitting:
            return str(request), (Option(fitting),)
        if real:
            raise SolveError(
                f"no version of `{request.name}` is what `{request}` asks for",
                hint=f"there is {', '.join(f'`{each.indexed.version}`' for each in reversed(real))}",
            )
        options = self._pool.options(Clause((Relation(request.name),)))
        if len(options) == 1 and not request.version and not request.suite:
            return str(request), options
        if options:
            raise SolveError(
                f"`{request.name}` is a virtual package",
                hint=f"choose one that provides it: {', '.join(f'`{option.name}`' for option in options)}",
            )
        raise SolveError(
            f"there is no package `{request.name}` for `{self._index.architecture}` in the archives",
            hint=_nearest(request.name, self._index),
        )

    def _seed_root(self, name: str) -> Root:
        """As `_by_name`.

        Raises:
            SolveError: No archive has it.
        """
        if not self._pool.candidates(name):
            raise SolveError(
                f"no archive has `{name}`, which is in every system that is made with the seed `{self._seed}`",
                hint="add the archive of a distribution, or choose another seed (`none` has no package)",
            )
        return self._by_name(name)

    def _by_name(self, name: str) -> Root:
        return name, (Option(self._pool.candidates(name)),)

    def _allows(self, request: PackageRequest, candidate: Candidate) -> bool:
        suites = candidate.available.suites if candidate.available else ()
        return request.allows(candidate.indexed.version) and request.suite in ("", *suites)

    def _is_wanted(self, package: AvailablePackage) -> bool:
        return any(
            request.name == package.indexed.name
            and (request.version or request.suite)
            and request.allows(package.indexed.version)
            and request.suite in ("", *package.suites)
            for request in self._requests
        )


def _seeded(seed: Seed, index: PackageIndex) -> tuple[str, ...]:
    """Names of packages that are there without being asked for."""
    if seed is Seed.NONE:
        return ()
    if seed is Seed.BASE:
        return ("base-files",)
    names = {*index.essential, *(index.required if seed is Seed.REQUIRED else ())}
    return tuple(sorted(names | ({"apt"} if seed is not Seed.ESSENTIAL else set())))


def _holds(root: Root, chosen: Sequence[Candidate]) -> bool:
    there = set(chosen)
    return any(candidate in there for option in root[1] for candidate in option.candidates)


def _nearest(name: str, index: PackageIndex) -> str:
    """A hint; all known names would be too many."""
    hint = suggest(name, index.names)
    return hint if hint.startswith("did") else "check its name, and the components of the sources"
