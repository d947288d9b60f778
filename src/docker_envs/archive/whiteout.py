"""Whiteouts, and the one tree that a stack of layers shows.

Spec: OCI image-spec 1.1, layer.md, "Whiteouts" and "Changeset over existing files".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, directory_entry
from docker_envs.archive.reader import iter_entries
from docker_envs.errors import FormatError
from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docker_envs.streams import ByteSource

#: The most bytes of extended attributes that are kept for directories.
_MAX_XATTRS = 64 << 20

PREFIX = ".wh."
OPAQUE = ".wh..wh..opq"


def whiteout_entry(path: str) -> Entry:
    """What a layer has in place of a file or directory of the layers below that is gone."""
    directory, slash, name = path.rpartition("/")
    return Entry(f"{directory}{slash}{PREFIX}{name}", Kind.FILE, 0o644, DIRECTORY_MTIME, deletes=True)


def iter_flattened(openers: Sequence[Callable[[], ByteSource]], *, source: str) -> Iterator[Entry]:
    """The entries that a container sees, whiteouts applied, upper layers first.

    A directory comes before what is below it, with the attributes of the uppermost layer that has an entry for it, or
    else with constant ones. A hard link whose target another layer hides comes as the file itself. Of a path that a
    layer has several times, the last one counts.

    Args:
        openers: One per layer, base layer first; each gives the uncompressed tar, is called twice, and its stream is
            closed here.
        source: What the layers belong to, for messages.

    Raises:
        FormatError: A layer is no tar, damaged, or has paths outside of the root.

    Cost: two reads of every layer; memory grows with the number of paths, not with sizes.
    """
    known: list[_Names] = []
    directories = _survey(openers, known, source)
    view, shown = _View(), set[str]()
    for opener, own in zip(reversed(openers), known, strict=True):
        layer = _Layer(view, own)
        with opener() as stream:
            for read in iter_entries(stream, source=source):
                if own.comes_again(read.path):
                    continue
                for entry in layer.visible(read):
                    for parent in parent_paths(entry.path):
                        if parent not in shown:
                            shown.add(parent)
                            yield directories.get(parent) or directory_entry(parent)
                    if entry.kind is not Kind.DIRECTORY:
                        yield entry
                    elif entry.path not in shown:
                        shown.add(entry.path)
                        yield entry
        layer.finish()
    # What was in them is gone, but they are still there.
    yield from (directories[path] for path in sorted(directories.keys() - shown))


def _survey(openers: Sequence[Callable[[], ByteSource]], known: list[_Names], source: str) -> dict[str, Entry]:
    """Read all layers once: what must be known of each goes to `known`, topmost first; the visible directories."""
    view = _View()
    directories: dict[str, Entry] = {}
    kept = 0
    for opener in reversed(openers):
        own = _Names()
        layer = _Layer(view, own)
        found: dict[str, Entry] = {}
        with opener() as stream:
            for entry in iter_entries(stream, source=source):
                own.add(entry)
                for seen in layer.visible(entry):
                    if seen.kind is Kind.DIRECTORY:
                        found[seen.path] = seen
                        kept += sum(map(len, seen.xattrs.values()))
                if kept > _MAX_XATTRS:
                    raise FormatError(source, f"directories with more than {_MAX_XATTRS:,} bytes of attributes")
        layer.finish()
        directories = {**found, **directories}
        own.close()
        known.append(own)
    return {**{path: directory_entry(path) for path in view.parents}, **directories}


@dataclass(slots=True)
class _Names:
    """What must be known of a layer before it is read.

    Attributes:
        roots: The file that each hard link leads to.
        names: The hard links of each such file.
        more: How often a path comes again.
    """

    roots: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    more: dict[str, int] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def add(self, entry: Entry) -> None:
        if entry.path in self._seen:
            self.more[entry.path] = self.more.get(entry.path, 0) + 1
        self._seen.add(entry.path)
        if entry.kind is Kind.HARDLINK:
            root = self.roots[entry.path] = self.root(entry.link)
            self.names.setdefault(root, []).append(entry.path)

    def close(self) -> None:
        self._seen.clear()

    def comes_again(self, path: str) -> bool:
        left = self.more.get(path, 0)
        if left:
            self.more[path] = left - 1
        return left > 0

    def root(self, path: str) -> str:
        return self.roots.get(path, path)


@dataclass(slots=True)
class _View:
    """What upper layers show, need as parents, remove (a path with all below it) and make opaque (only below)."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    parents: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)

    def hides(self, path: str, kind: Kind) -> bool:
        if path in self.kinds or path in self.removed or "" in self.opaque:
            return True
        if kind is not Kind.DIRECTORY and path in self.parents:
            return True
        return any(
            parent in self.removed
            or parent in self.opaque
            or self.kinds.get(parent, Kind.DIRECTORY) is not Kind.DIRECTORY
            for parent in parent_paths(path)
        )


class _Layer:
    """One layer's contribution; its markers act on lower layers only."""

    def __init__(self, view: _View, links: _Names) -> None:
        self._view = view
        self._links = links
        self._own = _View()
        self._moved: dict[str, str] = {}
        self._implied: set[str] = set()

    def visible(self, entry: Entry) -> Iterator[Entry]:
        directory, _, name = entry.path.rpartition("/")
        if name == OPAQUE:
            self._own.opaque.add(directory)
        elif name.startswith(PREFIX):
            self._own.removed.add(f"{directory}/{name.removeprefix(PREFIX)}".lstrip("/"))
        else:
            self._imply(directory)
            yield from self._visible(entry)

    def _imply(self, directory: str) -> None:
        """A directory is there as soon as an entry is below it, whatever becomes of that."""
        if directory and directory not in self._implied:
            self._implied.add(directory)
            for place in (*parent_paths(directory), directory):
                if not self._view.hides(place, Kind.DIRECTORY):
                    self._own.parents.add(place)

    def _visible(self, entry: Entry) -> Iterator[Entry]:
        if self._view.hides(entry.path, entry.kind):
            if entry.kind is not Kind.DIRECTORY:
                self._own.removed.add(entry.path)  # it ends what lower layers have below that name
            yield from self._rescue(entry)
        elif entry.kind is not Kind.HARDLINK:
            yield self._show(entry)
        else:
            root = self._links.root(entry.link)
            entry.link = self._moved.get(root, root)
            if entry.link != entry.path:
                yield self._show(entry)

    def _show(self, entry: Entry) -> Entry:
        self._own.kinds[entry.path] = entry.kind
        return entry

    def _rescue(self, entry: Entry) -> Iterator[Entry]:
        """A hidden file that visible hard links of this layer still need appears under the first of their names."""
        names = (path for path in self._links.names.get(entry.path, ()) if not self._view.hides(path, Kind.FILE))
        if entry.kind is not Kind.DIRECTORY and (name := next(names, None)):
            self._moved[entry.path] = name
            entry.path = name
            yield self._show(entry)

    def finish(self) -> None:
        self._view.kinds.update(self._own.kinds)
        self._view.parents |= self._own.parents
        self._view.removed |= self._own.removed
        self._view.opaque |= self._own.opaque
