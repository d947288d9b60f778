"""The results as Markdown tables, and as JSON."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks.building.results import BASE, CACHE, COLD, LEAF, UNCHANGED
from benchmarks.building.targets import megabytes, outcomes
from benchmarks.building.ways import LIMIT, OURS, START

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from benchmarks.building.environment import Environment
    from benchmarks.building.results import Result, Results
    from benchmarks.building.scenarios import BaseRead
    from benchmarks.building.targets import Outcome

_OUTSIDE = (LIMIT, START)
_WAYS = ("way", "seconds", "against docker-envs", "processor time", "peak memory", "to the registry", "from it")


def markdown(results: Results, environments: Sequence[Environment], base: BaseRead | None) -> str:
    """All tables."""
    parts = [_targets(results, environments, base), _environments(environments)]
    compared = (COLD, LEAF, UNCHANGED, CACHE)
    parts += [ways_table(results, each.name, scenario) for each in environments for scenario in compared]
    parts += [_scaling(results, environments), _remarks(results)]
    return "\n\n".join(part for part in parts if part)


def document(results: Results, environments: Sequence[Environment], base: BaseRead | None) -> str:
    """Everything as JSON."""
    return json.dumps(
        {
            "machine": machine(),
            "environments": {
                each.name: {
                    "packages": each.packages,
                    "size": each.size,
                    "leaf": each.leaf,
                    "leaf_size": each.leaf_size,
                }
                for each in environments
            },
            "results": results.document(),
            "targets": [asdict(each) for each in outcomes(results, _sizes(environments), base)],
        },
        indent=2,
    )


def machine() -> dict[str, Any]:
    """Where it was measured, for JSON."""
    return {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}


def _sizes(environments: Sequence[Environment]) -> dict[str, int]:
    return {each.name: each.size for each in environments}


def _targets(results: Results, environments: Sequence[Environment], base: BaseRead | None) -> str:
    return targets_table(outcomes(results, _sizes(environments), base))


def targets_table(found: Iterable[Outcome]) -> str:
    """Which targets are met."""
    rows = [
        (each.job, each.against, each.ours, each.theirs, each.figure, each.target, "yes" if each.met else "no")
        for each in found
    ]
    return table(("job", "against", "docker-envs", "that", "figure", "target", "met"), rows, texts=2)


def _environments(environments: Sequence[Environment]) -> str:
    rows = [
        (each.name, str(each.packages), megabytes(each.size), f"{each.leaf} ({megabytes(each.leaf_size)})")
        for each in environments
    ]
    return table(("environment", "packages", "archives", "leaf that is updated"), rows)


def ways_table(results: Results, environment: str, scenario: str) -> str:
    """What each way took; empty where nothing was measured."""
    cores = max((result.cores for result in results.of()), default=0)
    found = results.of(scenario, environment=environment, cores=cores)
    if not found:
        return ""
    ours = next((result.seconds for result in found if result.way == OURS), None)
    return f"{scenario}, {environment}:\n\n" + table(_WAYS, [_way(result, ours) for result in found])


def _way(result: Result, ours: float | None) -> tuple[str, ...]:
    ratio = f"{result.seconds / ours:.1f}" if ours else ""
    processor = f"{result.middle(lambda sample: sample.cpu_seconds):.1f} s"
    if result.way in _OUTSIDE:
        return result.way, _seconds(result), ratio, processor, "", "", ""
    sent, received = result.middle(lambda sample: sample.sent), result.middle(lambda sample: sample.received)
    memory = megabytes(result.peak_memory)
    return result.way, _seconds(result), ratio, processor, memory, megabytes(sent), megabytes(received)


def _seconds(result: Result) -> str:
    times = sorted(sample.seconds for sample in result.samples)
    spread = f" ({times[0]:.2f} to {times[-1]:.2f})" if len(times) > 1 else ""
    return f"{result.seconds:.2f}{spread}"


def _scaling(results: Results, environments: Sequence[Environment]) -> str:
    """Ours against the limit by size and number of cores."""
    rows = [row for each in environments for row in _scaled(results, each)]
    heads = ("environment", "archives", "cores", "docker-envs", "limit", "against the limit", "MB/s", "peak memory")
    return table(heads, rows)


def _scaled(results: Results, environment: Environment) -> Iterator[tuple[str, ...]]:
    name = environment.name
    for ours in sorted(results.of(COLD, environment=name, way=OURS), key=lambda each: each.cores):
        for limit in results.of(COLD, environment=name, way=LIMIT, cores=ours.cores):
            size, ratio = megabytes(environment.size), ours.seconds / limit.seconds
            speed = environment.size / ours.seconds / 1e6
            times = (f"{ours.seconds:.2f} s", f"{limit.seconds:.2f} s", f"{ratio:.2f}", f"{speed:.0f}")
            yield (name, size, str(ours.cores), *times, megabytes(ours.peak_memory))


def _remarks(results: Results) -> str:
    """What does not fit into the tables."""
    shares = [sample.watching / sample.seconds for each in results.of() for sample in each.samples if each.way == OURS]
    big = results.of(BASE)
    built = "".join(f"On the big base, the build took {result.seconds:.2f} s. " for result in big)
    most = max(shares, default=0)
    return f"{built}Measuring took at most {most:.1%} of one core's time while docker-envs ran."


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, texts: int = 1) -> str:
    """A Markdown table; columns behind the first `texts` ones are set to the right. Empty without rows."""
    if not rows:
        return ""
    rule = "|" + "|".join("---" if number < texts else "---:" for number in range(len(heads))) + "|"
    return "\n".join((_row(heads), rule, *map(_row, rows)))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
