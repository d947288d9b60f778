"""A system of packages, planned from their metadata alone: where each file goes, and all that no package has.

Scripts are evaluated in the order of the packages, twice where they divert files of others: diversions decide where
files go, and which files there are decides what scripts do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MODE, DIRECTORY_MTIME, Entry, Kind
from docker_envs.environments.debian.archives.placement import MERGED_DIRECTORIES, Placement
from docker_envs.environments.debian.archives.trimming import trimmed_paths
from docker_envs.environments.debian.scripts.commands import Commands
from docker_envs.environments.debian.scripts.debconf import Answers
from docker_envs.environments.debian.scripts.findings import Finding, Reason
from docker_envs.environments.debian.scripts.interpreter import Interpreter
from docker_envs.environments.debian.system import dpkg_database, library_cache
from docker_envs.environments.debian.system.alternatives import read_database, write_alternatives
from docker_envs.environments.debian.system.certificates import enable_certificates
from docker_envs.environments.debian.system.conflicts import directory_links, find_conflicts
from docker_envs.environments.debian.system.files import SystemFiles
from docker_envs.environments.debian.system.login_files import write_pam, write_shells
from docker_envs.environments.debian.system.model import Diversion, Generated, SystemModel
from docker_envs.environments.debian.system.order import in_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from docker_envs.environments.debian.archives.metadata import DebianMetadata
    from docker_envs.environments.debian.system.base import BaseSystem

#: Directories of libraries by Debian's name of the architecture.
#: Spec: Debian Policy 4.7, section 9.1.1; dpkg, `data/cputable` and `data/tupletable`.
MULTIARCH = {
    "amd64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
    "armhf": "arm-linux-gnueabihf",
    "i386": "i386-linux-gnu",
    "ppc64el": "powerpc64le-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "s390x": "s390x-linux-gnu",
}
_ALWAYS_LINKED = ("bin", "lib", "sbin")
_MAX_ROUNDS = 3


@dataclass(frozen=True)
class DebianSystem:
    """Packages put together.

    Attributes:
        placements: Where the files of each package go, by its `file_stem`.
        entries: Of the one layer above those of the packages, sorted.
        findings: What scripts would have done, and was left out.
        has_dpkg: Whether there is a database in that layer; else each package's layer has its own record.
        removed: Paths of the base that packages had before they came in another version, sorted.
    """

    placements: Mapping[str, Placement]
    entries: Sequence[Entry]
    findings: Sequence[Finding]
    has_dpkg: bool
    removed: Sequence[str] = ()


def assemble(
    packages: Sequence[DebianMetadata],
    base: BaseSystem,
    *,
    architecture: str,
    filters: Collection[str] = (),
    mtime: int = DIRECTORY_MTIME,
) -> DebianSystem:
    """Plan a system.

    Args:
        packages: Those that are new, or of another version than in the base, in any order.
        base: What is below them; empty for an image from nothing.
        architecture: Debian's name of it.
        filters: What is left out of packages, see `trimmed_paths`.
        mtime: Of what is made here, in seconds since 1970 UTC.

    Raises:
        BuildError: Two packages have one file.
        FormatError: Something that a package or the base has cannot be read.

    Cost: no archive is read; memory grows with the number of files.
    """
    ordered = in_order(packages)
    diversions = base.diversions
    for _ in range(_MAX_ROUNDS):
        assembly = _Assembly(ordered, base, architecture, frozenset(filters), mtime, diversions)
        assembly.configure()
        if assembly.model.diversions == diversions:
            break
        diversions = dict(assembly.model.diversions)
    return assembly.finished()


class _Assembly:
    """One round."""

    def __init__(
        self,
        packages: Sequence[DebianMetadata],
        base: BaseSystem,
        architecture: str,
        filters: frozenset[str],
        mtime: int,
        diversions: Mapping[str, Diversion],
    ) -> None:
        self._packages = packages
        self._base = base
        self._before = base.versions
        self._links = directory_links(packages, base.entries)
        kept = base.changed_conffiles(packages)
        first = {each.control.file_stem: self._placement(each, diversions) for each in packages}
        self._conflicts = find_conflicts(packages, first)
        self.placements = {
            each.control.file_stem: self._placement(
                each,
                diversions,
                left_out=kept | frozenset(self._conflicts.in_image[each.control.file_stem]),
                filters=filters,
            )
            for each in packages
        }
        contents = {**base.contents, **self._contents(kept)}
        self._files = SystemFiles(base.entries, [*self._layout(base), *self._placed()], contents, mtime=mtime)
        for entry in self._layout(base):
            self._files.add(entry)
        self.model = SystemModel(
            self._files,
            frozenset({*self._before, *(each.name for each in packages)}),
            architecture,
            MULTIARCH.get(architecture, architecture),
            diversions=base.diversions,
            alternatives=read_database(self._files),
            lists={each.name: [f"/{entry.path}" for entry in each.files] for each in packages},
        )
        self._findings: list[Finding] = []
        self._removers: dict[str, tuple[str, str]] = {}

    def _placement(
        self,
        package: DebianMetadata,
        diversions: Mapping[str, Diversion],
        *,
        left_out: frozenset[str] = frozenset(),
        filters: frozenset[str] = frozenset(),
    ) -> Placement:
        """A package's own: what has nothing to do with its files is not in it, so that its layer stays the same."""
        paths = {entry.path for entry in package.files}
        links = {
            path: target
            for path, target in self._links.items()
            if path in MERGED_DIRECTORIES or any(each == path or each.startswith(f"{path}/") for each in paths)
        }
        plain = Placement(links)
        diverted = {
            plain.of_file(each.path[1:]): plain.of_file(each.target[1:])
            for each in diversions.values()
            if each.package != package.name
        }
        own = {plain.of_file(path) for path in paths}
        placement = Placement(links, {path: target for path, target in diverted.items() if path in own})
        entries = [_moved(entry, path) for entry in package.files if (path := placement.place(entry)) is not None]
        return Placement(links, placement.diversions, (left_out & own) | trimmed_paths(entries, filters))

    def _placed(self, kind: Kind | None = None) -> Iterator[Entry]:
        """Entries of all packages, or those of one kind, with their paths in the image."""
        for package in self._packages:
            placement = self.placements[package.control.file_stem]
            for entry in package.files if kind is None else (each for each in package.files if each.kind is kind):
                path = placement.place(entry)
                if path is not None:
                    moved = _moved(entry, path)
                    moved.link = placement.of_file(entry.link) if entry.kind is Kind.HARDLINK else entry.link
                    yield moved

    def _contents(self, kept: Collection[str]) -> dict[str, bytes]:
        placed = (
            (self.placements[package.control.file_stem].of_file(path), content)
            for package in self._packages
            for path, content in package.contents.items()
        )
        return {path: content for path, content in placed if path not in kept}

    def _layout(self, base: BaseSystem) -> list[Entry]:
        """The links of the merge that neither the base nor a package has: `/bin` is `/usr/bin`."""
        known = {entry.path for entry in base.entries}
        for package in self._packages:
            known |= {entry.path for entry in package.files if entry.kind is Kind.SYMLINK}
        used = {path.split("/")[1] for package in self._packages for path in self._paths_in_usr(package)}
        return [
            Entry(name, Kind.SYMLINK, 0o777, DIRECTORY_MTIME, link=f"usr/{name}")
            for name in MERGED_DIRECTORIES
            if name not in known and (name in _ALWAYS_LINKED or name in used)
        ]

    def _paths_in_usr(self, package: DebianMetadata) -> list[str]:
        placement = self.placements[package.control.file_stem]
        places = (placement.of_directory(entry.path) for entry in package.files)
        return [path for path in places if path.startswith("usr/")]

    def configure(self) -> None:
        """Evaluate the scripts as an installation runs them, or an upgrade of what the base has."""
        commands = Commands(self.model)
        for script in ("preinst", "postinst"):
            for package in self._packages:
                if script in package.scripts:
                    self._evaluate(package, script, commands)
        commands.queries.drop_temporary()

    def _evaluate(self, package: DebianMetadata, script: str, commands: Commands) -> None:
        before = self._before.get(package.name, "")
        if script == "postinst":
            arguments = ["configure", before]
        else:
            arguments = ["upgrade", before, package.control.version] if before else ["install"]
        variables = {
            "DEBIAN_FRONTEND": "noninteractive",
            "DPKG_ADMINDIR": "/var/lib/dpkg",
            "DPKG_MAINTSCRIPT_ARCH": package.control.architecture,
            "DPKG_MAINTSCRIPT_NAME": script,
            "DPKG_MAINTSCRIPT_PACKAGE": package.name,
            "DPKG_ROOT": "",
        }
        templates = package.control_files.get("templates", b"").decode("utf-8", "replace")
        config = package.scripts.get("config")
        interpreter = Interpreter(
            commands, package.name, script, variables, answers=Answers.of(templates), config=config
        )
        interpreter.run(package.scripts[script], arguments)
        self._findings += interpreter.findings
        for path in self._files.removed:
            self._removers.setdefault(path, (package.name, script))

    def finished(self) -> DebianSystem:
        """The system, when all scripts have been evaluated.

        Raises:
            BuildError: Two packages have one file.
            FormatError: Something that a package or the base has cannot be read.
        """
        for error in self._conflicts.undecided:
            raise error
        files, model = self._files, self.model
        commands = Commands(model)
        commands.accounts.add_minimal()
        if Generated.SHELLS in model.wanted:
            write_shells(files)
        if Generated.PAM in model.wanted:
            write_pam(files)
        if Generated.CERTIFICATES in model.wanted:
            enable_certificates(files)
        write_alternatives(model.alternatives, files)
        self._write_library_cache()
        has_dpkg = "dpkg" in model.packages or dpkg_database.STATUS in files
        if has_dpkg:
            dpkg_database.write_database(
                self._packages,
                files,
                architecture=model.architecture,
                lost=self._conflicts.packaged,
                diversions=model.diversions.values(),
            )
            if model.overrides:
                lines = "".join(f"{line}\n" for line in model.overrides)
                files.append(f"{dpkg_database.ROOT}/statoverride", lines.encode())
        for path in sorted(files.removed):
            self._findings.append(Finding(*self._removers[path], 0, f"rm /{path}", Reason.FILE))
        placements = self._final_placements()
        return DebianSystem(placements, self._entries(), self._findings, has_dpkg, self._outdated())

    def _outdated(self) -> Sequence[str]:
        """What only older versions of packages have, which the base has."""
        if self._before.keys().isdisjoint(package.name for package in self._packages):
            return ()
        present = {*self._files.added, *(entry.path for entry in self._placed())}
        return self._base.outdated(self._packages, present, self._links)

    def _final_placements(self) -> dict[str, Placement]:
        """With what scripts made of the attributes of packages' files."""
        final = dict(self.placements)
        for package in self._packages:
            stem = package.control.file_stem
            own = {self.placements[stem].of_file(entry.path) for entry in package.files}
            attributes = {path: each for path, each in self._files.changed.items() if path in own}
            final[stem] = replace(self.placements[stem], attributes=attributes)
        return final

    def _write_library_cache(self) -> None:
        machines = {
            self.placements[package.control.file_stem].of_file(path): head
            for package in self._packages
            for path, head in package.machines.items()
        }
        wanted = Generated.LIBRARIES in self.model.wanted or library_cache.PLACE in self._files
        content = library_cache.library_cache(self._files, machines, self.model.architecture) if wanted else None
        if content is not None:
            self._files.write(library_cache.PLACE, content)

    def _entries(self) -> list[Entry]:
        """What was added, with every directory that is not as directories are when nobody says how."""
        special = {
            path: entry
            for entry in self._placed(Kind.DIRECTORY)
            if (path := entry.path) not in self._files.added
            and (found := self._files.lookup(f"/{path}", follow=False)) is not None
            and found.kind is Kind.DIRECTORY
            and (found.mode, found.uid, found.gid) != (DIRECTORY_MODE, 0, 0)
        }
        for path, entry in special.items():
            found = self._files.lookup(f"/{path}", follow=False)
            if found is not None:
                entry.mode, entry.uid, entry.gid, entry.mtime = found.mode, found.uid, found.gid, DIRECTORY_MTIME
        return sorted([*special.values(), *self._files.added.values()], key=lambda entry: entry.path.split("/"))


def _moved(entry: Entry, path: str) -> Entry:
    moved = Entry(path, entry.kind, entry.mode, entry.mtime, entry.size, link=entry.link)
    moved.uid, moved.gid = entry.uid, entry.gid
    return moved
