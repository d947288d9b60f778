"""What is done in each scenario, run by run, and what of it is measured."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.building import ways
from benchmarks.building.counting import bytes_read, layer_bytes
from benchmarks.building.results import BASE, CACHE, COLD, LEAF, UNCHANGED, Results, Sample
from benchmarks.building.services import free_port, fresh_registry
from benchmarks.building.ways import Job
from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from benchmarks.building.environment import Environment
    from benchmarks.building.services import Registry
    from benchmarks.building.ways import Way
    from benchmarks.measure import Measured


@dataclass
class Bench:
    """Where all scenarios are measured.

    Attributes:
        work: For files; each run deletes its own.
        base: The base image, from anywhere that `docker-envs copy` knows.
        runs: How often everything is done.
        compression: Of layers, where a way has a choice.
        results: What was measured so far.
        port: Of the registry.
    """

    work: Path
    base: str
    runs: int
    compression: str
    results: Results = field(default_factory=Results)
    port: int = field(default_factory=free_port)

    @contextlib.contextmanager
    def room(self, environment: Environment) -> Iterator[tuple[Registry, Job]]:
        """A fresh registry, and a job for the environment in a fresh folder."""
        with self.registry() as registry, self.folder() as folder:
            target = f"{registry.address}/image:1"
            yield registry, Job(environment.before, registry.base, target, folder / "kept", self.compression)

    def registry(self) -> AbstractContextManager[Registry]:
        """A fresh registry."""
        return fresh_registry(self.base, folder=self.work, port=self.port)

    @contextlib.contextmanager
    def folder(self) -> Iterator[Path]:
        """A fresh folder."""
        with tempfile.TemporaryDirectory(dir=self.work, prefix="run-") as name:
            yield Path(name)

    def measure(self, scenario: str, environment: Environment, title: str, way: Way, job: Job, room: Registry) -> None:
        """Do a job and keep what it took."""
        self.keep(scenario, environment.name, title, lambda: way(job), room)

    def keep(self, scenario: str, environment: str, title: str, do: Callable[[], Measured], room: Registry) -> None:
        """Do something and keep what it took.

        Args:
            scenario: In which it is done.
            environment: Name of what is built.
            title: Of the way.
            do: Does it.
            room: Where bytes are counted.
        """
        os.sync()
        before = room.proxy.traffic()
        measured = do()
        moved = room.proxy.traffic() - before
        sample = Sample(
            measured.seconds,
            measured.cpu_seconds,
            measured.peak_memory,
            moved.sent,
            moved.received,
            moved.cpu_seconds + measured.watching,
        )
        self.results.add(scenario, environment, title, len(os.sched_getaffinity(0)), sample)
        print(f"{scenario}, {environment}, {title}: {sample.seconds:.2f} s", file=sys.stderr, flush=True)


def cold(bench: Bench, environment: Environment, compared: Mapping[str, Way]) -> None:
    """All caches are empty, but the operating system has the packages in its own."""
    for archive in environment.archives():
        archive.read_bytes()
    for _ in range(bench.runs):
        for title, way in compared.items():
            with bench.room(environment) as (registry, job):
                bench.measure(COLD, environment, title, way, job, registry)


def leaf(bench: Bench, environment: Environment, compared: Mapping[str, Way]) -> None:
    """The image is in the registry and its parts are in the tool's cache; then one leaf package has another build."""
    for _ in range(bench.runs):
        for title, way in compared.items():
            with bench.room(environment) as (registry, job):
                way(job)
                updated = replace(job, state=environment.after, target=f"{registry.address}/image:2")
                bench.measure(LEAF, environment, title, way, updated, registry)


def unchanged(bench: Bench, environment: Environment, compared: Mapping[str, Way]) -> None:
    """The same again."""
    for _ in range(bench.runs):
        for title, way in compared.items():
            with bench.room(environment) as (registry, job):
                way(job)
                bench.measure(UNCHANGED, environment, title, way, job, registry)


def cache(bench: Bench, environment: Environment) -> None:
    """Another machine built the same packages and wrote the layer cache; here, nothing is cached."""
    for _ in range(bench.runs):
        with bench.room(environment) as (registry, job):
            repository = f"{registry.address}/cache"
            other = replace(job, target=f"{registry.address}/other:1", options=("--cache-to", repository))
            ways.ours(other)
            shutil.rmtree(job.folder)
            here = replace(job, options=("--cache-from", repository))
            before = len(registry.log.read_text())
            bench.measure(CACHE, environment, ways.OURS, ways.ours, here, registry)
            layers = RegistryClient().image(Reference.parse(job.target)).layers
            sizes = {str(layer.digest): layer.descriptor.size for layer in layers}
            moved = layer_bytes(registry.log.read_text()[before:], sizes)
            bench.results.cached[environment.name] = (moved, sum(sizes.values()))


def has_layer_cache() -> bool:
    """Whether `build` knows layer caches in registries."""
    command = [sys.executable, "-m", "docker_envs", "build", "--help"]
    wide = {**os.environ, "PYTHONPATH": ways.PYTHONPATH, "COLUMNS": "200"}
    return "--cache-from" in subprocess.run(command, env=wide, check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class BaseRead:
    """What left the registry of a base that was built upon, in bytes.

    Attributes:
        size: Of the base's layers.
        read: What was read of its repository.
        documents: Of its manifest and config.
    """

    size: int
    read: int
    documents: int


def big_base(bench: Bench, environment: Environment, *, layout: str, size: int, documents: int) -> BaseRead:
    """A build on a big base in the same registry; once.

    Args:
        bench: For everything but the base.
        environment: What is built.
        layout: The base.
        size: Of its layers, in bytes.
        documents: Of its manifest and config, in bytes.
    """
    with replace(bench, base=layout).room(environment) as (registry, job):
        bench.measure(BASE, environment, ways.OURS, ways.ours, job, registry)
        return BaseRead(size, bytes_read(registry.log, "base"), documents)


@contextlib.contextmanager
def limited_to(cores: int) -> Iterator[None]:
    """Only so many processors for what is started inside, registries and counters included."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
