"""From a package archive to the entries of a layer: what an installer does on disk, done to a stream.

Nothing is unpacked and nothing of the package is run. Files that need their prefix replaced are held in memory one at
a time, all others pass through in chunks.
"""

from __future__ import annotations

import hashlib
import posixpath
from typing import TYPE_CHECKING, NamedTuple

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, directory_entry, file_entry
from docker_envs.environments.bytecode import MAX_SOURCE_SIZE, Compiler
from docker_envs.environments.bytecode_path import bytecode_path
from docker_envs.environments.conda.linking.noarch import SCRIPT_MODE
from docker_envs.environments.conda.linking.placeholder import replace_binary, replace_text
from docker_envs.environments.conda.linking.record import LinkedPath, make_record, record_path
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.errors import BuildError, FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker_envs.environments.conda.linking.link_plan import LinkPlan
    from docker_envs.environments.conda.metadata import PathsEntry
    from docker_envs.environments.conda.package_archive import PackageArchive

#: The largest file whose placeholder is replaced, in bytes, since it is held in memory.
MAX_PATCHED_SIZE = 1 << 30

# Set-user-id and the like would let anybody who may publish a package become root in the container.
_MODE_MASK = 0o777
_SETUID_OR_SETGID = 0o6000
_CAPABILITY = "security.capability"


def history_path(prefix: str) -> str:
    """Path in the image of the one file that every package brings, always the same."""
    return f"{prefix.removeprefix('/')}/conda-meta/history"


def iter_linked_entries(
    plan: LinkPlan, archive: PackageArchive, *, sha256: str, findings: list[Finding] | None = None
) -> Iterator[Entry]:
    """The entries that a package contributes to a layer: its files, console scripts and `conda-meta` record.

    Args:
        plan: What to do with each file.
        archive: The package.
        sha256: Of the archive, verified.
        findings: Receives what only shows in the files themselves.

    Raises:
        FormatError: The archive is damaged, lacks a file that its metadata list, has one of another size, or holds
            something that is no file or link.
        BuildError: A file cannot be patched, or the compiling interpreter dies.
    """
    linker = _Linker(plan, archive, [] if findings is None else findings)
    try:
        yield file_entry(history_path(plan.prefix), b"", mtime=DIRECTORY_MTIME)
        yield from linker.files()
        yield from linker.made()
    finally:
        linker.close()
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


class _Original(NamedTuple):
    """A member of the archive as it stands there, since later ones may be hard links to it.

    Attributes:
        entry: A copy of its header.
        target: Where the layer has the same bytes; None where it has not.
        record: What the record says of that.
    """

    entry: Entry
    target: str | None = None
    record: LinkedPath | None = None


