"""An environment as the benchmark needs it: its channel, what is in it, and the same with one leaf package updated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import yaml

from benchmarks.building.updated import update_package
from docker_envs.environments.conda.declarations.read import read_declaration
from docker_envs.environments.conda.solving.solve import solve
from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
from docker_envs.oci.descriptor import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docker_envs.environments.conda.package import CondaPackage

PLATFORM = Platform("linux", "amd64")
_SUBDIRS = ("linux-64", "noarch")
_LISTS = ("packages", "packages.conda")


@dataclass(frozen=True)
class State:
    """An environment at one time.

    Attributes:
        declaration: An `environment.yml`.
        urls: A file with the URLs of its packages, one a line, for tools that shall not solve.
    """

    declaration: Path
    urls: Path


@dataclass(frozen=True)
class Environment:
    """An environment in a local channel that has all it needs.

    Attributes:
        name: As in reports.
        channel: The channel's folder.
        before: The environment.
        after: The same with another build of the leaf.
        leaf: File name of the package that differs, as it is before.
        packages: How many it has.
        size: Of their archives, in bytes.
        leaf_size: Of the leaf's archive, in bytes.
    """

    name: str
    channel: Path
    before: State
    after: State
    leaf: str
    packages: int
    size: int
    leaf_size: int

    def archives(self) -> list[Path]:
        """The files of its packages."""
        return [_path(url) for url in self.before.urls.read_text().split()]


def prepare(declaration: Path, folder: Path, *, channel: Path | None = None, leaf: str = "") -> Environment:
    """Solve an environment, and make a channel that also has the updated leaf.

    Args:
        declaration: An `environment.yml` whose channels are local.
        folder: For what is made; does not exist.
        channel: What `${CHANNEL}` means in the declaration.
        leaf: Name of the package that is updated; by default the one with the smallest archive.

    Raises:
        SystemExit: No package of the environment can be the leaf.
    """
    folder.mkdir(parents=True)
    text = Template(declaration.read_text()).safe_substitute(CHANNEL=channel or "")
    (folder / "declared.yml").write_text(text)
    declared = yaml.safe_load(text)
    packages = _solve(folder / "declared.yml", folder / "repodata")
    merged = folder / "channel"
    records = _merge(
        [_path(url) for url in read_declaration(folder / "declared.yml", platform=PLATFORM).channels], merged
    )
    chosen = _leaf(packages, records, leaf)
    archive = merged / chosen.subdir / chosen.file_name
    name, record = update_package(archive, records[chosen.subdir][chosen.file_name])
    _write(merged, {**records, chosen.subdir: {**records[chosen.subdir], name: record}})
    urls = [f"{merged.as_uri()}/{package.subdir}/{package.file_name}" for package in packages]
    updated = [url.replace(f"/{chosen.file_name}", f"/{name}") for url in urls]
    declared["channels"] = [merged.as_uri()]
    return Environment(
        name=declaration.stem,
        channel=merged,
        before=_state(folder / "before", declared, f"{chosen.name}=={chosen.version}={chosen.build}", urls),
        after=_state(folder / "after", declared, f"{chosen.name}=={chosen.version}={record['build']}", updated),
        leaf=chosen.file_name,
        packages=len(packages),
        size=sum(_path(url).stat().st_size for url in urls),
        leaf_size=archive.stat().st_size,
    )


def _solve(declaration: Path, cache: Path) -> tuple[CondaPackage, ...]:
    declared = read_declaration(declaration, platform=PLATFORM)
    offered = virtual_packages(PLATFORM)
    return solve(declared.channels, declared.specs, platform=PLATFORM, virtual_packages=offered, cache=cache)


def _merge(channels: Iterable[Path], merged: Path) -> dict[str, dict[str, Any]]:
    """A channel of links to the archives of others, the first of which wins; its records by subdir and file name."""
    found: dict[str, dict[str, Any]] = {subdir: {} for subdir in _SUBDIRS}
    for channel in channels:
        for subdir, records in found.items():
            (merged / subdir).mkdir(parents=True, exist_ok=True)
            repodata = json.loads((channel / subdir / "repodata.json").read_bytes())
            for name, record in ((name, each) for key in _LISTS for name, each in repodata.get(key, {}).items()):
                if name not in records and (channel / subdir / name).exists():
                    records[name] = record
                    (merged / subdir / name).symlink_to(channel / subdir / name)
    return found


def _write(channel: Path, records: dict[str, dict[str, Any]]) -> None:
    for subdir, by_name in records.items():
        legacy = {name: record for name, record in by_name.items() if name.endswith(".tar.bz2")}
        current = {name: record for name, record in by_name.items() if name not in legacy}
        document = {"info": {"subdir": subdir}, "packages": legacy, "packages.conda": current, "repodata_version": 1}
        (channel / subdir / "repodata.json").write_text(json.dumps(document))


def _leaf(packages: Sequence[CondaPackage], records: dict[str, dict[str, Any]], wanted: str) -> CondaPackage:
    """The package to update: no other depends on it."""
    needed = {
        spec.split()[0]
        for package in packages
        for spec in records[package.subdir][package.file_name].get("depends", ())
    }
    leaves = [each for each in packages if each.name not in needed and each.file_name.endswith(".conda")]
    if wanted:
        leaves = [each for each in leaves if each.name == wanted]
    if not leaves:
        raise SystemExit(f"no leaf package {wanted!r} in the environment")
    return min(leaves, key=lambda each: (records[each.subdir][each.file_name]["size"], each.name))


def _state(folder: Path, declared: dict[str, Any], pin: str, urls: Sequence[str]) -> State:
    folder.mkdir()
    state = State(folder / "environment.yml", folder / "urls.txt")
    document = {**declared, "dependencies": [*declared["dependencies"], pin]}
    state.declaration.write_text(yaml.safe_dump(document, sort_keys=False))
    state.urls.write_text("".join(f"{url}\n" for url in urls))
    return state


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
