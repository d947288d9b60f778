"""How all wheels of an environment are installed together, and beside what is there, decided before layers; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.environments.bytecode import CompilePolicy, choose_interpreter
from docker_envs.environments.clobber import Clobber, find_clobbers
from docker_envs.environments.filters import Filter, Saving, filtered_paths
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.environments.pypi.planned import PlannedWheel, ReadWheel
from docker_envs.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from docker_envs.environments.planned import PlannedPackage


@dataclass(frozen=True, slots=True)
class PypiEnvironment:
    """The wheels of an environment, and what is worth knowing about them together.

    Attributes:
        packages: By name.
        clobbers: Paths that several wheels bring.
        findings: What their lists of files show.
        savings: What each filter that was asked for leaves out.
    """

    packages: tuple[PlannedWheel, ...] = ()
    clobbers: tuple[Clobber, ...] = ()
    findings: tuple[Finding, ...] = ()
    savings: tuple[Saving, ...] = ()

    @property
    def is_compiled(self) -> bool:
        """Whether anything gets bytecode."""
        return any(package.interpreter for package in self.packages)


def plan_wheels(
    wheels: Sequence[ReadWheel],
    *,
    beside: Sequence[PlannedPackage] = (),
    owners: Mapping[str, str] | None = None,
    taken: Mapping[str, str] | None = None,
    filters: Collection[Filter] = (),
    compiling: CompilePolicy = CompilePolicy.NEVER,
) -> PypiEnvironment:
    """Decide what of each wheel is installed.

    Of a path of several wheels, the file of the last by name is there, as with any other order that is always the same;
    the others' layers and `RECORD` lack it.

    Args:
        wheels: All of one environment.
        beside: Packages of other kinds, which keep all of their files.
        owners: Qualified names of those that bring distributions, by the distributions' names.
        taken: Who has a file already, for messages, by path in the image.
        filters: What is left out.
        compiling: Whether modules get bytecode.

    Raises:
        BuildError: A wheel has a path of a package of another kind, or one that is taken; or there is nothing to
            compile with.
    """
    planned = [
        PlannedWheel(read, owners or {}, _filtered(read, filters))
        for read in sorted(wheels, key=lambda read: read.package.name)
    ]
    _check_beside(planned, beside)
    _check_taken(planned, taken or {})
    clobbers = find_clobbers([(each.name, list(each.files())) for each in planned])
    dropped: dict[str, set[str]] = {}
    for clobber in clobbers:
        for loser in clobber.losers:
            dropped.setdefault(loser, set()).add(clobber.path)
    interpreter = choose_interpreter(compiling, planned[0].read.installation) if planned else None
    final = tuple(
        replace(each, dropped=frozenset(dropped.get(each.name, ())), interpreter=interpreter) for each in planned
    )
    return PypiEnvironment(final, tuple(clobbers), tuple(_findings(clobbers)), tuple(_savings(final, filters)))


def _filtered(read: ReadWheel, filters: Collection[Filter]) -> dict[str, Filter]:
    root = f"{read.installation.prefix[1:]}/"
    metadata = f"{read.metadata_folder}/"
    paths = [path.removeprefix(root) for path in read.files]
    # Licences, and what says that the distribution is there.
    found = {path: each for path, each in filtered_paths(paths, filters).items() if not path.startswith(metadata)}
    return {f"{root}{path}": each for path, each in found.items()}


def _check_beside(wheels: Sequence[PlannedWheel], beside: Sequence[PlannedPackage]) -> None:
    if not wheels or not beside:
        return
    others = [(each.qualified_name, list(each.files())) for each in beside]
    shown = {each.qualified_name: each.display_name for each in (*beside, *wheels)}
    own = {each.qualified_name for each in wheels}
    for clobber in find_clobbers([*others, *((each.qualified_name, list(each.files())) for each in wheels)]):
        names = (clobber.winner, *clobber.losers)
        wheel, other = (next((name for name in names if (name in own) is mine), None) for mine in (True, False))
        if wheel is not None and other is not None:
            raise BuildError(
                f"`{shown[wheel]}` and `{shown[other]}` both have `/{clobber.path}`",
                hint=f"take what `{shown[wheel]}` brings from conda instead, or leave one of them out",
            )


def _check_taken(wheels: Sequence[PlannedWheel], taken: Mapping[str, str]) -> None:
    for wheel in wheels:
        for path in wheel.files():
            if path in taken:
                raise BuildError(
                    f"`{wheel.display_name}` and {taken[path]} both have `/{path}`",
                    hint="use `--python-layout venv`, which keeps them apart",
                )


def _findings(clobbers: Sequence[Clobber]) -> Iterator[Finding]:
    for clobber in clobbers:
        losers = ", ".join(f"`{name}`" for name in clobber.losers)
        yield Finding(
            FindingKind.CLOBBER, clobber.winner, clobber.path, f"takes the place of what is there in {losers}"
        )


def _savings(wheels: Sequence[PlannedWheel], filters: Collection[Filter]) -> Iterator[Saving]:
    files: Counter[Filter] = Counter()
    sizes: Counter[Filter] = Counter()
    for wheel in wheels:
        for path, each in wheel.filtered.items():
            files[each] += 1
            sizes[each] += wheel.read.files[path]
    for each in Filter:
        if each in filters and wheels:
            yield Saving(each, files[each], sizes[each])
