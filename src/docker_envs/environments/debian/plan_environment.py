"""How all Debian packages of an image make one system, decided before any layer is made; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME, file_entry
from docker_envs.archive.whiteout import whiteout_entry
from docker_envs.environments.debian.archives.entries import DebLayer
from docker_envs.environments.debian.archives.trimming import trimming_of
from docker_envs.environments.debian.planned import PlannedDeb, ReadDeb
from docker_envs.environments.debian.system.assembly import assemble
from docker_envs.environments.debian.system.base import OS_RELEASE, parse_release
from docker_envs.environments.filters import Filter, Saving
from docker_envs.environments.findings import Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.clobber import Clobber
    from docker_envs.environments.debian.scripts.findings import Finding as ScriptFinding
    from docker_envs.environments.debian.system.assembly import DebianSystem
    from docker_envs.environments.debian.system.base import BaseSystem


@dataclass(frozen=True, slots=True)
class DebianEnvironment:
    """The Debian packages of an image, and what they are together.

    Attributes:
        packages: By name.
        entries: Of the layer above those of the packages, sorted: what no package has alone.
        findings: What their scripts would have done, and was left out.
        scripts: Those of the findings without which something may be missing.
        savings: What each filter that was asked for leaves out.
        libraries: Names of the shared libraries that the system has, its base's included.
        files: Contents of those of the entries that are not made of the packages, by path.
        release: Values of the `os-release` of the whole system, empty where it has none.
    """

    packages: tuple[PlannedDeb, ...] = ()
    entries: tuple[Entry, ...] = ()
    libraries: frozenset[str] = frozenset()
    files: Mapping[str, bytes] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    scripts: tuple[Finding, ...] = ()
    savings: tuple[Saving, ...] = ()
    release: Mapping[str, str] = field(default_factory=dict)

    @property
    def clobbers(self) -> tuple[Clobber, ...]:
        """Never any: what two packages have, one of them gives up by its own word, or it is an error."""
        return ()

    @property
    def glibc(self) -> str | None:
        """The version of the C library among the packages, such as `2.36`; None when there is none."""
        found = next((each.metadata.control.version for each in self.packages if each.name == "libc6"), None)
        return None if found is None else found.rpartition(":")[2].partition("-")[0]

    def links(self) -> dict[str, str]:
        """Paths in the image of all files and links that packages and system have; targets of links, else empty."""
        found = {path: entry.link for package in self.packages for path, entry in package.placed()}
        return {**found, **{entry.path: entry.link for entry in self.entries if not entry.deletes}}


def plan_system(
    packages: Sequence[ReadDeb],
    base: BaseSystem,
    *,
    architecture: str,
    filters: Collection[Filter] = (),
    files: Mapping[str, bytes] | None = None,
) -> DebianEnvironment:
    """Put packages together.

    Args:
        packages: Those that are new, or of another version than in the base.
        base: What is below them.
        architecture: Debian's name of it.
        filters: What is left out.
        files: Contents of files that the system gets besides, by path.

    Raises:
        BuildError: Two packages have one file.
        FormatError: Something that a package or the base has cannot be read.

    Cost: no archive is read; memory grows with the number of files.
    """
    if not packages:
        return DebianEnvironment()
    names = frozenset(each.value for each in filters)
    system = assemble([each.metadata for each in packages], base, architecture=architecture, filters=names)
    planned = tuple(_planned(each, system) for each in sorted(packages, key=lambda each: each.metadata.name))
    others = [file_entry(path, content, mtime=DIRECTORY_MTIME) for path, content in (files or {}).items()]
    others += map(whiteout_entry, system.removed)
    entries = sorted([*system.entries, *others], key=lambda entry: entry.path.split("/"))
    return DebianEnvironment(
        packages=planned,
        entries=tuple(entries),
        libraries=frozenset(_libraries(planned, base)),
        files=files or {},
        findings=tuple(_finding(each) for each in system.findings),
        scripts=tuple(_finding(each) for each in system.findings if not each.is_harmless),
        savings=tuple(_savings(planned, names)),
        release=_release(packages, base),
    )


def _release(packages: Sequence[ReadDeb], base: BaseSystem) -> Mapping[str, str]:
    contents = (each.metadata.contents.get(OS_RELEASE) for each in packages)
    content = next((each for each in contents if each is not None), None)
    return base.release if content is None else parse_release(content)


def _planned(read: ReadDeb, system: DebianSystem) -> PlannedDeb:
    placement = system.placements[read.metadata.control.file_stem]
    return PlannedDeb(read, DebLayer(placement, has_status=not system.has_dpkg))


def _libraries(packages: Sequence[PlannedDeb], base: BaseSystem) -> Iterator[str]:
    paths = (path for package in packages for path in package.files())
    for path in chain(paths, (entry.path for entry in base.entries)):
        name = path.rpartition("/")[2]
        if name.startswith("lib") and ".so" in name:
            yield name


def _finding(found: ScriptFinding) -> Finding:
    place = f"line {found.line}" if found.line else "as a whole"
    return Finding(
        FindingKind.MAINTAINER_SCRIPT,
        found.package,
        found.script,
        f"was evaluated without a command ({place}: {found.reason}): {found.command}",
    )


def _savings(packages: Sequence[PlannedDeb], filters: Collection[str]) -> Iterator[Saving]:
    files: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for package in packages:
        left_out = package.layer.placement.left_out if filters else frozenset[str]()
        known: Mapping[str, int] = {
            package.layer.placement.of_file(entry.path): entry.size for entry in package.metadata.files if left_out
        }
        for path in left_out:
            if (name := trimming_of(path, filters)) is not None:
                files[name] += 1
                sizes[name] += known.get(path, 0)
    for each in Filter:
        if each.value in filters:
            yield Saving(each, files[each.value], sizes[each.value])
