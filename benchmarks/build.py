"""Builds and pushes environments in several ways, side by side in one run, and says which targets are met.

    .venv/bin/python -m benchmarks.build --quick
    .venv/bin/python -m benchmarks.build --environment FILE [--channel DIR] [--size FILE ...] [--synthetic GB ...]
        [--base IMAGE] [--big-base MB] [--cores 1,2] [--runs N] [--json FILE]

For each `--environment`, every scenario is measured in every way that the machine has the programs for. For each
`--size`, `--synthetic` and number of `--cores`, it is a cold build by docker-envs and the limit. docs/performance.md
says what is counted, and how.

Needs docker-registry; docker with dockerd (as root), umoci and skopeo, and crane for the other ways.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measure
from benchmarks.building import scenarios, ways
from benchmarks.building.docker_build import DockerBuild
from benchmarks.building.environment import prepare
from benchmarks.building.report import document, markdown
from benchmarks.building.results import BASE, CACHE, COLD, LEAF, UNCHANGED
from benchmarks.building.scenarios import Bench
from benchmarks.building.services import engine, fresh_registry, served, small_base
from benchmarks.building.synthetic import write_synthetic_channel
from benchmarks.made_images import random_image
from docker_envs.oci.image import NamedImage
from docker_envs.transports.files.layout_writing import write_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.building.environment import Environment
    from benchmarks.building.scenarios import BaseRead
    from benchmarks.building.ways import Way

MB, GB = 10**6, 10**9
_SCENARIOS = {"cold": COLD, "leaf": LEAF, "unchanged": UNCHANGED, "cache": CACHE, "base": BASE}
_WAYS = ("ours", "docker", "append", "umoci", "limit")
_QUICK_GB, _QUICK_BASE_MB = 0.01, 20


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="benchmark-") as name:
        work = Path(name)
        # Caches, temporary files and credentials of all tools are ours.
        os.environ.update(PYTHONPATH=ways.PYTHONPATH, TMPDIR=name, DOCKER_CONFIG=name)
        tempfile.tempdir = name
        base = options.base or small_base(work / "base")
        measure.run([sys.executable, "-m", "compileall", "-q", ways.PROJECT / "src"])
        bench = Bench(work, base, options.runs, options.compression)
        environments = [_prepared(path, work, options) for path in options.environment]
        sizes = [_prepared(path, work, options) for path in options.size]
        if options.quick:
            environments.append(_synthetic(_QUICK_GB, work))
        _compare(bench, environments, options)
        read = _big_base(bench, environments, options)
        for each in sizes:
            scenarios.cold(bench, each, _least(options))
        for size in options.synthetic:
            # The largest need much room, so none waits for the others.
            sizes.append(_synthetic(size, work))
            scenarios.cold(bench, sizes[-1], _least(options))
            shutil.rmtree(work / f"synthetic-{size:g}-GB.channel")
    measured = [*environments, *sizes]
    if options.json:
        options.json.write_text(document(bench.results, measured, read))
    print(markdown(bench.results, measured, read))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--environment", type=Path, action="append", default=[], help="environment.yml of a local channel")
    add("--channel", type=Path, help="what ${CHANNEL} means in these files")
    add("--size", type=Path, action="append", default=[], help="one more, built cold by docker-envs and the limit only")
    add("--synthetic", type=float, action="append", default=[], metavar="GB", help="the same with generated packages")
    add("--scenarios", default=",".join(_SCENARIOS), help="of: %(default)s")
    add("--ways", default=",".join(_WAYS), help="of: %(default)s")
    add("--leaf", default="", help="package that is updated (default: the leaf with the smallest archive)")
    add("--base", help="base image, from anywhere that `docker-envs copy` knows (default: a tiny one)")
    add("--big-base", type=int, default=5000, metavar="MB", help="size of the base of that scenario")
    add("--cores", default="", help="numbers of cores for cold builds by docker-envs and the limit, as 1,2")
    add("--compression", default="gzip", help="of layers, for docker-envs and the limit")
    add("--runs", type=int, default=3)
    add("--crane", help="program (default: from PATH, or ~/go/bin)")
    add("--work", type=Path, help="directory for everything that is made and deleted, with room for it")
    add("--json", type=Path, help="write all figures to this file")
    add("--quick", action="store_true", help="everything once, with 10 MB of generated packages")
    options = parser.parse_args()
    for name, known in (("scenarios", tuple(_SCENARIOS)), ("ways", _WAYS)):
        chosen = getattr(options, name).split(",")
        if unknown := sorted(set(chosen) - set(known)):
            parser.error(f"--{name}: {', '.join(unknown)} is none of {', '.join(known)}")
        setattr(options, name, chosen)
    options.cores = [int(number) for number in options.cores.split(",") if number]
    if options.quick:
        options.runs, options.big_base = 1, _QUICK_BASE_MB
    return options


def _prepared(declaration: Path, work: Path, options: argparse.Namespace) -> Environment:
    return prepare(declaration, work / declaration.stem, channel=options.channel, leaf=options.leaf)


def _synthetic(size: float, work: Path) -> Environment:
    name = f"synthetic-{size:g}-GB"
    declaration = write_synthetic_channel(work / f"{name}.channel", size=int(size * GB))
    return prepare(declaration, work / name)


def _least(options: argparse.Namespace) -> dict[str, Way]:
    """Ours and what it is measured by."""
    found: dict[str, Way] = {ways.OURS: ways.ours, ways.LIMIT: ways.limit}
    return {title: way for title, way in found.items() if title != ways.LIMIT or "limit" in options.ways}


def _compare(bench: Bench, environments: list[Environment], options: argparse.Namespace) -> None:
    """Every scenario but the big base."""
    with _all_ways(bench, options) as compared:
        for environment in environments:
            _run(bench, environment, compared, options)
    for cores in options.cores if "cold" in options.scenarios else ():
        if cores < len(os.sched_getaffinity(0)):
            with scenarios.limited_to(cores):
                for environment in environments:
                    scenarios.cold(bench, environment, _least(options))


def _run(bench: Bench, environment: Environment, compared: dict[str, Way], options: argparse.Namespace) -> None:
    incremental = {title: way for title, way in compared.items() if title in (ways.OURS, ways.DOCKER)}
    if "cold" in options.scenarios:
        scenarios.cold(bench, environment, compared)
    if "leaf" in options.scenarios:
        scenarios.leaf(bench, environment, incremental)
    if "unchanged" in options.scenarios:
        scenarios.unchanged(bench, environment, {**incremental, ways.START: ways.start})
    if "cache" in options.scenarios:
        if scenarios.has_layer_cache():
            scenarios.cache(bench, environment)
        else:
            print("`build` has no --cache-from, so its scenario is left out", file=sys.stderr)


@contextlib.contextmanager
def _all_ways(bench: Bench, options: argparse.Namespace) -> Iterator[dict[str, Way]]:
    """The ways that were chosen and can run here."""
    found: dict[str, Way] = {ways.OURS: ways.ours} if "ours" in options.ways else {}
    with contextlib.ExitStack() as stack:
        if "docker" in options.ways and (running := stack.enter_context(engine())):
            url = stack.enter_context(served(bench.work, bench.work / "served.log"))
            docker = DockerBuild(running, served=bench.work.as_uri(), url=url, folder=bench.work / "docker")
            with fresh_registry(bench.base, folder=bench.work, port=bench.port) as registry:
                docker.prepare(registry.base)
            found[ways.DOCKER] = docker
        if "append" in options.ways:
            title, way = ways.append_with(ways.find_crane(options.crane))
            found[title] = way
        if "umoci" in options.ways and not ways.missing(("umoci", "skopeo")):
            found[ways.UMOCI] = ways.umoci
        if "limit" in options.ways:
            found[ways.LIMIT] = ways.limit
        yield found


def _big_base(bench: Bench, environments: list[Environment], options: argparse.Namespace) -> BaseRead | None:
    if "base" not in options.scenarios or "ours" not in options.ways or not environments or not options.big_base:
        return None
    blobs, layout = bench.work / "big-base-blobs", bench.work / "big-base"
    blobs.mkdir()
    image = random_image(blobs, size=options.big_base * MB, layers=10)
    write_layout(layout, [NamedImage(image)])
    shutil.rmtree(blobs)
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]
    config = json.loads((layout / "blobs" / manifest["digest"].replace(":", "/")).read_text())["config"]
    documents = manifest["size"] + config["size"]
    read = scenarios.big_base(
        bench, environments[0], layout=f"oci:{layout}", size=options.big_base * MB, documents=documents
    )
    shutil.rmtree(layout)
    return read


if __name__ == "__main__":
    main()
