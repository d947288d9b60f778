"""Moves images between registries, layouts and archives: docker-envs, skopeo and crane, side by side in one run.

    .venv/bin/python -m benchmarks.transports [--size MB] [--layers N] [--directory MB] [--runs N] [--crane PATH]

- registry to registry and registry to layout with an image of random files; a `docker save` file to a registry with an
  image of the files of a Python installation;
- a directory as a new layer: `docker-envs append`, `umoci insert` and a push, `tar | gzip` and `crane append`;
- a base extended in its own registry: how many bytes leave it.

A docker-registry of its own has the sources, and each run of each tool gets another one that is empty. Memory is that
of the process tree; the registries' own is not counted. crane is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services import run_registry

from benchmarks import measure
from benchmarks.building.counting import bytes_read
from benchmarks.made_images import MB, file_image, make_directory, random_image
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import RegistryClient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    #: From the address of an empty registry and an empty folder to the commands of a tool.
    Job = Callable[[str, Path], Sequence[list[str | Path]]]

Command = list[str | Path]


def ours(*arguments: str | Path) -> Command:
    return [sys.executable, "-m", "docker_envs", *arguments]


def shell(script: str) -> Command:
    return ["bash", "-euo", "pipefail", "-c", script]


class Table:
    """Measures jobs of several tools and prints them with their ratios."""

    def __init__(self, work: Path, runs: int) -> None:
        self._work = work
        self._runs = runs
        self.results: dict[str, dict[str, tuple[float, int]]] = {}

    def job(self, name: str, tools: dict[str, Job]) -> None:
        """Measure a job, the tools in turn; each gets an empty registry, since skopeo remembers what others hold."""
        times: dict[str, list[float]] = {tool: [] for tool in tools}
        peaks: dict[str, int] = dict.fromkeys(tools, 0)
        for _ in range(self._runs):
            for tool, commands in tools.items():
                with tempfile.TemporaryDirectory(dir=self._work) as folder:
                    for part in ("registry", "files"):
                        Path(folder, part).mkdir()
                    with run_registry(Path(folder, "registry")) as registry:
                        measured = [measure.run(command) for command in commands(registry, Path(folder, "files"))]
                times[tool].append(sum(each.seconds for each in measured))
                peaks[tool] = max(peaks[tool], *(each.peak_memory for each in measured))
        self.results[name] = {tool: (sorted(found)[len(found) // 2], peaks[tool]) for tool, found in times.items()}
        base = next(iter(self.results[name].values()))[0]
        print(f"\n{name}")
        for tool, (seconds, peak) in self.results[name].items():
            print(f"  {tool:24} {seconds:7.2f} s  {seconds / base:5.2f} x  {peak / MB:6.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="of the image, in MB")
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--directory", type=int, default=500, help="of the directory to append, in MB")
    parser.add_argument("--base", type=int, default=5000, help="of the base to extend, in MB; 0 leaves it out")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--crane", default=shutil.which("crane") or str(Path.home() / "go/bin/crane"))
    parser.add_argument("--json", action="store_true", help="print all figures as JSON at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, contextlib.ExitStack() as stack:
        work = Path(folder)
        os.environ.update(DOCKER_CONFIG=folder, TMPDIR=folder)
        (work / "registry").mkdir()
        registry = stack.enter_context(run_registry(work / "registry"))
        table = Table(work, options.runs)
        crane = [options.crane, "--insecure"] if Path(options.crane).exists() else None
        copies(table, work, registry, options, crane)
        append(table, work, registry, options, crane)
        if options.base:
            extend(work, registry, options)
        if options.json:
            print(json.dumps(table.results, indent=2))


def copies(table: Table, work: Path, registry: str, options: argparse.Namespace, crane: list[str] | None) -> None:
    """An image between registries, layouts and archives."""
    source = f"{registry}/source:1"
    RegistryClient().push_image(
        random_image(work, size=options.size * MB, layers=options.layers), Reference.parse(source)
    )
    skopeo = ["skopeo", "copy", "-q"]
    from_registry = [*skopeo, "--src-tls-verify=false", f"docker://{source}"]
    saved, tree = work / "saved.tar", work / "files"
    make_directory(tree, size=options.size * MB)
    write_layout(work / "unsaved", [NamedImage(file_image(work, tree, layers=options.layers))])
    measure.run([*skopeo, f"oci:{work}/unsaved", f"docker-archive:{saved}:source:1"])
    shutil.rmtree(tree)
    shutil.rmtree(work / "unsaved")

    def to(address: str) -> list[str]:
        return ["--dest-tls-verify=false", f"docker://{address}/new:1"]

    jobs: dict[str, dict[str, Job]] = {
        "registry to registry": {
            "docker-envs copy": lambda new, _: [ours("copy", "-q", source, f"{new}/new:1")],
            "skopeo copy": lambda new, _: [[*from_registry, *to(new)]],
            "crane copy": lambda new, _: [[*(crane or ()), "copy", source, f"{new}/new:1"]],
        },
        "registry to layout": {
            "docker-envs copy": lambda _, folder: [ours("copy", "-q", source, f"oci:{folder}/new:1")],
            "skopeo copy": lambda _, folder: [[*from_registry, f"oci:{folder}/new:1"]],
            "crane pull": lambda _, folder: [[*(crane or ()), "pull", "--format=oci", source, folder / "new"]],
        },
        "docker save file to registry": {
            "docker-envs copy": lambda new, _: [ours("copy", "-q", f"docker-archive:{saved}", f"{new}/new:1")],
            "skopeo copy": lambda new, _: [[*skopeo, f"docker-archive:{saved}", *to(new)]],
            "crane push": lambda new, _: [[*(crane or ()), "push", saved, f"{new}/new:1"]],
        },
    }
    for name, tools in jobs.items():
        table.job(name, {tool: job for tool, job in tools.items() if crane or not tool.startswith("crane")})
    saved.unlink()


def append(table: Table, work: Path, registry: str, options: argparse.Namespace, crane: list[str] | None) -> None:
    """A directory as a new layer of a small base, pushed."""
    tree = work / "tree"
    make_directory(tree, size=options.directory * MB)
    base = f"{registry}/small:1"
    RegistryClient().push_image(random_image(work, size=MB, layers=1), Reference.parse(base))

    def with_ours(new: str, _: Path) -> list[Command]:
        return [ours("append", "-q", base, "--path", f"{tree}:/opt/tree", "-t", f"{new}/new:1")]

    def with_umoci(new: str, folder: Path) -> list[Command]:
        layout = folder / "layout"
        return [
            ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{base}", f"oci:{layout}:1"],
            ["umoci", "insert", "--image", f"{layout}:1", tree, "/opt/tree"],
            ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:1", f"docker://{new}/new:1"],
        ]

    def with_crane(new: str, folder: Path) -> list[Command]:
        pack = f"tar -C {work} -cf - tree | gzip > {folder}/tree.tgz"
        return [shell(f"{pack}; {' '.join(crane or ())} append -b {base} -f {folder}/tree.tgz -t {new}/new:1")]

    tools: dict[str, Job] = {"docker-envs append": with_ours, "umoci insert": with_umoci}
    table.job("directory as a layer", {**tools, "crane append": with_crane} if crane else tools)


def extend(work: Path, registry: str, options: argparse.Namespace) -> None:
    """How many bytes of a big base leave its registry when it is extended there."""
    base = random_image(work, size=options.base * MB, layers=options.layers)
    RegistryClient().push_image(base, Reference.parse(f"{registry}/big:1"))
    (work / "app.py").write_text("print('hello')\n")
    log = work / "registry/log"
    before = bytes_read(log, "big")
    added = f"{work}/app.py:/app.py"
    measured = measure.run(ours("append", "-q", f"{registry}/big:1", "--path", added, "-t", f"{registry}/extended:1"))
    sent, peak = bytes_read(log, "big") - before, measured.peak_memory / MB
    print(f"\na base of {options.base} MB extended in its registry")
    print(f"  docker-envs append       {measured.seconds:7.2f} s  {sent:,} bytes of the base read, {peak:.0f} MB")


if __name__ == "__main__":
    main()
