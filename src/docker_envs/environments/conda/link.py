"""From a package archive to the entries of a layer: what an installer does on disk, done to a stream.

Nothing is unpacked and nothing of the package is run. Files that need their prefix replaced are held in memory one at
a time, all others pass through in chunks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, directory_entry, file_entry
from docker_envs.environments.conda.noarch import SCRIPT_MODE
from docker_envs.environments.conda.placeholder import replace_binary, replace_text
from docker_envs.environments.conda.record import LinkedPath, make_record, record_path
from docker_envs.errors import BuildError, FormatError, PrefixTooLongError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker_envs.environments.conda.metadata import PackageMetadata, PathsEntry
    from docker_envs.environments.conda.noarch import PythonInfo
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.environments.conda.package_archive import PackageArchive

#: The largest file whose placeholder is replaced, in bytes, since it is held in memory.
MAX_PATCHED_SIZE = 1 << 30

_HISTORY = "conda-meta/history"
# Set-user-id and the like would let anybody who may publish a package become root in the container.
_MODE_MASK = 0o777


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """What becomes of each file of a package, decided before any is read.

    Attributes:
        package: The package.
        metadata: What it says about itself.
        prefix: Absolute path of the environment.
        python: The environment's Python; only for `noarch: python` packages.
        dropped: Target paths that are left out, since another package's file is there.
    """

    package: CondaPackage
    metadata: PackageMetadata
    prefix: str
    python: PythonInfo | None = None
    dropped: frozenset[str] = frozenset()

    def target(self, entry: PathsEntry) -> str:
        """Where a file goes, relative to the prefix."""
        return self.python.target(entry.path) if self.python is not None else entry.path

    def target_files(self) -> list[str]:
        """All paths that the package brings, directories left out, relative to the prefix."""
        files = [self.target(entry) for entry in self.metadata.paths if entry.path_type != "directory"]
        return files + [f"bin/{point.command}" for point in self.metadata.entry_points]


def plan_link(package: CondaPackage, metadata: PackageMetadata, *, prefix: str, python: PythonInfo | None) -> LinkPlan:
    """Decide how a package is linked, and check that it can be.

    Raises:
        BuildError: A `noarch: python` package in an environment without Python.
        PrefixTooLongError: The prefix does not fit into a placeholder of the package.
    """
    if metadata.is_noarch_python and python is None:
        raise BuildError(
            f"package `{metadata.name}` is for Python, but the environment has none", hint="add `python` to the specs"
        )
    for entry in metadata.paths:
        if entry.prefix_placeholder and entry.file_mode == "binary":
            limit = len(entry.prefix_placeholder.encode())
            if len(prefix.encode()) > limit:
                raise PrefixTooLongError(package=metadata.name, path=entry.path, prefix=prefix, limit=limit)
    return LinkPlan(package, metadata, prefix, python if metadata.is_noarch_python else None)


def iter_linked_entries(plan: LinkPlan, archive: PackageArchive, *, sha256: str) -> Iterator[Entry]:
    """The entries that a package contributes to a layer: its files, console scripts and `conda-meta` record.

    Args:
        plan: What to do with each file.
        archive: The package.
        sha256: Of the archive, verified.

    Raises:
        FormatError: The archive is damaged, lacks a file that its metadata list, or holds something that is no file or
            link.
    """
    linker = _Linker(plan, archive)
    yield file_entry(f"{linker.root}/{_HISTORY}", b"", mtime=DIRECTORY_MTIME)
    yield from linker.files()
    yield from linker.scripts()
    record = make_record(
        plan.package,
        plan.metadata,
        linker.linked,
        sha256=sha256,
        md5=_md5(archive),
        size=archive.host_path.stat().st_size,
    )
    yield file_entry(f"{linker.root}/{record_path(plan.metadata)}", record, mtime=linker.newest)


def _md5(archive: PackageArchive) -> str:
    with archive.host_path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


class _Linker:
    """Links one package; `linked` says afterwards what became of its files, `newest` is the latest mtime seen."""

    def __init__(self, plan: LinkPlan, archive: PackageArchive) -> None:
        self.root = plan.prefix.removeprefix("/")
        self.linked: list[LinkedPath] = []
        self.newest = DIRECTORY_MTIME
        self._plan = plan
        self._archive = archive
        self._prefix = plan.prefix.encode()
        self._wanted = {entry.path: entry for entry in plan.metadata.paths}
        self._verbatim: set[str] = set()

    def files(self) -> Iterator[Entry]:
        dropped = self._plan.dropped
        left = dict(self._wanted)
        for entry in self._archive.iter_entries():
            wanted = left.pop(entry.path, None)
            if wanted is None:
                if entry.path in self._wanted:
                    raise FormatError(self._archive.source, f"the archive has `{entry.path}` twice")
                continue
            target = self._plan.target(wanted)
            if target in dropped:
                continue
            yield self._link(entry, wanted, target)
        for wanted in left.values():
            if wanted.path_type == "directory":
                yield self._directory(wanted, self._plan.target(wanted))
            elif self._plan.target(wanted) not in dropped:
                raise FormatError(self._archive.source, f"`{wanted.path}` is listed in its metadata, but not there")

    def _link(self, entry: Entry, wanted: PathsEntry, target: str) -> Entry:
        source_path = entry.path
        if entry.mtime > self.newest:
            self.newest = entry.mtime
        entry.path = f"{self.root}/{target}"
        entry.mode &= _MODE_MASK
        entry.uid = entry.gid = 0
        if entry.kind is Kind.FILE:
            if wanted.prefix_placeholder is not None:
                return self._patched(entry, wanted, target)
            self._verbatim.add(source_path)
            return self._file(entry, wanted, target)
        if entry.kind is Kind.SYMLINK:
            return self._symlink(entry, wanted, target)
        if entry.kind is Kind.HARDLINK:
            return self._hard_link(entry, wanted, target, source_path)
        if entry.kind is Kind.DIRECTORY:
            return self._directory(wanted, target)
        raise FormatError(self._archive.source, f"`{source_path}` is a device or pipe, which packages must not hold")

    def _file(self, entry: Entry, wanted: PathsEntry, target: str) -> Entry:
        path = LinkedPath(
            target, wanted.path_type, wanted.no_link, wanted.sha256, size_in_bytes=wanted.size_in_bytes or entry.size
        )
        if wanted.sha256 is None:
            entry.content = _hashed(entry.content, path)
        self.linked.append(path)
        return entry

    def _patched(self, entry: Entry, wanted: PathsEntry, target: str) -> Entry:
        if entry.size > MAX_PATCHED_SIZE:
            raise BuildError(
                f"package `{self._plan.metadata.name}`: `{wanted.path}` needs its prefix replaced, "
                f"but has {entry.size:,} bytes (limit {MAX_PATCHED_SIZE:,})"
            )
        placeholder = (wanted.prefix_placeholder or "").encode()
        replace = replace_binary if wanted.file_mode == "binary" else replace_text
        content = replace(entry.read(), placeholder, self._prefix)
        sha256 = hashlib.sha256(content).hexdigest()
        self.linked.append(
            LinkedPath(
                target,
                wanted.path_type,
                wanted.no_link,
                wanted.sha256,
                sha256 if sha256 != wanted.sha256 else None,
                len(content),
                "binary" if wanted.file_mode == "binary" else "text",
                wanted.prefix_placeholder,
            )
        )
        entry.size = len(content)
        entry.content = (content,)
        if target.endswith(".py"):
            # Bytecode that came with the package is valid for size and mtime of the unpatched source.
            entry.mtime += 1
        return entry

    def _symlink(self, entry: Entry, wanted: PathsEntry, target: str) -> Entry:
        entry.mode = 0o777
        in_prefix: str | None = hashlib.sha256(entry.link.encode("utf-8", "surrogateescape")).hexdigest()
        if in_prefix == wanted.sha256:
            in_prefix = None
        size = (
            wanted.size_in_bytes
            if wanted.size_in_bytes is not None
            else len(entry.link.encode("utf-8", "surrogateescape"))
        )
        self.linked.append(LinkedPath(target, "softlink", wanted.no_link, wanted.sha256, in_prefix, size))
        return entry

    def _hard_link(self, entry: Entry, wanted: PathsEntry, target: str, source_path: str) -> Entry:
        """A link where both names have the same bytes in the layer; a file of its own otherwise."""
        if entry.link in self._verbatim and wanted.prefix_placeholder is None:
            self._verbatim.add(source_path)
            first = self._wanted[entry.link]
            entry.link = f"{self.root}/{self._plan.target(first)}"
            size = wanted.size_in_bytes if wanted.size_in_bytes is not None else first.size_in_bytes
            self.linked.append(LinkedPath(target, wanted.path_type, wanted.no_link, wanted.sha256, size_in_bytes=size))
            return entry
        content = self._archive.read_content(entry.link, limit=MAX_PATCHED_SIZE)
        entry.kind, entry.link, entry.size, entry.content = Kind.FILE, "", len(content), (content,)
        if wanted.prefix_placeholder is not None:
            return self._patched(entry, wanted, target)
        return self._file(entry, wanted, target)

    def _directory(self, wanted: PathsEntry, target: str) -> Entry:
        self.linked.append(LinkedPath(target, "directory", wanted.no_link))
        return directory_entry(f"{self.root}/{target}")

    def scripts(self) -> Iterator[Entry]:
        python = self._plan.python
        if python is None:
            return
        for point in self._plan.metadata.entry_points:
            target = f"bin/{point.command}"
            if target in self._plan.dropped:
                continue
            script = python.script(point, self._plan.prefix)
            digest = hashlib.sha256(script).hexdigest()
            self.linked.append(LinkedPath(target, "unix_python_entry_point", sha256=digest, size_in_bytes=len(script)))
            yield file_entry(f"{self.root}/{target}", script, mode=SCRIPT_MODE, mtime=self.newest)


def _hashed(chunks: Iterable[bytes], path: LinkedPath) -> Iterator[bytes]:
    """Pass chunks on, and note their digest in the record at the end."""
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk
    path.sha256_in_prefix = hasher.hexdigest()
