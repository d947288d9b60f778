"""How many bytes an update costs, by how packages are distributed over layers: a simulation.

Nothing is built. Packages have names, sizes and dependencies, from a channel (`--channel`) or generated; their recipes
are released at random, each at its own rate. Environments are rebuilt, and bytes are counted where a layer is new: in
a registry, which knows blobs, and in an engine, which knows a layer only on top of the same layers (its ChainID). The
assumptions stand as constants in `benchmarks/histories.py`.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.histories import (
    Channel,
    History,
    Release,
    generate_channel,
    generate_environments,
    read_channel,
    read_environments,
)
from benchmarks.planner_plot import plot
from docker_envs.planner.layering import SizedPackage, group_packages

#: Layers for packages: the default of 64, and a base of one.
BUDGET = 63
_DAY = 86_400_000
#: Days before the history begins that are surely before any release.
_EARLY = 100_000

Layers = list[list[Release]]
Strategy = Callable[[Sequence[Release], Mapping[str, int]], Layers]

#: What is counted, with what it means.
COLUMNS = {
    "push_update": "pushed after one update",
    "push_weekly": "pushed by a weekly rebuild",
    "registry": "in the registry, all environments",
    "engine_update": "pulled after one update",
    "engine_weekly": "pulled by an engine, weekly",
}
OURS = "docker-envs"


def one_layer(packages: Sequence[Release], _: Mapping[str, int]) -> Layers:
    return [list(packages)]


def per_package(packages: Sequence[Release], _: Mapping[str, int]) -> Layers:
    """In topological order; those beyond the budget together."""
    return _cut(list(packages))


def size_greedy(packages: Sequence[Release], _: Mapping[str, int]) -> Layers:
    """The largest first; those beyond the budget together."""
    return _cut(sorted(packages, key=lambda each: (-each.size, each.name)))


def popularity(packages: Sequence[Release], popular: Mapping[str, int]) -> Layers:
    """By size times popularity, as Nixery does after its grouping; those beyond the budget together."""
    return _cut(sorted(packages, key=lambda each: (-each.size * popular[each.name], each.name)))


def _cut(ordered: list[Release]) -> Layers:
    if len(ordered) <= BUDGET:
        return [[each] for each in ordered]
    return [*([each] for each in ordered[: BUDGET - 1]), sorted(ordered[BUDGET - 1 :], key=lambda each: each.name)]


def ours(packages: Sequence[Release], _: Mapping[str, int]) -> Layers:
    by_name = {each.name: each for each in packages}
    sized = [SizedPackage(each.name, each.size, each.depends, int((each.day + _EARLY) * _DAY)) for each in packages]
    return [[by_name[name] for name in group.names] for group in group_packages(sized, budget=BUDGET)]


STRATEGIES: dict[str, Strategy] = {
    "one layer": one_layer,
    "per package": per_package,
    "size": size_greedy,
    "popularity": popularity,
    OURS: ours,
}


@dataclass(frozen=True, slots=True)
class Workload:
    """Environments of a channel, and a seed for its history."""

    name: str
    channel: Channel
    environments: dict[str, tuple[str, ...]]
    seed: int


class Registry:
    """Counts the bytes of layers that it has not seen."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def push(self, layers: Layers) -> int:
        """Bytes of new layers, which are known from now on."""
        return sum(_size(layer) for layer in layers if self._is_new(_identity(layer)))

    def _is_new(self, identity: int) -> bool:
        new = identity not in self._seen
        self._seen.add(identity)
        return new


class Engine(Registry):
    """Counts the bytes of layers that it has not seen on top of the same layers."""

    def push(self, layers: Layers) -> int:
        """Bytes of new layers, which are known from now on."""
        total, chain = 0, 0
        for layer in layers:
            chain = hash((chain, _identity(layer)))
            total += _size(layer) * self._is_new(chain)
        return total


def _size(layer: list[Release]) -> int:
    return sum(each.size for each in layer)


def _identity(layer: list[Release]) -> int:
    return hash(tuple((each.name, each.version) for each in layer))


def _sent(place: Registry, before: Layers, after: Layers) -> int:
    place.push(before)
    return place.push(after)


