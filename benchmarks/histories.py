"""Environments and how their packages change: read from a channel or generated, always the same for a seed."""

from __future__ import annotations

import bisect
import itertools
import json
import math
import random
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

#: Packages that Python needs, with sizes as on conda-forge; generated channels begin with them.
_PYTHON_LIBRARIES = {
    "_libgcc_mutex": 2_600, "bzip2": 253_000, "ca-certificates": 152_000, "ld_impl_linux-64": 740_000,
    "libexpat": 74_000, "libffi": 57_000, "libgcc": 822_000, "libgomp": 447_000, "liblzma": 113_000,
    "libsqlite": 915_000, "libuuid": 40_000, "libzlib": 61_000, "ncurses": 892_000, "openssl": 3_170_000,
    "readline": 295_000, "tk": 3_285_000, "tzdata": 123_000,
}  # fmt: skip
_PYTHON_SIZE = 31_600_000

#: Sizes of archives in bytes: logarithms are normally distributed, as in the test channel's 548 packages.
_SIZE_MEDIAN, _SIZE_SIGMA = 90_000, 2.2
_SIZE_LIMITS = (1_500, 250_000_000)
#: Days between two releases: logarithms are normally distributed.
_INTERVAL_MEDIAN, _INTERVAL_SIGMA = 60.0, 1.0
#: How much the size differs from version to version.
_SIZE_JITTER = 0.03
#: Share of generated packages that come with others from one recipe.
_FAMILIES = 0.12


@dataclass(frozen=True, slots=True)
class Release:
    """A version of a package.

    Attributes:
        name: Package name.
        size: Of the archive in bytes.
        depends: Names of packages of the same channel.
        recipe: Name of the package that all packages of its recipe pin exactly; its own when it has no others.
        version: Counts releases.
        day: When it was released; before the history begins, negative.
    """

    name: str
    size: int
    depends: tuple[str, ...]
    recipe: str
    version: int = 0
    day: float = 0.0


