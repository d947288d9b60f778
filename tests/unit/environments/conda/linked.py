"""Packages planned and linked as a build does it, without layers around them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker_envs.archive.compression import CompressionSetting
from docker_envs.archive.entry import Kind
from docker_envs.environments.conda.linking.link import iter_linked_entries
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.metadata import read_metadata
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.planner.plan import Plan, PlannedPackage, make_plan
from tests.packages.build import PackageSpec, archive_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from docker_envs.environments.conda.linking.findings import Finding
    from tests.packages.build import Node

PREFIX = "/opt/env"
PYTHON = PackageSpec("python", "3.11.4", build="fake_0_cpython")


@dataclass(frozen=True)
class Linked:
    """An entry whose content was read."""

    kind: Kind
    mode: int
    content: bytes = b""
    link: str = ""
    xattrs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Environment:
    """All entries by their path below the prefix, the records' paths by package and path, and what was found."""

    tree: dict[str, Linked]
    records: dict[str, dict[str, dict[str, Any]]]
    plan: Plan
    findings: list[Finding]

    @property
    def files(self) -> dict[str, Linked]:
        """The entries besides those of `conda-meta`."""
        return {path: linked for path, linked in self.tree.items() if not path.startswith("conda-meta/")}


def read_package(folder: Path, spec: PackageSpec, archive: bytes | None = None) -> PlannedPackage:
    """A package written, and read again; `archive` is its content, when it is not what the spec says."""
    suffix = spec.formats[0]
    path = folder / "channel" / spec.subdir / (spec.stem + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive_bytes(spec, suffix) if archive is None else archive)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    package = CondaPackage.from_url(path.as_uri(), sha256=sha256)
    return PlannedPackage(package, read_metadata(PackageArchive(path)), sha256, path.stat().st_size)


def make(packages: Iterable[PlannedPackage], options: LinkOptions | None = None) -> Plan:
    """A plan with a layer for each package, in their order."""
    options = options or LinkOptions(PREFIX)
    return make_plan(list(packages), options=options, budget=64, compression=CompressionSetting())


def link(folder: Path, *specs: PackageSpec, options: LinkOptions | None = None) -> Environment:
    """Link packages, in the order given."""
    return link_packages(folder, *(read_package(folder, spec) for spec in specs), options=options)


def link_packages(folder: Path, *packages: PlannedPackage, options: LinkOptions | None = None) -> Environment:
    """Link packages that `read_package` read."""
    plan = make(packages, options)
    tree: dict[str, Linked] = {}
    findings: list[Finding] = []
    for layer in plan.layers:
        for planned, package in zip(layer.links, layer.packages, strict=True):
            root = f"{planned.prefix[1:]}/"
            archive = PackageArchive(folder / "channel" / package.package.subdir / package.package.file_name)
            for entry in iter_linked_entries(planned, archive, sha256=package.sha256, findings=findings):
                assert entry.path.startswith(root)
                path = entry.path.removeprefix(root)
                assert path not in tree or path == "conda-meta/history" or entry.kind is Kind.DIRECTORY
                target = entry.link.removeprefix(root) if entry.kind is Kind.HARDLINK else entry.link
                tree[path] = Linked(entry.kind, entry.mode, entry.read(), target, dict(entry.xattrs))
                assert len(tree[path].content) == entry.size
    records = {}
    for path, linked in tree.items():
        if path.startswith("conda-meta/") and path.endswith(".json"):
            record = json.loads(linked.content)
            paths = {entry["_path"]: entry for entry in record["paths_data"]["paths"]}
            assert record["files"] == sorted(paths)
            records[record["name"]] = paths
    return Environment(tree, records, plan, findings)


def link_files(folder: Path, files: Mapping[str, Node], options: LinkOptions | None = None) -> Environment:
    """Link one package of these files, named `made`."""
    return link(folder, PackageSpec("made", files=files), options=options)
