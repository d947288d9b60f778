"""The simulation that chose the planner's constants, at a small size."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from benchmarks import planner
from benchmarks.histories import History, generate_channel, generate_environments, read_channel, read_environments
from benchmarks.planner import BUDGET, COLUMNS, OURS, STRATEGIES, Engine, Registry, Workload, compare

from tests.packages.build import write_environment

if TYPE_CHECKING:
    from pathlib import Path


def test_ours_is_best_or_tied_in_each_column() -> None:
    """Within one per cent. Smaller samples vary by more than strategies differ, so the seed matters."""
    workloads = planner.generated_workloads(channels=8, packages=400, environments=8, seed=20)
    results = compare(workloads, weeks=8, updates=6)
    for column in COLUMNS:
        best = min(row[column] for name, row in results.items() if name != OURS)
        assert results[OURS][column] <= best * 1.01, column


def test_an_update_of_a_large_environment_costs_far_less() -> None:
    channel = generate_channel(400, seed=1)
    workload = Workload("all", channel, {"all": tuple(channel.releases)}, 1)
    results = compare([workload], weeks=4, updates=60)
    for column in ("push_update", "engine_update"):
        best = min(row[column] for name, row in results.items() if name != OURS)
        assert results[OURS][column] < best * 0.75, column
    for column in ("push_weekly", "registry"):
        best = min(row[column] for name, row in results.items() if name != OURS)
        assert results[OURS][column] < best * 1.03, column


@pytest.mark.parametrize("name", STRATEGIES)
def test_strategies_keep_to_the_budget(name: str) -> None:
    channel = generate_channel(150, seed=3)
    releases = list(History.begin(channel, seed=3).current.values())
    popular = channel.popularity()
    for some in (releases[:20], releases):
        layers = STRATEGIES[name](some, popular)
        assert len(layers) <= BUDGET
        assert sorted(each.name for layer in layers for each in layer) == sorted(each.name for each in some)


def test_generated_things_are_the_same_again() -> None:
    one, two = generate_channel(100, seed=5), generate_channel(100, seed=5)
    assert one == two
    assert one != generate_channel(100, seed=6)
    assert generate_environments(one, 4, seed=1) == generate_environments(two, 4, seed=1)
    histories = [History.begin(one, seed=1) for _ in range(2)]
    for history in histories:
        history.advance(30)
    assert histories[0].current == histories[1].current != History.begin(one, seed=1).current


def test_recipes_are_released_as_one() -> None:
    history = History.begin(generate_channel(200, seed=2), seed=2)
    history.advance(200)
    by_recipe: dict[str, set[int]] = {}
    for each in history.current.values():
        by_recipe.setdefault(each.recipe, set()).add(each.version)
    assert len(by_recipe) < len(history.current)
    assert {len(versions) for versions in by_recipe.values()} == {1}


def test_an_engine_knows_a_layer_only_on_top_of_the_same() -> None:
    low, high, other = ([each] for each in list(generate_channel(3, seed=1).releases.values())[:3])
    registry, engine = Registry(), Engine()
    for place in (registry, engine):
        assert place.push([low, high]) == low[0].size + high[0].size
        assert place.push([low, high]) == 0
    assert registry.push([other, high]) == other[0].size
    assert engine.push([other, high]) == other[0].size + high[0].size
    assert engine.push([low, other]) == other[0].size


def test_a_channel_is_read(channel: Path, tmp_path: Path) -> None:
    found = read_channel(channel)
    assert found.closure(["hello-sh"]) == ("greeting", "hello-sh")
    assert found.releases["hello-sh"].size > 100
    write_environment(tmp_path / "one.yml", channel, "python", "hello-sh")
    write_environment(tmp_path / "without-python.yml", channel, "hello-sh")
    ((name, packages),) = read_environments(tmp_path, found).items()
    assert name == "one"
    assert {"python", "hello-sh", "greeting"} <= set(packages)


def test_the_program(
    tmp_path: Path, channel: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_environment(tmp_path / "one.yml", channel, "python", "hello-sh")
    plot = tmp_path / "plot.svg"
    size = ["--channels", "1", "--packages", "80", "--count", "2", "--weeks", "1", "--updates", "1"]
    files = ["--channel", str(channel), "--environments", str(tmp_path), "--svg", str(plot)]
    monkeypatch.setattr(sys, "argv", ["planner", *size, *files])
    planner.main()
    printed = capsys.readouterr().out
    assert "channel: 1 environments of " in printed
    assert "mean of 3" in printed
    assert printed.count(f"| {OURS} | ") == 4
    texts = [each.text for each in ET.parse(plot).iter() if each.tag.endswith("}text")]
    assert set(COLUMNS.values()) <= set(texts)
    assert texts.count(OURS) == len(COLUMNS)
