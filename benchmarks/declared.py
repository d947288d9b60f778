"""Builds images of packages from PyPI and Debian in several ways, side by side in one run.

    .venv/bin/python -m benchmarks.declared --quick
    .venv/bin/python -m benchmarks.declared [--parts requirements,debian] [--ways ours,docker,mmdebstrap] [--runs N]
        [--peer-runs N] [--mirror DIR] [--json FILE]

A project with a `requirements.txt` on a Debian base that has Python, by docker-envs and by `docker build` with pip and
with uv; and Debian's Python from nothing, by docker-envs and by mmdebstrap. Indexes and packages come from a mirror on
this machine, which gets them from the network before. docs/performance.md says what is counted, and how.

Needs docker-registry, mmdebstrap (as root, or with user namespaces) and dpkg-deb; docker with dockerd (as root) for the
ways through an engine. Needs the network once, or a folder (`--mirror`) from an earlier run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measure
from benchmarks.building import ways
from benchmarks.building.report import machine, targets_table, ways_table
from benchmarks.building.scenarios import Bench
from benchmarks.building.services import engine, small_base
from benchmarks.declaring import debian
from benchmarks.declaring.base import PythonSystem, python_base, python_system
from benchmarks.declaring.comparing import Comparison, outcomes, tables
from benchmarks.declaring.debian_ways import Ours as DebianOurs
from benchmarks.declaring.mirror import run_mirror
from benchmarks.declaring.requirement_ways import Ours, docker_builds
from benchmarks.declaring.requirements import QUICK_REQUIREMENTS, REQUIREMENTS, Project

if TYPE_CHECKING:
    from benchmarks.building.results import Results
    from benchmarks.building.services import RunningEngine

INDEX = "https://pypi.org/simple"
_PARTS, _WAYS = ("requirements", "debian"), ("ours", "docker", "mmdebstrap")


def main() -> None:
    options = _options()
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(dir=options.work, prefix="benchmark-"))
        work = Path(name)
        # Caches, temporary files and credentials of all tools are ours.
        os.environ.update(PYTHONPATH=ways.PYTHONPATH, TMPDIR=name, DOCKER_CONFIG=name)
        tempfile.tempdir = name
        measure.run([sys.executable, "-m", "compileall", "-q", ways.PROJECT / "src"])
        mirror = stack.enter_context(run_mirror(options.mirror or work / "mirror", work / "mirror.log"))
        running = stack.enter_context(engine()) if "docker" in options.ways else None
        bench = Bench(work, "", options.runs, "gzip")
        warnings: list[str] = []
        comparison = Comparison(bench, mirror, warnings.append)
        system = python_system(work / "system", mirror)
        if "requirements" in options.parts:
            _requirements(comparison, system, running, options)
        if "debian" in options.parts:
            _debian(comparison, system, running, options)
    if options.json:
        options.json.write_text(document(bench.results))
    print(markdown(bench.results))
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--parts", default=",".join(_PARTS), help="of: %(default)s")
    add("--ways", default=",".join(_WAYS), help="of: %(default)s")
    add("--runs", type=int, default=3, help="of docker-envs")
    add("--peer-runs", type=int, default=1, help="of the others, which take long")
    add("--mirror", type=Path, help="folder where the mirror keeps what comes from the network (default: a new one)")
    add("--work", type=Path, help="directory for everything that is made and deleted, with room for it")
    add("--json", type=Path, help="write all figures to this file")
    add(
        "--quick",
        action="store_true",
        help="everything once, with small packages from PyPI, and Debian packages without apt to a registry alone",
    )
    options = parser.parse_args()
    for name, known in (("parts", _PARTS), ("ways", _WAYS)):
        chosen = getattr(options, name).split(",")
        if unknown := sorted(set(chosen) - set(known)):
            parser.error(f"--{name}: {', '.join(unknown)} is none of {', '.join(known)}")
        setattr(options, name, chosen)
    if options.quick:
        options.runs = options.peer_runs = 1
    return options


def _requirements(
    comparison: Comparison, system: PythonSystem, running: RunningEngine | None, options: argparse.Namespace
) -> None:
    bench, mirror = comparison.bench, comparison.mirror
    project = Project.of("requirements.txt", QUICK_REQUIREMENTS if options.quick else REQUIREMENTS)
    comparison = replace(comparison, bench=replace(bench, base=python_base(bench.work / "python-base", system)))
    ours = Ours(mirror.url(INDEX))
    with comparison.bench.folder() as folder, comparison.bench.registry() as room:
        # So that the mirror has it all.
        ours.begin(folder)
        for state in (project.before, project.updated):
            ours.build(state, base=room.base, target=f"{room.address}/image:1")
        found = docker_builds(running, index=mirror.url(INDEX), base=room.base, folder=bench.work) if running else ()
        others = list(found)
    for run in range(max(options.runs, options.peer_runs)):
        if run < options.runs and "ours" in options.ways:
            comparison.requirements(project, ours)
        for way in others if run < options.peer_runs else ():
            comparison.requirements(project, way)


def _debian(
    comparison: Comparison, system: PythonSystem, running: RunningEngine | None, options: argparse.Namespace
) -> None:
    bench, mirror = comparison.bench, comparison.mirror
    comparison = replace(comparison, bench=replace(bench, base=small_base(bench.work / "small-base")))
    archives = debian.prepare(mirror, system, bench.work / "debian")
    sets = (debian.WITHOUT_SHELL,) if options.quick else (debian.WITHOUT_SHELL, debian.WITH_APT)
    for packages in sets:
        # So that the mirror has it all.
        with bench.folder() as folder:
            DebianOurs(packages, folder).tar(archives.updated)
    for run in range(max(options.runs, options.peer_runs)):
        for packages in sets:
            if run < options.runs and "ours" in options.ways:
                if not options.quick:
                    comparison.debian_tar(packages, archives)
                comparison.debian_pushed(packages, archives)
            if run < options.peer_runs and "mmdebstrap" in options.ways:
                comparison.debian_bootstrap(packages, archives, running)


def markdown(results: Results) -> str:
    """All tables."""
    found = [targets_table(outcomes(results)), *(ways_table(results, *each) for each in tables(results))]
    return "\n\n".join(part for part in found if part)


def document(results: Results) -> str:
    """Everything as JSON."""
    targets = [asdict(each) for each in outcomes(results)]
    return json.dumps({"machine": machine(), "results": results.document(), "targets": targets}, indent=2)


if __name__ == "__main__":
    main()
