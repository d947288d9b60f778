"""From what was declared for the layers of an application to their entries."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, directory_entry, file_entry
from docker_envs.builder.application.contents import (
    Content,
    FilesLayer,
    HostFiles,
    InlineFile,
    ProjectSource,
    ProjectWheel,
    UnownedFiles,
)
from docker_envs.builder.application.host_tree import iter_host_files
from docker_envs.builder.application.project import built_wheel, check_wheel, source_entries
from docker_envs.environments.pypi.wheel import Wheel
from docker_envs.errors import BuildError, FormatError, InvalidInputError
from docker_envs.images.host_files import WELL_KNOWN_MODES
from docker_envs.paths import image_path, parent_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from docker_envs.builder.application.planned_accounts import PlannedAccounts
    from docker_envs.environments.pypi.installation import Installation
    from docker_envs.oci.descriptor import Platform

# Directories of every distribution, which stay root's whoever gets files there.
_SYSTEM = frozenset(
    (
        *("bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin"),
        *("srv", "sys", "tmp", "usr", "usr/bin", "usr/lib", "usr/local", "usr/local/bin", "usr/local/lib"),
        *("usr/local/share", "usr/sbin", "usr/share", "var", "var/cache", "var/lib", "var/log", "var/spool", "var/tmp"),
    )
)
# Symbolic links in most bases; a directory in a layer would replace them.
_LINKS = {
    **{name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")},
    "var/run": "run",
    "var/lock": "run/lock",
}
#: What a source tree has that is not of the project.
NOT_SOURCE = ("**/__pycache__", "**/*.egg-info", ".git", ".venv")


@dataclass(frozen=True)
class Application:
    """Where the layers of an application go, and what is known about those below.

    Attributes:
        prefix: Absolute path of the environment in the image.
        platform: What the image runs on.
        python: Where distributions for the environment's Python go, if it has one.
        accounts: Who may own files.
        epoch: Of all entries, in seconds since 1970 UTC; None is a constant.
        has_base: Whether there is a base image.
    """

    prefix: str
    platform: Platform
    python: Installation | None
    accounts: PlannedAccounts
    epoch: int | None = None
    has_base: bool = True
    _directories: dict[str, Entry] = field(default_factory=dict)

    @property
    def mtime(self) -> int:
        """Of all entries, in seconds since 1970 UTC: the declared epoch or a constant, never a time of the host."""
        return DIRECTORY_MTIME if self.epoch is None else self.epoch

    @contextlib.contextmanager
    def open_layer(self, layer: FilesLayer) -> Iterator[list[Entry]]:
        """The entries of a layer, sorted, with all directories above them; to be read inside the block.

        Raises:
            InvalidInputError: Something that was declared is not there, or makes no sense.
            BuildError: Two files share a path, a wheel cannot be built or does not fit.
            FormatError: A wheel is none.
            StorageError: A file cannot be read.
        """
        with contextlib.ExitStack() as stack:
            found = (entry for content in layer.contents for entry in self._entries(content, stack))
            yield self.arranged(layer.title, found)

    def _entries(self, content: Content, stack: contextlib.ExitStack) -> Iterable[Entry]:
        match content:
            case HostFiles():
                owner = self.accounts.owner(content.owner)
                return iter_host_files(content, place_of(content.path), owner=owner, mtime=self.mtime)
            case InlineFile():
                return [self._inline(content)]
            case ProjectWheel():
                return self._wheel(content.root, stack)
            case ProjectSource():
                return self._source(content.files)
            case UnownedFiles():
                return content.found.iter_extra_entries(self.prefix[1:])

    def _inline(self, file: InlineFile) -> Entry:
        entry = file_entry(place_of(file.path), file.content, mode=file.mode, mtime=self.mtime)
        entry.uid, entry.gid = self.accounts.owner(file.owner)
        return entry

    def _wheel(self, root: Path, stack: contextlib.ExitStack) -> list[Entry]:
        target = self._installation(root)
        wheel = stack.enter_context(Wheel(stack.enter_context(built_wheel(root, epoch=self.mtime))))
        check_wheel(wheel, target, self.platform)
        return wheel.entries(target, requested=True)

    def _source(self, files: HostFiles) -> Iterator[Entry]:
        root = files.context / files.source
        target = self._installation(root)
        owner = self.accounts.owner(files.owner)
        chosen = replace(files, exclude=(*NOT_SOURCE, *files.exclude))
        yield from iter_host_files(chosen, place_of(files.path), owner=owner, mtime=self.mtime)
        yield from source_entries(root, f"/{place_of(files.path)}", target)

    def _installation(self, root: Path) -> Installation:
        if self.python is None:
            raise InvalidInputError(
                f"the environment has no Python for the project `{root}`", hint="add `python` to it"
            )
        return replace(self.python, mtime=self.mtime)

    @property
    def directories(self) -> dict[str, Entry]:
        """Those of all layers so far, by path; layers above have them alike."""
        return dict(self._directories)

    def adopt(self, directories: Mapping[str, Entry]) -> None:
        """Go on above a layer that was made before, with the directories that were known then."""
        self._directories.update(directories)

    def arranged(self, title: str, entries: Iterable[Entry]) -> list[Entry]:
        """Entries of a layer sorted, with all directories above them.

        Raises:
            BuildError: Two share a path, one is below a file, or where bases have a link.
        """
        homes = {entry.path for entry in self.accounts.entries if entry.path in self._directories}
        found: dict[str, Entry] = {}
        for entry in entries:
            self._check_place(entry)
            if entry.kind is Kind.DIRECTORY and (entry.path in _SYSTEM or entry.path in homes):
                entry = self._parent(entry.path)
            known = found.get(entry.path)
            if known is not None and not (known.kind is entry.kind is Kind.DIRECTORY):
                raise BuildError(f"{title}: `/{entry.path}` is declared twice")
            found[entry.path] = entry
        for parent in [parent for path in found for parent in parent_paths(path)]:
            if parent not in found:
                found[parent] = self._parent(parent)
            if found[parent].kind is not Kind.DIRECTORY:
                raise BuildError(f"{title}: something is declared below `/{parent}`, which is no directory")
        self._directories.update({path: entry for path, entry in found.items() if entry.kind is Kind.DIRECTORY})
        return sorted(found.values(), key=lambda entry: entry.path.split("/"))

    def _parent(self, path: str) -> Entry:
        """A directory that a layer needs, as a lower layer of the application, or else every distribution, has it."""
        if path in self._directories:
            return self._directories[path]
        entry = directory_entry(path)
        entry.mode = WELL_KNOWN_MODES.get(path, entry.mode)
        return entry

    def _check_place(self, entry: Entry) -> None:
        for link, target in _LINKS.items() if self.has_base else ():
            inside = entry.path.startswith(f"{link}/")
            if inside or (entry.path == link and entry.kind is Kind.DIRECTORY):
                raise BuildError(
                    f"`/{entry.path}` cannot be in a layer: most base images have a symbolic link at `/{link}`",
                    hint=f"put it below `/{target}`",
                )


def place_of(path: str) -> str:
    """The canonical form of an absolute path in the image that was declared; empty for the root.

    Raises:
        InvalidInputError: It is relative, or leaves the image.
    """
    try:
        if path.startswith("/"):
            return image_path(path.lstrip("/"), source="files")
    except FormatError as error:
        raise InvalidInputError(f"{path!r} is no place in an image") from error
    raise InvalidInputError(f"{path!r} is no absolute path", hint=f"write it as `/{path}`")


def owners_of(layers: Sequence[FilesLayer]) -> list[str]:
    """All `USER[:GROUP]` that layers ask for."""
    contents = [content for layer in layers for content in layer.contents]
    files = [content.files if isinstance(content, ProjectSource) else content for content in contents]
    return [each.owner for each in files if isinstance(each, (HostFiles, InlineFile))]
