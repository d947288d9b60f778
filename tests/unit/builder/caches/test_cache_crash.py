"""Builders die at any moment, and work side by side: the cache stays whole, and nobody does what another one does."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import pytest

from docker_envs.builder.build import build
from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.caches.cache_contents import list_cache, remove
from docker_envs.builder.request import BuildRequest, Destinations
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.oci.descriptor import Platform
from docker_envs.report import SilentReporter, Task
from tests.builds import read_image_file
from tests.simulators.channel import ChannelSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

# Processes fork from one that has everything imported and no thread: a builder starts in milliseconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["docker_envs.builder.build", "rattler", "tests.unit.builder.caches.test_cache_crash"])

KILLS = 200
PATIENCE = 60
ROUNDS = 10
NAMES = ("greeting-1.2-h1234567_3", "hello-sh-1.0-0", "text-prefix-1.0-0", "links-1.0-0", "modes-1.0-0")
AMD64 = Platform.parse("linux/amd64")


class Environment(NamedTuple):
    """What a builder builds."""

    packages: tuple[CondaPackage, ...]
    prefix: str = "/opt/conda"

    def request(self, cache: Path) -> BuildRequest:
        return BuildRequest(
            base=None,
            declaration=Declaration(packages=self.packages),
            platform=AMD64,
            cache=cache,
            prefix=self.prefix,
            force=True,
        )

    def build(self, cache: Path) -> str:
        return str(build(self.request(cache)).image.digest)


@pytest.fixture(scope="module")
def packages(channel: Path) -> Iterator[tuple[CondaPackage, ...]]:
    """Packages behind HTTP, so that they are downloaded into the cache."""
    simulator = ChannelSimulator(channel)
    with simulator.running():
        files = [channel / "linux-64" / f"{name}.conda" for name in NAMES]
        yield tuple(
            CondaPackage.from_url(
                f"{simulator.channel}/linux-64/{file.name}", sha256=hashlib.sha256(file.read_bytes()).hexdigest()
            )
            for file in files
        )


def run_builder(environment: Environment, cache: Path) -> None:
    environment.build(cache)
    # As the command does: rattler's threads can crash an interpreter that takes itself apart.
    os._exit(0)


def start(environment: Environment, cache: Path) -> BaseProcess:
    process = FORKS.Process(target=run_builder, args=(environment, cache))
    process.start()
    return process


def seconds(process: BaseProcess) -> float:
    started = time.monotonic()
    process.join(PATIENCE)
    assert process.exitcode == 0
    return time.monotonic() - started


def damaged(cache: Path) -> list[Path]:
    """Blobs and packages whose bytes are not those of their name, and facts that are not those of their blob."""
    blobs = [(path, path.name) for path in (cache / "layers/blobs/sha256").glob("*")]
    archives = [(path, path.parent.name.removeprefix("sha256-")) for path in (cache / "packages").glob("*/*")]
    wrong = [path for path, name in [*blobs, *archives] if hashlib.sha256(path.read_bytes()).hexdigest() != name]
    for path in (cache / "metadata").glob("*"):
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            wrong.append(path)
    for path in (cache / "layers/keys").iterdir() if (cache / "layers/keys").exists() else ():
        facts = json.loads(path.read_bytes())
        blob = cache / "layers/blobs/sha256" / facts["digest"].removeprefix("sha256:")
        # Our file system keeps the order of renames; where one does not, the store takes such facts for none.
        if path.suffix != ".json" or not blob.is_file() or blob.stat().st_size != facts["size"]:
            wrong.append(path)
    return wrong


def leftovers(cache: Path) -> list[Path]:
    places = ("incoming", "locks", "builders", "layers/incoming", "layers/locks")
    return [path for place in places for path in (cache / place).iterdir()]


def lose_something(cache: Path, chance: random.Random) -> None:
    """Some packages and metadata go, and all layers now and then, so that there is always something to do."""
    for path in sorted((cache / "packages").glob("*")):
        if chance.random() < 0.3:
            shutil.rmtree(path)
    for path in sorted((cache / "metadata").glob("*")):
        if chance.random() < 0.3:
            path.unlink()
    if chance.random() < 0.1:
        shutil.rmtree(cache / "layers/keys", ignore_errors=True)
        shutil.rmtree(cache / "layers/blobs", ignore_errors=True)


def test_a_builder_is_killed_at_any_moment(packages: tuple[CondaPackage, ...], tmp_path: Path) -> None:
    """After each of many kills all that has a name is whole, and builders go on with the same cache."""
    chance, cache = random.Random(20260712), tmp_path / "cache"
    expected = Environment(packages).build(tmp_path / "other")
    longest = seconds(start(Environment(packages, "/opt/first"), cache))
    killed = left = rounds = 0
    while killed < KILLS and rounds < KILLS:
        rounds += 1
        lose_something(cache, chance)
        # Two make the same layers and two others; now and then one of a fifth lives on.
        company = start(Environment(packages, f"/opt/a{rounds}"), cache) if rounds % 5 == 0 else None
        prefixes = [f"/opt/a{rounds}", f"/opt/a{rounds}", f"/opt/b{rounds}", f"/opt/c{rounds}"]
        victims = [start(Environment(packages, prefix), cache) for prefix in prefixes]
        killed += kill_all(victims, [chance.uniform(0, 1.5 * longest) for _ in victims])
        if company is not None:
            seconds(company)
        else:
            left += bool(leftovers(cache))
        assert damaged(cache) == []
        if rounds % 10 == 0:
            assert Environment(packages).build(cache) == expected
            assert leftovers(cache) == []
    assert killed >= KILLS
    # Else they were killed before or after their work.
    assert left > 5


def kill_all(victims: Sequence[BaseProcess], delays: Sequence[float]) -> int:
    """Kill each after its delay; how many were still at work."""
    started = time.monotonic()
    for delay, victim in sorted(zip(delays, victims, strict=True), key=lambda pair: pair[0]):
        victim.join(max(0.0, started + delay - time.monotonic()))
        victim.kill()
    for victim in victims:
        victim.join(PATIENCE)
    return sum(victim.exitcode == -signal.SIGKILL for victim in victims)


class Counter(SilentReporter):
    """Counts in a file what was made or downloaded, over all processes."""

    def __init__(self, place: Path) -> None:
        self._place = place

    def start(self, verb: str, name: str, total: int | None = None) -> Task:
        if verb in ("build", "download"):
            with self._place.open("a") as file:
                file.write(f"{verb} {name}\n")
        return super().start(verb, name, total)


def build_and_count(environment: Environment, cache: Path, place: Path, barrier: Barrier) -> None:
    barrier.wait(PATIENCE)
    result = build(environment.request(cache), reporter=Counter(place))
    place.with_name(f"{os.getpid()}.digest").write_text(str(result.image.digest))


def build_at_once(environments: Sequence[Environment], tmp_path: Path) -> tuple[list[str], set[str]]:
    """Build with one cache, all at the same time: what was done, and the digests."""
    barrier = FORKS.Barrier(len(environments))
    arguments = (tmp_path / "cache", tmp_path / "done", barrier)
    processes = [FORKS.Process(target=build_and_count, args=(each, *arguments)) for each in environments]
    for process in processes:
        process.start()
    for process in processes:
        seconds(process)
    assert damaged(tmp_path / "cache") == []
    assert leftovers(tmp_path / "cache") == []
    digests = [path.read_text() for path in tmp_path.glob("*.digest")]
    assert len(digests) == len(environments)
    return sorted((tmp_path / "done").read_text().splitlines()), set(digests)


def test_builders_of_the_same_do_it_once(packages: tuple[CondaPackage, ...], tmp_path: Path) -> None:
    done, digests = build_at_once([Environment(packages)] * 8, tmp_path)
    names = [each.display_name for each in packages]
    assert done == sorted(f"{verb} {name}" for verb in ("build", "download") for name in names)
    assert digests == {Environment(packages).build(tmp_path / "other")}


def test_builders_of_different_environments_share_what_is_the_same(
    packages: tuple[CondaPackage, ...], tmp_path: Path
) -> None:
    environments = [Environment(packages[: 2 + number // 2], f"/opt/p{number % 2}") for number in range(8)]
    done, digests = build_at_once(environments, tmp_path)
    names = [each.display_name for each in packages]
    assert done == sorted([f"build {name}" for name in names] * 2 + [f"download {name}" for name in names])
    assert digests == {each.build(tmp_path / "other") for each in environments}


def build_again_and_again(environment: Environment, cache: Path, out: Path, expected: str) -> None:
    for number in range(ROUNDS):
        archive = out.with_name(f"{out.name}-{number}.tar")
        request = replace(environment.request(cache), destinations=Destinations(archive=archive))
        assert str(build(request).image.digest) == expected
        assert read_image_file(archive).digest == expected


def test_nothing_is_pruned_that_a_running_builder_uses(
    packages: tuple[CondaPackage, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Builders read what they made or found while everything is removed that may be removed, all the time."""
    # Our file system knows fine times, so there is no margin that would hide a gap.
    monkeypatch.setattr("docker_envs.builder.caches.cache._TIME_STEP", 0)
    cache = tmp_path / "cache"
    environments = [Environment(packages, f"/opt/p{number % 2}") for number in range(4)]
    arguments = [
        (each, cache, tmp_path / str(number), each.build(tmp_path / "other"))
        for number, each in enumerate(environments)
    ]
    processes = [FORKS.Process(target=build_again_and_again, args=each) for each in arguments]
    for process in processes:
        process.start()
    removed = in_use = 0
    while any(process.is_alive() for process in processes):
        pruned = remove(CacheDirectory(cache), list_cache(CacheDirectory(cache)))
        removed += len(pruned.removed)
        in_use += len(pruned.in_use)
    for process in processes:
        seconds(process)
    assert removed > 0
    assert in_use > 0
    assert remove(CacheDirectory(cache), list_cache(CacheDirectory(cache))).in_use == ()
    assert list_cache(CacheDirectory(cache)) == []