def simulate(workload: Workload, strategy: Strategy, *, weeks: int, updates: int) -> dict[str, float]:
    """The columns, in bytes for an image (`registry`: for all), and `engine_first`: the first pulls alone."""
    popular = workload.channel.popularity()
    environments = list(workload.environments.values())
    history = History.begin(workload.channel, seed=workload.seed)
    registry, engine = Registry(), Engine()

    def layers(names: Sequence[str], changed: Mapping[str, Release] | None = None) -> Layers:
        return strategy([(changed or {}).get(name) or history.current[name] for name in names], popular)

    first = [layers(names) for names in environments]
    unique = sum(registry.push(each) for each in first)
    pulled = first_pulls = sum(engine.push(each) for each in first)
    chance = random.Random(f"updates {workload.seed}")
    push_update = engine_update = 0
    for names, before in zip(environments, first, strict=True):
        for _ in range(updates):
            after = layers(names, history.choose_update(names, chance))
            push_update += _sent(Registry(), before, after)
            engine_update += _sent(Engine(), before, after)
    history = History.begin(workload.channel, seed=workload.seed)
    pushed = 0
    for _ in range(weeks):
        history.advance(7)
        for names in environments:
            rebuilt = layers(names)
            pushed += registry.push(rebuilt)
            pulled += engine.push(rebuilt)
    count = len(environments)
    return {
        "push_update": push_update / count / updates,
        "push_weekly": pushed / count / weeks,
        "registry": unique,
        "engine_update": engine_update / count / updates,
        "engine_weekly": pulled / count / (weeks + 1),
        "engine_first": first_pulls / count,
    }


def generated_workloads(*, channels: int, packages: int, environments: int, seed: int = 0) -> list[Workload]:
    """Workloads of generated channels."""
    found = []
    for number in range(seed, seed + channels):
        channel = generate_channel(packages, seed=number)
        made = generate_environments(channel, environments, seed=number)
        found.append(Workload(f"generated {number}", channel, made, number))
    return found


def channel_workloads(folder: Path, environments: Path | None, *, count: int) -> list[Workload]:
    """A channel's own environments, and generated ones of its packages."""
    channel = read_channel(folder)
    found = [Workload("channel, generated environments", channel, generate_environments(channel, count, seed=0), 0)]
    if environments is not None:
        found.insert(0, Workload("channel", channel, read_environments(environments, channel), 0))
    return found


def compare(workloads: Sequence[Workload], *, weeks: int, updates: int) -> dict[str, dict[str, float]]:
    """The columns of each strategy, added up over the workloads."""
    totals: dict[str, dict[str, float]] = {name: {} for name in STRATEGIES}
    for workload in workloads:
        for name, strategy in STRATEGIES.items():
            for column, value in simulate(workload, strategy, weeks=weeks, updates=updates).items():
                totals[name][column] = totals[name].get(column, 0) + value
    return totals


def table(results: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: megabytes, and how many times the least of the column."""
    least = {column: min(row[column] for row in results.values()) for column in COLUMNS}
    lines = [f"| strategy | {' | '.join(COLUMNS.values())} |", f"|---|{'---:|' * len(COLUMNS)}"]
    for name, row in results.items():
        cells = [f"{row[column] / 1e6:,.1f} MB ({row[column] / least[column]:.2f})" for column in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare ways to distribute packages over layers.")
    parser.add_argument("--channel", type=Path, help="folder of a conda channel, besides generated ones")
    parser.add_argument("--environments", type=Path, help="folder of environment files for that channel")
    parser.add_argument("--channels", type=int, default=8, help="generated channels")
    parser.add_argument("--packages", type=int, default=600, help="packages of each generated channel")
    parser.add_argument("--count", type=int, default=20, help="generated environments of each channel")
    parser.add_argument("--weeks", type=int, default=26)
    parser.add_argument("--updates", type=int, default=20, help="single updates of each environment")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--svg", type=Path, help="where to write a plot")
    arguments = parser.parse_args()
    workloads = generated_workloads(
        channels=arguments.channels, packages=arguments.packages, environments=arguments.count, seed=arguments.seed
    )
    if arguments.channel is not None:
        workloads = [*channel_workloads(arguments.channel, arguments.environments, count=arguments.count), *workloads]
    parts = []
    for workload in workloads:
        parts.append(compare([workload], weeks=arguments.weeks, updates=arguments.updates))
        sizes = sorted(map(len, workload.environments.values()))
        print(f"{workload.name}: {len(sizes)} environments of {sizes[0]} to {sizes[-1]} packages")
        print(f"\n{table(parts[-1])}\n")
    results = {
        name: {column: sum(part[name][column] for part in parts) / len(parts) for column in parts[0][name]}
        for name in STRATEGIES
    }
    print(f"mean of {len(parts)}\n\n{table(results)}\n")
    firsts = (f"{name} {row['engine_first'] / 1e6:,.1f} MB" for name, row in results.items())
    print(f"an engine's first pulls alone: {', '.join(firsts)}")
    if arguments.svg is not None:
        arguments.svg.write_text(plot(results, COLUMNS, ours=OURS))


if __name__ == "__main__":
    main()
