"""Builds and pushes one environment in three ways, side by side in one run.

    .venv/bin/python -m benchmarks.build --environment FILE [--registry HOST:PORT] [--base NAME:TAG] [--runs N]

- docker-envs: `docker-envs build … --push`, with an empty cache.
- directory: rattler installs into a directory, `tar | gzip -1` make one layer of it, skopeo pushes that (`tarball:`),
  without a base. The same on the base takes a script that edits an OCI layout; it computes the diff_id while gzip
  works.
- docker build: rattler installs in a build stage, whose result is copied onto the base, `docker push`.

All three read the same local channel and push to the same local registry, each to a repository of its own that does not
exist before. Their caches are empty; the operating system has the packages in its page cache, for all three alike. What
the Dockerfile needs (Python and rattler in an image, the packages in the build context) is prepared without being
timed, and so is the solve of the last two. Memory is that of the process tree; the engine's own is not counted.

Needs a registry on this machine that has the base, a Docker engine that reaches it, and skopeo.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Measured

PROJECT = Path(__file__).parents[1]
PREFIX = "/opt/conda"

DOCKERFILE = """\
FROM {builder} AS build
COPY . /channel/
RUN /opt/python/bin/python3 /channel/install.py /channel/urls.txt /opt/conda /opt/conda
FROM {base}
COPY --from=build /opt/conda /opt/conda
ENV PATH=/opt/conda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CONDA_PREFIX=/opt/conda
"""


def ours(environment: Path, base: str, target: str, work: Path) -> Measured:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "docker_envs",
        "build",
        "-f",
        environment,
        "-b",
        base,
        "--push",
        target,
        "--quiet",
    ]
    return measure.run([*command, "--cache-dir", work / "cache"], env={"PYTHONPATH": str(PROJECT / "src")})


def directory(urls: Path, target: str, work: Path, *base: str) -> Measured:
    command: list[str | Path] = [sys.executable, "-m", "benchmarks.directory_build", urls, target, work, *base]
    return measure.run(command, cwd=PROJECT)


def docker_build(base: str, target: str, builder: str, context: Path) -> Measured:
    (context / "Dockerfile").write_text(DOCKERFILE.format(builder=builder, base=base))
    script = f"docker build -q --no-cache --network none -t {target} {context} && docker push -q {target}"
    return measure.run(["sh", "-c", script], env={"DOCKER_BUILDKIT": "0"})


def prepare_builder(base: str, context: Path) -> str:
    """An image with this Python and py-rattler on the base; not timed."""
    python = Path(sys.base_prefix)
    site_packages = Path(sys.prefix) / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(context)
    shutil.copytree(python, context / "python", symlinks=True, ignore=shutil.ignore_patterns("site-packages", "test"))
    target = context / "python" / site_packages.relative_to(sys.prefix)
    for package in ("rattler", "py_rattler-*"):
        for found in site_packages.glob(package):
            shutil.copytree(found, target / found.name)
    variables = "ENV LD_LIBRARY_PATH=/opt/python/lib PYTHONHOME=/opt/python"
    (context / "Dockerfile").write_text(f"FROM {base}\nCOPY python /opt/python\n{variables}\n")
    measure.run(["docker", "build", "-q", "-t", "docker-envs-benchmark-builder", context], env={"DOCKER_BUILDKIT": "0"})
    return "docker-envs-benchmark-builder"


def lock(environment: Path, work: Path) -> Path:
    """The URLs of the environment's packages, so that the others need not solve; not timed."""
    from docker_envs.environments.conda.declarations.read import read_declaration
    from docker_envs.environments.conda.solving.solve import solve
    from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
    from docker_envs.oci.descriptor import Platform

    platform = Platform("linux", "amd64")
    declared = read_declaration(environment, platform=platform)
    packages = solve(
        declared.channels,
        declared.specs,
        platform=platform,
        virtual_packages=virtual_packages(platform),
        cache=work / "repodata",
    )
    urls = work / "urls.txt"
    urls.write_text("".join(f"{package.url}\n" for package in packages))
    return urls


def prepare_context(urls: Path, context: Path) -> None:
    """The packages and the installer as a build context; not timed."""
    context.mkdir(parents=True)
    lines = []
    for url in urls.read_text().split():
        source = Path(url.removeprefix("file://"))
        target = context / source.parent.name / source.name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(source, target)
        shutil.copyfile(source.with_name("repodata.json"), target.with_name("repodata.json"))
        lines.append(f"file:///channel/{source.parent.name}/{source.name}\n")
    (context / "urls.txt").write_text("".join(lines))
    shutil.copyfile(PROJECT / "benchmarks/install.py", context / "install.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--environment", type=Path, required=True, help="environment.yml of a local channel")
    parser.add_argument("--registry", default="127.0.0.1:5000", help="a running registry on this machine")
    parser.add_argument("--base", default="library/debian:bookworm-slim", help="repository and tag of the base in it")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--skip-docker-build", action="store_true")
    options = parser.parse_args()
    base, stamp = f"{options.registry}/{options.base}", f"{time.time_ns():x}"
    results: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="docker-envs-benchmark-") as name:
        work = Path(name)
        urls = lock(options.environment, work)
        jobs: dict[str, Callable[[str, Path], Measured]] = {
            "docker-envs": lambda target, folder: ours(options.environment, base, target, folder),
            "directory, tar, gzip -1, skopeo": lambda target, folder: directory(urls, target, folder),
            "the same on the base, by a script": lambda target, folder: directory(urls, target, folder, base),
        }
        if not options.skip_docker_build:
            builder = prepare_builder(base, work / "builder")
            context = work / "context"
            prepare_context(urls, context)
            jobs["docker build + push"] = lambda target, _folder: docker_build(base, target, builder, context)
        for run in range(options.runs):
            for number, (title, job) in enumerate(jobs.items()):
                folder = work / f"{run}-{number}"
                folder.mkdir()
                os.sync()
                target = f"{options.registry}/benchmark-{stamp}-{run}-{number}:1"
                results.setdefault(title, []).append(job(target, folder))
                shutil.rmtree(folder)
    show(results)


def show(results: dict[str, list[Measured]]) -> None:
    """A Markdown table: medians, ratios to the first row, and all figures as JSON below."""
    ordered = {title: sorted(runs, key=lambda run: run.seconds) for title, runs in results.items()}
    medians = {title: runs[len(runs) // 2] for title, runs in ordered.items()}
    first = next(iter(medians.values()))
    print("| way | seconds | against docker-envs | peak memory |\n|---|---:|---:|---:|")
    for title, run in medians.items():
        ratio = run.seconds / first.seconds
        print(f"| {title} | {run.seconds:.1f} | {ratio:.1f} x | {run.peak_memory / 1e6:.0f} MB |")
    print(json.dumps({title: [round(run.seconds, 2) for run in runs] for title, runs in results.items()}))


if __name__ == "__main__":
    main()