@dataclass(slots=True)
class Channel:
    """Packages by name, in topological order."""

    releases: dict[str, Release]

    def closure(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names and all that they need, in topological order."""
        wanted, queue = set(), [name for name in names if name in self.releases]
        while queue:
            name = queue.pop()
            if name not in wanted:
                wanted.add(name)
                queue += self.releases[name].depends
        return tuple(name for name in self.releases if name in wanted)

    def popularity(self) -> dict[str, int]:
        """How many packages of the channel depend on each, directly or not, itself included."""
        counts = dict.fromkeys(self.releases, 0)
        for name in self.releases:
            for each in self.closure([name]):
                counts[each] += 1
        return counts


def generate_channel(count: int, *, seed: int) -> Channel:
    """A channel of `count` packages on top of Python and its libraries."""
    chance = random.Random(f"channel {seed}")
    releases = {name: Release(name, size, (), name) for name, size in _PYTHON_LIBRARIES.items()}
    releases["python"] = Release("python", _PYTHON_SIZE, tuple(releases), "python")
    names: list[str] = []
    popular: list[str] = []
    for number in range(count):
        name = f"{chance.choice('abcdefghijklmnoprstuvwxyz')}{chance.choice('aeiou')}-{number}"
        recipe = releases[chance.choice(names[-4:])].recipe if names and chance.random() < _FAMILIES else name
        needed = {chance.choice(popular) for _ in range(min(int(chance.expovariate(0.5)), 8)) if popular}
        needed |= {"python"} if chance.random() < 0.85 else {"libgcc"}
        needed |= {recipe} - {name}
        size = int(min(max(_lognormal(chance, _SIZE_MEDIAN, _SIZE_SIGMA), _SIZE_LIMITS[0]), _SIZE_LIMITS[1]))
        releases[name] = Release(name, size, tuple(sorted(needed)), recipe)
        names.append(name)
        # What is needed already is more likely to be needed again.
        popular += [name, *(each for each in sorted(needed) if each in names)]
    return Channel(releases)


def read_channel(folder: Path) -> Channel:
    """The newest packages of a channel for Linux on x86-64."""
    found: dict[str, tuple[int, str, dict[str, object]]] = {}
    for subdir in ("linux-64", "noarch"):
        repodata = json.loads((folder / subdir / "repodata.json").read_text())
        for records in (repodata["packages"], repodata["packages.conda"]):
            for record in records.values():
                candidate = (record["timestamp"], record["version"], record)
                if record["name"] not in found or candidate[:2] > found[record["name"]][:2]:
                    found[record["name"]] = candidate
    releases: dict[str, Release] = {}
    waiting = {
        name: {word for each in _strings(record["depends"]) if (word := re.split(r"[\s=<>!~]", each)[0]) in found}
        for name, (_, _, record) in found.items()
    }
    while waiting:
        # A cycle is broken at its first name.
        ready = sorted(name for name, needed in waiting.items() if needed <= releases.keys()) or sorted(waiting)[:1]
        for name in ready:
            size = found[name][2]["size"]
            assert isinstance(size, int)
            releases[name] = Release(name, size, tuple(sorted(waiting.pop(name))), name)
    return Channel(releases)


def _strings(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def read_environments(folder: Path, channel: Channel) -> dict[str, tuple[str, ...]]:
    """The packages of each environment file that needs Python, by its name."""
    environments: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*.yml")):
        specs = [each for each in yaml.safe_load(path.read_text())["dependencies"] if isinstance(each, str)]
        names = channel.closure(re.split(r"[\s=<>!~]", spec)[0] for spec in specs)
        if "python" in names and set(names) not in map(set, environments.values()):
            environments[path.stem] = names
    return environments


def generate_environments(channel: Channel, count: int, *, seed: int) -> dict[str, tuple[str, ...]]:
    """Environments of 3 to 120 packages that somebody asks for, popular ones more often, and all that they need."""
    chance = random.Random(f"environments {seed}")
    popularity = channel.popularity()
    names = sorted(channel.releases, key=lambda name: (-popularity[name], name))
    weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(names))))
    environments = {}
    for number in range(count):
        asked = int(math.exp(chance.uniform(math.log(3), math.log(120))))
        picks = [names[bisect.bisect(weights, chance.uniform(0, weights[-1]))] for _ in range(asked)]
        environments[f"generated-{number}"] = channel.closure(["python", *picks])
    return environments


@dataclass(slots=True)
class History:
    """The state of a channel that goes on; same seed, same history."""

    current: dict[str, Release]
    intervals: dict[str, float]
    chance: random.Random
    day: float = 0.0

    @classmethod
    def begin(cls, channel: Channel, *, seed: int) -> History:
        """Draw how often each recipe is released, and when it was last."""
        chance = random.Random(f"history {seed}")
        recipes = dict.fromkeys(each.recipe for each in channel.releases.values())
        intervals = {name: max(_lognormal(chance, _INTERVAL_MEDIAN, _INTERVAL_SIGMA), 5.0) for name in recipes}
        last = {name: -chance.expovariate(1 / interval) for name, interval in intervals.items()}
        current = {name: replace(each, day=last[each.recipe]) for name, each in channel.releases.items()}
        return cls(current, intervals, chance)

    def advance(self, days: float) -> None:
        """Go on; releases of a recipe are independent of each other."""
        self.day += days
        for recipe, interval in self.intervals.items():
            if self.chance.random() < 1 - math.exp(-days / interval):
                self.current.update(self.updated(recipe))

    def updated(self, recipe: str) -> dict[str, Release]:
        """New versions of all packages of a recipe."""
        return {
            name: replace(
                each,
                version=each.version + 1,
                day=self.day,
                size=max(1, int(each.size * math.exp(self.chance.gauss(0, _SIZE_JITTER)))),
            )
            for name, each in self.current.items()
            if each.recipe == recipe
        }

    def choose_update(self, names: Sequence[str], chance: random.Random) -> dict[str, Release]:
        """What changes next in an environment: the packages of one recipe."""
        recipes = sorted({self.current[name].recipe for name in names})
        (recipe,) = chance.choices(recipes, [1 / self.intervals[each] for each in recipes])
        return self.updated(recipe)


def _lognormal(chance: random.Random, median: float, sigma: float) -> float:
    return median * math.exp(chance.gauss(0, sigma))
