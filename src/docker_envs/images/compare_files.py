"""Which files two images have that differ, found in the layers that only one of them has.

Layers of both are not read. So a file of a layer that only one image has counts as added (or removed) even where it
takes the place of a file in a layer of both; what such a layer removes from lower ones counts as removed (or added).

Spec: OCI image-spec 1.1, layer.md, "Whiteouts".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.entry import Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.archive.whiteout import OPAQUE, PREFIX
from docker_envs.images.local_layers import watched_layer
from docker_envs.oci import media_types
from docker_envs.paths import parent_paths
from docker_envs.report import SILENT

if TYPE_CHECKING:
    from docker_envs.archive.entry import Entry
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.report import Reporter


class ChangedFile(msgspec.Struct, frozen=True):
    """A file that both have; `what` are the names of its attributes that differ, `content` among them."""

    path: str
    what: tuple[str, ...]


class FileChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is different; paths are absolute and sorted. A directory that a layer empties is `PATH/*`."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[ChangedFile, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What counts of a file; its times do not. Of a path that a layer removes, `kind` is None."""

    kind: Kind | None
    mode: int = 0
    owner: tuple[int, int] = (0, 0)
    content: bytes = b""
    link: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @property
    def is_leaf(self) -> bool:
        """Whether nothing can be below it."""
        return self.kind not in (None, Kind.DIRECTORY)


def compare_files(before: Image, after: Image, *, reporter: Reporter = SILENT) -> FileChanges:
    """Compare the files of two images.

    Raises:
        FormatError: A layer is damaged.
        VerificationError: A layer is not what its digest says.
        TransportError: A layer cannot be read.

    Cost: one read of each layer that only one of them has; memory grows with the number of its paths.
    """
    old = _files(_only_in(before, after), reporter)
    new = _files(_only_in(after, before), reporter)
    gone, come = _shown(old), _shown(new)
    added = (come - old.keys()) | (come & _removed(old)) | (_removed(old) - new.keys())
    removed = (gone - new.keys()) | (gone & _removed(new)) | (_removed(new) - old.keys())
    changed = [(path, _what(old[path], new[path])) for path in sorted(gone & come) if old[path] != new[path]]
    return FileChanges(
        added=tuple(f"/{path}" for path in sorted(added)),
        removed=tuple(f"/{path}" for path in sorted(removed)),
        changed=tuple(ChangedFile(f"/{path}", what) for path, what in changed),
    )


def _only_in(image: Image, other: Image) -> list[Layer]:
    theirs = {layer.diff_id for layer in other.layers}
    return [
        layer for layer in image.layers if layer.diff_id not in theirs and not media_types.is_foreign(layer.media_type)
    ]


def _shown(files: dict[str, _Facts]) -> set[str]:
    return {path for path, facts in files.items() if facts.kind is not None}


def _removed(files: dict[str, _Facts]) -> set[str]:
    return {path for path, facts in files.items() if facts.kind is None}


def _what(old: _Facts, new: _Facts) -> tuple[str, ...]:
    return tuple(each.name for each in fields(_Facts) if getattr(old, each.name) != getattr(new, each.name))


@dataclass(slots=True)
class _View:
    """The files of one or more layers.

    Attributes:
        files: By path; with those that the layers remove from lower ones.
        parents: Directories above files.
        removed: Paths that are removed from lower layers, with all below them.
        opaque: Directories whose content is removed from lower layers.
    """

    files: dict[str, _Facts] = field(default_factory=dict)
    parents: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)

    def put_under(self, upper: _View) -> None:
        """Make this layer the lowest one of a stack."""
        shown = {path: facts for path, facts in self.files.items() if not upper.hides(path, facts)}
        # A hidden file still ends the directory that lower layers have under its name.
        ended = {path for path, facts in self.files.items() if path not in shown and facts.is_leaf}
        upper.files.update(shown)
        for path, facts in shown.items():
            if facts.kind is not None:
                upper.parents.update(parent_paths(path))
        upper.removed |= self.removed | ended
        upper.opaque |= self.opaque

    def hides(self, path: str, facts: _Facts) -> bool:
        """Whether nothing is seen of what a lower layer has."""
        if path in self.files or path in self.removed or "" in self.opaque:
            return True
        if path in self.parents and facts.kind is not Kind.DIRECTORY:
            return True
        return any(
            parent in self.removed or parent in self.opaque or self._is_no_directory(parent)
            for parent in parent_paths(path)
        )

    def _is_no_directory(self, path: str) -> bool:
        return path in self.files and self.files[path].is_leaf


def _files(layers: list[Layer], reporter: Reporter) -> dict[str, _Facts]:
    view = _View()
    for layer in reversed(layers):
        _read(layer, reporter).put_under(view)
    return view.files


def _read(layer: Layer, reporter: Reporter) -> _View:
    view = _View()
    gone: dict[str, _Facts] = {}
    source = f"layer {layer.digest.short}"
    task = reporter.start("read", source, layer.size)
    with watched_layer(layer, task).open_tar() as stream:
        for entry in iter_entries(stream, source=source):
            directory, _, name = entry.path.rpartition("/")
            if name == OPAQUE:
                view.opaque.add(directory)
                gone[f"{directory}/*".lstrip("/")] = _Facts(None)
            elif name.startswith(PREFIX):
                path = f"{directory}/{name.removeprefix(PREFIX)}".lstrip("/")
                view.removed.add(path)
                gone[path] = _Facts(None)
            elif entry.kind is Kind.HARDLINK and entry.link in view.files:
                view.files[entry.path] = view.files[entry.link]
            else:
                view.files[entry.path] = _facts(entry)
    task.finish()
    view.files = {**gone, **view.files}
    return view


def _facts(entry: Entry) -> _Facts:
    content = b""
    if entry.kind is Kind.FILE:
        hasher = hashlib.sha256()
        for chunk in entry.content:
            hasher.update(chunk)
        content = hasher.digest()
    return _Facts(
        entry.kind,
        entry.mode,
        (entry.uid, entry.gid),
        content,
        entry.link,
        entry.device,
        tuple(sorted(entry.xattrs.items())),
    )
