"""Channels as people name them, and how a solve sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.solving.channels import (
    ChannelPriority,
    channel_url,
    expand_channels,
    expand_variables,
    parse_channel,
)
from docker_envs.environments.conda.solving.solve import solve
from docker_envs.environments.conda.solving.solve_settings import SolveSettings, SolveStrategy
from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
from docker_envs.environments.conda.subdirs import parse_platform
from docker_envs.errors import InvalidInputError, SolveError, TransportError
from tests.packages.build import PackageSpec, write_channel
from tests.unit.environments.conda.support import AMD64, names

if TYPE_CHECKING:
    from pathlib import Path


def chosen(channels: list[str], *specs: str, cache: Path, settings: SolveSettings | None = None) -> list[str]:
    virtual = virtual_packages(AMD64)
    found = solve(channels, specs, platform=AMD64, virtual_packages=virtual, cache=cache, settings=settings)
    return [f"{package.display_name} {package.url.split('/')[-3]}" for package in found]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Channels `high` with version 1 and `low` with version 2 of a package, and what it needs."""
    folder = tmp_path_factory.mktemp("two")
    needed = PackageSpec("needed", "2.0")
    high = write_channel(folder / "high", [PackageSpec("tool", "1.0"), PackageSpec("needed", "1.0")])
    strict = PackageSpec("strict", depends=("needed >=2",))
    low = write_channel(folder / "low", [PackageSpec("tool", "2.0", depends=("needed",)), needed, strict])
    return high.as_uri(), low.as_uri()


def test_priority_decides_between_channels(two: tuple[str, str], tmp_path: Path) -> None:
    def versions(priority: ChannelPriority, spec: str) -> list[str]:
        return chosen(list(two), spec, cache=tmp_path, settings=SolveSettings(priority))

    assert versions(ChannelPriority.STRICT, "tool") == ["tool-1.0-0 high"]
    with pytest.raises(SolveError):
        versions(ChannelPriority.STRICT, "strict")
    assert versions(ChannelPriority.FLEXIBLE, "strict") == ["needed-2.0-0 low", "strict-1.0-0 low"]
    assert versions(ChannelPriority.FLEXIBLE, "tool") == ["tool-1.0-0 high"]
    assert "tool-2.0-0 low" in versions(ChannelPriority.FLEXIBLE, "tool >=2")
    assert versions(ChannelPriority.DISABLED, "tool") == ["needed-2.0-0 low", "tool-2.0-0 low"]


def test_settings_reach_the_solver(two: tuple[str, str], tmp_path: Path) -> None:
    free = ChannelPriority.DISABLED
    lowest = SolveSettings(free, SolveStrategy.LOWEST)
    assert chosen(list(two), "tool", cache=tmp_path, settings=lowest) == ["tool-1.0-0 high"]
    constrained = SolveSettings(free, constraints=("needed <2",))
    assert chosen(list(two), "tool", cache=tmp_path, settings=constrained) == ["needed-1.0-0 high", "tool-2.0-0 low"]


def test_a_spec_may_name_its_channel(two: tuple[str, str], tmp_path: Path) -> None:
    high, low = two
    assert "tool-2.0-0 low" in chosen([high, low], f"{low}::tool", cache=tmp_path)
    assert "tool-2.0-0 low" in chosen([high], f"{low}::tool", cache=tmp_path)
    # With strict priority, what the tool needs is that of the channel that was named first.
    assert "needed-1.0-0 high" in chosen([high], f"{low}::tool", cache=tmp_path)


def test_labels_are_parts_of_a_channel(two: tuple[str, str]) -> None:
    assert channel_url("conda-forge/label/rc") == "https://conda.anaconda.org/conda-forge/label/rc/"
    assert channel_url("conda-forge") == "https://conda.anaconda.org/conda-forge/"
    assert channel_url(two[0]) == f"{two[0]}/"


def test_defaults_are_expanded_and_channels_there_once() -> None:
    main, r = "https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"
    assert expand_channels(["a", "defaults", "a", "nodefaults", main]) == ["a", main, r]


def test_no_channel_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no channel to solve from") as caught:
        chosen(["nodefaults"], "tool", cache=tmp_path)
    assert caught.value.hint == "name one with `--channel`"


def test_paths_start_with_a_dot(tmp_path: Path) -> None:
    assert parse_channel("./a", directory=tmp_path) == (tmp_path / "a").as_uri()
    assert parse_channel(".", directory=tmp_path) == tmp_path.as_uri()
    assert parse_channel("a/b", directory=tmp_path) == "a/b"
    with pytest.raises(InvalidInputError, match="the name of a channel is empty"):
        parse_channel(" ", directory=tmp_path)


def test_variables_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "x$y")
    assert expand_variables("https://h/t/${A_TOKEN}/$A_TOKEN/$1") == "https://h/t/x$y/x$y/$1"


def test_a_missing_channel_is_told(tmp_path: Path) -> None:
    with pytest.raises(TransportError) as caught:
        chosen([(tmp_path / "none").as_uri()], "tool", cache=tmp_path)
    assert str(caught.value).startswith("cannot read the index of a channel: ")
    assert caught.value.hint == "check the channels' names and the network"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("linux-46", "unknown platform `linux-46`", "did you mean `linux-64`?"),
        ("linux-arm64", "unknown platform `linux-arm64`", "did you mean `linux-aarch64`?"),
        ("osx-arm64", "no container can run packages for `osx-arm64`", None),
    ],
)
def test_unknown_platforms_are_named_with_the_nearest(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_platform(text)
    assert str(caught.value) == message
    assert hint is None or caught.value.hint == hint


def test_unknown_priorities_are_refused() -> None:
    assert ChannelPriority.parse("strict") is ChannelPriority.STRICT
    with pytest.raises(InvalidInputError, match="unknown channel priority `strickt`") as caught:
        ChannelPriority.parse("strickt")
    assert caught.value.hint == "did you mean `strict`?"


def test_names_of_solved_packages_are_sorted(channel: Path, tmp_path: Path) -> None:
    found = solve(
        [channel.as_uri()], ["meta"], platform=AMD64, virtual_packages=virtual_packages(AMD64), cache=tmp_path
    )
    assert names(found) == sorted(names(found))
