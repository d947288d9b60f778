"""Packages planned and linked as a build does it, without layers around them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from docker_envs.archive.compression import CompressionSetting
from docker_envs.archive.entry import Kind
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment, plan_environment
from docker_envs.environments.conda.metadata import read_metadata
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.environments.conda.planned import ReadPackage
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.plan import Plan, make_plan
from tests.packages.build import PackageSpec, archive_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from docker_envs.environments.findings import Finding
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
    conda: CondaEnvironment
    findings: list[Finding]

    @property
    def plan(self) -> Plan:
        """A layer for each package."""
        return make_plan(PlannedEnvironment(self.conda), budget=64, compression=CompressionSetting())

    @property
    def files(self) -> dict[str, Linked]:
        """The entries besides those of `conda-meta`."""
        return {path: linked for path, linked in self.tree.items() if not path.startswith("conda-meta/")}


def read_package(folder: Path, spec: PackageSpec, archive: bytes | None = None) -> ReadPackage:
    """A package written, and read again; `archive` is its content, when it is not what the spec says."""
    suffix = spec.formats[0]
    path = folder / "channel" / spec.subdir / (spec.stem + suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive_bytes(spec, suffix) if archive is None else archive)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    package = CondaPackage.from_url(path.as_uri(), sha256=sha256)
    return ReadPackage(package, read_metadata(PackageArchive(path)), sha256, path.stat().st_size)


def make(packages: Iterable[ReadPackage], options: LinkOptions | None = None) -> CondaEnvironment:
    """How packages in their order are linked."""
    return plan_environment(list(packages), options or LinkOptions(PREFIX))


def link(folder: Path, *specs: PackageSpec, options: LinkOptions | None = None) -> Environment:
    """Link packages, in the order given."""
    return link_packages(folder, *(read_package(folder, spec) for spec in specs), options=options)


def link_packages(folder: Path, *packages: ReadPackage, options: LinkOptions | None = None) -> Environment:
    """Link packages that `read_package` read."""
    conda = make(packages, options)
    tree: dict[str, Linked] = {}
    findings: list[Finding] = []
    for package in conda.packages:
        root = f"{package.link.prefix[1:]}/"
        archive = folder / "channel" / package.locked.subdir / package.locked.file_name
        for entry in package.iter_entries(archive, findings):
            assert entry.path.startswith(root)
            path = entry.path.removeprefix(root)
            assert path not in tree or entry.path in package.shared_paths or entry.kind is Kind.DIRECTORY
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
    return Environment(tree, records, conda, findings)


def link_files(folder: Path, files: Mapping[str, Node], options: LinkOptions | None = None) -> Environment:
    """Link one package of these files, named `made`."""
    return link(folder, PackageSpec("made", files=files), options=options)