class _Linker:
    """Links one package; `linked` says afterwards what became of its files, `newest` is the latest mtime seen."""

    def __init__(self, plan: LinkPlan, archive: PackageArchive, findings: list[Finding]) -> None:
        self.root = plan.prefix.removeprefix("/")
        self.linked: list[LinkedPath] = []
        self.newest = DIRECTORY_MTIME
        self._plan = plan
        self._archive = archive
        self._findings = findings
        self._prefix = plan.prefix.encode()
        self._wanted = {entry.path: entry for entry in plan.metadata.paths}
        self._targets = {plan.target(entry) for entry in plan.metadata.paths}
        self._replaced = frozenset(plan.replaced_by_scripts())
        self._originals: dict[str, _Original] = {}
        self._compiler = Compiler(plan.interpreter) if plan.interpreter is not None else None

    def close(self) -> None:
        """End what was started to link."""
        if self._compiler is not None:
            self._compiler.close()

    def files(self) -> Iterator[Entry]:
        """What the archive has, in its order, then the directories that only the metadata list."""
        left = dict(self._wanted)
        for entry in self._archive.iter_entries():
            wanted = left.pop(entry.path, None)
            if wanted is None:
                if entry.path in self._wanted:
                    raise FormatError(self._archive.source, f"the archive has `{entry.path}` twice")
            elif not self._is_omitted(target := self._plan.target(wanted)):
                yield from self._linked(entry, wanted, target)
                continue
            self._originals[entry.path] = self._original_of(entry)
        for wanted in left.values():
            target = self._plan.target(wanted)
            if not self._is_omitted(target):
                if wanted.path_type != "directory":
                    raise FormatError(self._archive.source, f"`{wanted.path}` is listed in its metadata, but not there")
                yield self._directory(wanted, target)

    def _is_omitted(self, target: str) -> bool:
        return target in self._replaced or self._plan.is_omitted(target)

    def _original_of(self, entry: Entry) -> _Original:
        if entry.kind is Kind.HARDLINK and entry.link in self._originals:
            return self._originals[entry.link]._replace(target=None)
        header = Entry(entry.path, entry.kind, entry.mode, entry.mtime, entry.size, (), entry.link, xattrs=entry.xattrs)
        return _Original(header)

    def _linked(self, entry: Entry, wanted: PathsEntry, target: str) -> Iterator[Entry]:
        source_path, original = entry.path, self._original_of(entry)
        if entry.mtime > self.newest:
            self.newest = entry.mtime
        entry.path = f"{self.root}/{target}"
        entry.uid = entry.gid = 0
        if wanted.path_type == "directory" and entry.kind is not Kind.DIRECTORY:
            raise FormatError(self._archive.source, f"`{source_path}` is no directory, as its metadata declare")
        shared: LinkedPath | None = None
        if entry.kind is Kind.FILE:
            shared = self._file(entry, wanted, target)
        elif entry.kind is Kind.SYMLINK:
            self._symlink(entry, wanted, target)
        elif entry.kind is Kind.HARDLINK:
            shared = self._hard_link(entry, wanted, target)
        elif entry.kind is Kind.DIRECTORY:
            entry = self._directory(wanted, target)
        else:
            raise FormatError(
                self._archive.source, f"`{source_path}` is a device or pipe, which packages must not hold"
            )
        self._originals[source_path] = original if shared is None else _Original(original.entry, target, shared)
        is_source = entry.kind is Kind.FILE and entry.size <= MAX_SOURCE_SIZE and self._plan.compiles(wanted)
        if self._compiler is not None and is_source:
            yield from self._compiled(entry, target, self._compiler)
        else:
            yield entry

    def _file(self, entry: Entry, wanted: PathsEntry, target: str) -> LinkedPath | None:
        """Record a file; None if other names must not be links to it."""
        self._set_attributes(entry, target)
        self._check_size(wanted, entry.size)
        if wanted.prefix_placeholder is not None:
            self._patch(entry, wanted, target)
            return None
        size = wanted.size_in_bytes or entry.size
        path = LinkedPath(target, wanted.path_type, wanted.no_link, wanted.sha256, size_in_bytes=size)
        if wanted.sha256 is None:
            entry.content = _hashed(entry.content, path)
        self.linked.append(path)
        return None if wanted.no_link else path

    def _set_attributes(self, entry: Entry, target: str) -> None:
        if entry.mode & ~_MODE_MASK and not self._plan.options.keep_setuid:
            if entry.mode & _SETUID_OR_SETGID:
                text = f"lost its set-user-id or set-group-id bit: its mode was {entry.mode:04o}"
                self._find(FindingKind.SETUID_DROPPED, target, text)
            entry.mode &= _MODE_MASK
        if entry.xattrs:
            # Others, such as `security.selinux`, belong to the machine that built the package.
            entry.xattrs = {
                name: value for name, value in entry.xattrs.items() if name == _CAPABILITY or name.startswith("user.")
            }
            if _CAPABILITY in entry.xattrs:
                self._find(FindingKind.CAPABILITY, target, "has capabilities of its own")

    def _check_size(self, wanted: PathsEntry, size: int) -> None:
        if wanted.size_in_bytes not in (None, size) and wanted.path_type == "hardlink":
            reason = f"`{wanted.path}` has {size:,} bytes, but its metadata declare {wanted.size_in_bytes:,}"
            raise FormatError(self._archive.source, reason)

    def _patch(self, entry: Entry, wanted: PathsEntry, target: str) -> None:
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

    def _symlink(self, entry: Entry, wanted: PathsEntry, target: str) -> None:
        entry.mode = 0o777
        link = entry.link.encode("utf-8", "surrogateescape")
        in_prefix: str | None = hashlib.sha256(link).hexdigest()
        if in_prefix == wanted.sha256:
            in_prefix = None
        size = wanted.size_in_bytes if wanted.size_in_bytes is not None else len(link)
        self.linked.append(LinkedPath(target, "softlink", wanted.no_link, wanted.sha256, in_prefix, size))
        if _leads_out(self._plan.prefix, target, entry.link):
            self._find(FindingKind.OUTSIDE_LINK, target, f"leads out of the prefix, to `{entry.link}`")

    def _hard_link(self, entry: Entry, wanted: PathsEntry, target: str) -> LinkedPath | None:
        """A link where both names have the same bytes in the layer; a file of its own otherwise."""
        linked_to = entry.link
        original = self._originals.get(linked_to)
        if original is not None and original.entry.kind is Kind.SYMLINK:
            entry.kind, entry.link = Kind.SYMLINK, original.entry.link
            self._symlink(entry, wanted, target)
            return None
        if original is not None:
            entry.mode, entry.xattrs = original.entry.mode, original.entry.xattrs
            if original.target is not None and wanted.prefix_placeholder is None and not wanted.no_link:
                return self._link_to(entry, wanted, target, original)
        content = self._archive.read_content(linked_to, limit=MAX_PATCHED_SIZE)
        entry.kind, entry.link, entry.size, entry.content = Kind.FILE, "", len(content), (content,)
        made = self._file(entry, wanted, target)
        if made is not None and original is not None:
            self._originals[linked_to] = original._replace(target=target, record=made)
        return made

    def _link_to(self, entry: Entry, wanted: PathsEntry, target: str, original: _Original) -> LinkedPath:
        self._set_attributes(entry, target)
        self._check_size(wanted, original.entry.size)
        entry.link = f"{self.root}/{original.target}"
        path = LinkedPath(target, wanted.path_type, wanted.no_link, wanted.sha256)
        path.size_in_bytes = wanted.size_in_bytes if wanted.size_in_bytes is not None else original.entry.size
        if wanted.sha256 is None and original.record is not None:
            path.sha256_in_prefix = original.record.sha256 or original.record.sha256_in_prefix
        self.linked.append(path)
        return path

    def _directory(self, wanted: PathsEntry, target: str) -> Entry:
        self.linked.append(LinkedPath(target, "directory", wanted.no_link))
        return directory_entry(f"{self.root}/{target}")

    def _compiled(self, entry: Entry, target: str, compiler: Compiler) -> Iterator[Entry]:
        """A module and its bytecode, which the package does not bring itself."""
        source, mtime, name = entry.read(), entry.mtime, f"/{entry.path}"
        entry.content = (source,)
        yield entry
        bytecode = bytecode_path(target, compiler.interpreter.cache_tag)
        if bytecode in self._targets or self._plan.is_omitted(bytecode):
            return
        content = compiler.compile(source, name)
        if content is None:
            self._find(FindingKind.NOT_COMPILED, target, "cannot be compiled, so there is no bytecode of it")
            return
        self.linked.append(LinkedPath(bytecode, "pyc_file"))
        yield file_entry(f"{self.root}/{bytecode}", content, mtime=mtime)

    def made(self) -> Iterator[Entry]:
        """Console scripts, and links that a link script would make."""
        python = self._plan.python
        for point in self._plan.metadata.entry_points if python is not None else ():
            target = f"bin/{point.command}"
            if python is None or self._plan.is_omitted(target):
                continue
            script = python.script(point, self._plan.prefix)
            digest = hashlib.sha256(script).hexdigest()
            self.linked.append(LinkedPath(target, "unix_python_entry_point", sha256=digest, size_in_bytes=len(script)))
            yield file_entry(f"{self.root}/{target}", script, mode=SCRIPT_MODE, mtime=self.newest)
        for target, link in self._plan.links.items():
            if not self._plan.is_omitted(target):
                yield Entry(f"{self.root}/{target}", Kind.SYMLINK, 0o777, self.newest, link=link)

    def _find(self, kind: FindingKind, target: str, text: str) -> None:
        self._findings.append(Finding(kind, self._plan.metadata.name, target, text))


def _leads_out(prefix: str, path: str, link: str) -> bool:
    """Whether a symbolic link at `path` (relative to the prefix) has its target outside."""
    place = posixpath.normpath(posixpath.join(prefix, posixpath.dirname(path), link))
    return place != prefix and not place.startswith(f"{prefix}/")


def _hashed(chunks: Iterable[bytes], path: LinkedPath) -> Iterator[bytes]:
    """Pass chunks on, and note their digest in the record at the end."""
    hasher = hashlib.sha256()
    for chunk in chunks:
        hasher.update(chunk)
        yield chunk
    path.sha256_in_prefix = hasher.hexdigest()
