"""The targets that the project set itself, and whether they are met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.building.results import CACHE, COLD, LEAF, UNCHANGED
from benchmarks.building.ways import DOCKER, LIMIT, OURS, START

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.building.results import Result, Results
    from benchmarks.building.scenarios import BaseRead

MB = 1_000_000
_MEMORY = 300 * MB
_SECOND = 1.0


@dataclass(frozen=True)
class Outcome:
    """One line of the table of targets.

    Attributes:
        job: What was done.
        against: What it is compared with.
        ours: As text.
        theirs: As text.
        figure: The ratio, or what else is judged.
        target: What it should be.
        met: Whether it is.
    """

    job: str
    against: str
    ours: str
    theirs: str
    figure: str
    target: str
    met: bool


@dataclass(frozen=True)
class Ratio:
    """A target for how two ways compare; `faster` has theirs above ours in the ratio."""

    scenario: str
    way: str
    against: str
    limit: float
    value: Callable[[Result], float]
    unit: str
    faster: bool

    def outcome(self, results: Results, environment: str, cores: int) -> Outcome | None:
        """Whether it is met; None where either way was not measured."""
        found = [
            result
            for way in (OURS, self.way)
            for result in results.of(self.scenario, environment=environment, cores=cores)
            if result.way.startswith(way)
        ]
        if len(found) != 2:
            return None
        ours, theirs = (self.value(result) for result in found)
        ratio = theirs / ours if self.faster else ours / theirs
        text = f"{'≥' if self.faster else '≤'} {self.limit:g} x"
        met = ratio >= self.limit if self.faster else ratio <= self.limit
        job = f"{self.scenario}, {environment}"
        return Outcome(job, self.against, self._show(ours), self._show(theirs), f"{ratio:.1f} x", text, met)

    def _show(self, value: float) -> str:
        return f"{value:.2f} s" if self.unit == "s" else megabytes(value)


def megabytes(value: float) -> str:
    """Bytes as people read them."""
    return f"{value / MB:.2f} MB" if value < 10 * MB else f"{value / MB:,.0f} MB"


def seconds(result: Result) -> float:
    """What took how long."""
    return result.seconds


def _moved(result: Result) -> float:
    return result.moved


_RATIOS = (
    Ratio(COLD, DOCKER, DOCKER, 20, seconds, "s", faster=True),
    Ratio(COLD, "rattler install, tar", "directory, tar, gzip, append", 6, seconds, "s", faster=True),
    Ratio(COLD, LIMIT, "decompression, SHA-256, compression", 1.3, seconds, "s", faster=False),
    Ratio(LEAF, DOCKER, DOCKER, 50, seconds, "s", faster=True),
    Ratio(LEAF, DOCKER, "its bytes at the registry", 50, _moved, "bytes", faster=True),
    Ratio(UNCHANGED, START, START, 3, seconds, "s", faster=False),
)


def outcomes(results: Results, sizes: dict[str, int], base: BaseRead | None) -> Iterator[Outcome]:
    """Every target that something was measured for.

    Args:
        results: What was measured.
        sizes: Of the archives of each environment, in bytes.
        base: What was read of a big base.
    """
    cores = max((result.cores for result in results.of()), default=0)
    for environment in sizes:
        found = (ratio.outcome(results, environment, cores) for ratio in _RATIOS)
        yield from (outcome for outcome in found if outcome)
        for result in results.of(UNCHANGED, environment=environment, way=OURS, cores=cores):
            job = f"{UNCHANGED}, {environment}"
            text = f"{result.seconds:.2f} s"
            yield Outcome(job, "", text, "", text, "< 1 s", result.seconds < _SECOND)
        yield from _cache(results, environment)
    if base:
        share = base.read / base.documents
        theirs = f"{base.documents:,} bytes"
        job = f"build on a base of {megabytes(base.size)}"
        against = "manifest + config of the base"
        yield Outcome(job, against, f"{base.read:,} bytes", theirs, f"{share:.2f} x", "≤ 1 x", share <= 1)
    yield from _memory(results, sizes)


def _cache(results: Results, environment: str) -> Iterator[Outcome]:
    if environment in results.cached:
        moved, size = results.cached[environment]
        text = f"{moved:,} bytes"
        yield Outcome(
            f"{CACHE}, {environment}", "bytes of all layers", text, megabytes(size), text, "0 bytes", not moved
        )


def _memory(results: Results, sizes: dict[str, int]) -> Iterator[Outcome]:
    found = [result for result in results.of(COLD, way=OURS) if result.environment in sizes]
    if found:
        result = max(found, key=lambda each: (sizes[each.environment], each.cores))
        job = f"peak memory, {COLD}, {result.environment}"
        peak = megabytes(result.peak_memory)
        yield Outcome(job, "", peak, "", peak, "< 300 MB", result.peak_memory < _MEMORY)
