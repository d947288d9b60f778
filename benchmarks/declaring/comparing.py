"""What is done step by step, and which targets there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.building.results import COLD, UNCHANGED
from benchmarks.building.targets import Ratio, seconds
from benchmarks.building.ways import OURS
from benchmarks.declaring import debian_ways
from benchmarks.declaring.debian_ways import IMPORTED, MMDEBSTRAP
from benchmarks.declaring.requirement_ways import PIP
from benchmarks.measure import Measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.building.results import Results
    from benchmarks.building.scenarios import Bench
    from benchmarks.building.services import Registry, RunningEngine
    from benchmarks.building.targets import Outcome
    from benchmarks.declaring.debian import Archives, PackageSet
    from benchmarks.declaring.mirror import Mirror
    from benchmarks.declaring.requirement_ways import Way
    from benchmarks.declaring.requirements import Project

DOWNLOADED = "cold, downloads there"
PROGRAM = "program changed"
REQUIREMENT = "one requirement updated"
PACKAGE = "one package updated"
SCENARIOS = (COLD, DOWNLOADED, REQUIREMENT, PACKAGE, PROGRAM, UNCHANGED)
_TAR, _PUSHED = "as a tar", "pushed"

_RATIOS = (
    Ratio(COLD, PIP, PIP, 8, seconds, "s", faster=True),
    Ratio(REQUIREMENT, PIP, PIP, 50, seconds, "s", faster=True),
    Ratio(PROGRAM, PIP, PIP, 50, seconds, "s", faster=True),
    Ratio(COLD, MMDEBSTRAP, MMDEBSTRAP, 5, seconds, "s", faster=True),
)


def outcomes(results: Results) -> Iterator[Outcome]:
    """Every target that something was measured for."""
    cores = max((result.cores for result in results.of()), default=0)
    for environment in dict.fromkeys(result.environment for result in results.of()):
        yield from (found for ratio in _RATIOS if (found := ratio.outcome(results, environment, cores)))


def tables(results: Results) -> Iterator[tuple[str, str]]:
    """What was built, and in which scenario, in the order of reports."""
    for environment in dict.fromkeys(result.environment for result in results.of()):
        yield from ((environment, scenario) for scenario in SCENARIOS)


@dataclass(frozen=True)
class Comparison:
    """Measures, and says when something of the network was needed meanwhile.

    Attributes:
        bench: Where it is measured.
        mirror: Where packages come from.
        warn: Told about figures that have the network in them.
    """

    bench: Bench
    mirror: Mirror
    warn: Callable[[str], None]

    def requirements(self, project: Project, way: Way) -> None:
        """All scenarios of one way from requirements to an image, one after the other."""
        steps = (
            (COLD, project.before, 1),
            (UNCHANGED, project.before, 1),
            (PROGRAM, project.changed, 2),
            (REQUIREMENT, project.updated, 3),
        )
        with self.bench.folder() as folder:
            way.begin(folder)
            with self.bench.registry() as room:
                for scenario, state, tag in steps:
                    do = partial(way.build, state, base=room.base, target=f"{room.address}/image:{tag}")
                    self._keep(scenario, project.name, way.title, do, room)
            if way.keeps_downloads:
                way.forget_layers()
                with self.bench.registry() as room:
                    do = partial(way.build, project.before, base=room.base, target=f"{room.address}/image:1")
                    self._keep(DOWNLOADED, project.name, way.title, do, room)

    def debian_tar(self, packages: PackageSet, archives: Archives) -> None:
        """All scenarios of Debian packages by docker-envs to a tar."""
        name = f"{packages.name}, {_TAR}"
        with self.bench.folder() as folder, self.bench.registry() as room:
            way = debian_ways.Ours(packages, folder)
            for scenario, lines in ((COLD, archives.lines), (DOWNLOADED, archives.lines), (PACKAGE, archives.updated)):
                if scenario == DOWNLOADED:
                    way.forget_layers()
                self._keep(scenario, name, OURS, partial(way.tar, lines), room)

    def debian_pushed(self, packages: PackageSet, archives: Archives) -> None:
        """All scenarios of Debian packages by docker-envs to a registry."""
        name = f"{packages.name}, {_PUSHED}"
        with self.bench.folder() as folder:
            way = debian_ways.Ours(packages, folder)
            with self.bench.registry() as room:
                for scenario, lines in (
                    (COLD, archives.lines),
                    (UNCHANGED, archives.lines),
                    (PACKAGE, archives.updated),
                ):
                    do = partial(way.push, lines, f"{room.address}/image:{len(lines)}")
                    self._keep(scenario, name, OURS, do, room)
            way.forget_layers()
            with self.bench.registry() as room:
                self._keep(DOWNLOADED, name, OURS, partial(way.push, archives.lines, f"{room.address}/image:1"), room)

    def debian_bootstrap(self, packages: PackageSet, archives: Archives, engine: RunningEngine | None) -> None:
        """The same by mmdebstrap, and then to a registry by way of an engine."""
        tar, pushed = (f"{packages.name}, {end}" for end in (_TAR, _PUSHED))
        with self.bench.folder() as folder, self.bench.registry() as room:
            way = debian_ways.Bootstrap(packages, folder)
            steps = ((COLD, archives.lines, None), (DOWNLOADED, archives.lines, archives))
            for number, (scenario, lines, kept) in enumerate((*steps, (PACKAGE, archives.updated, archives))):
                made: list[Measured] = []
                self._keep(scenario, tar, MMDEBSTRAP, partial(_noted, partial(way.tar, lines, kept), made), room)
                if engine:
                    push = partial(way.push, engine, f"{room.address}/image:{number}")
                    self._keep(scenario, pushed, IMPORTED, partial(_after, made[0], push), room)

    def _keep(self, scenario: str, name: str, title: str, do: Callable[[], Measured], room: Registry) -> None:
        before = self.mirror.count()
        self.bench.keep(scenario, name, title, do, room)
        if missed := self.mirror.count() - before:
            self.warn(f"{missed} pages of the network are in the figures of: {scenario}, {name}, {title}")


def _noted(do: Callable[[], Measured], notes: list[Measured]) -> Measured:
    notes.append(do())
    return notes[-1]


def _after(first: Measured, do: Callable[[], Measured]) -> Measured:
    """Something after something that was measured already, as one."""
    second = do()
    return Measured(
        first.seconds + second.seconds,
        max(first.peak_memory, second.peak_memory),
        second.stdout,
        first.cpu_seconds + second.cpu_seconds,
        first.watching + second.watching,
    )
