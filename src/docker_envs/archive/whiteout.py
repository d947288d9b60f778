"""Whiteouts, and the one tree that a stack of layers shows.

Spec: OCI image-spec 1.1, layer.md, "Whiteouts" and "Changeset over existing files".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Entry, Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docker_envs.streams import ByteSource

PREFIX = ".wh."
OPAQUE = ".wh..wh..opq"


def is_whiteout(path: str) -> bool:
    """Whether a path's name is a deletion or opaque marker."""
    return path.rpartition("/")[2].startswith(PREFIX)


def iter_flattened(openers: Sequence[Callable[[], ByteSource]], *, source: str) -> Iterator[Entry]:
    """The entries that a container sees, whiteouts applied, upper layers first.

    A hard link whose target another layer hides comes as the file itself.

    Args:
        openers: One per layer, base layer first; each gives the uncompressed tar, is called twice, and its stream is
            closed here.
        source: What the layers belong to, for messages.

    Raises:
        FormatError: A layer is no tar, damaged, or has paths outside of the root.

    Cost: two reads of every layer; memory grows with the number of paths, not with sizes.
    """
    view = _View()
    for opener in reversed(openers):
        layer = _Layer(view, _HardLinks.read(opener, source))
        with opener() as stream:
            for entry in iter_entries(stream, source=source):
                yield from layer.visible(entry)
        layer.finish()


@dataclass(slots=True)
class _HardLinks:
    """The hard links of one layer: `roots` maps each to the file it leads to, `names` each such file to its links."""

    roots: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, opener: Callable[[], ByteSource], source: str) -> _HardLinks:
        links = cls()
        with opener() as stream:
            for entry in iter_entries(stream, source=source):
                if entry.kind is Kind.HARDLINK:
                    root = links.roots[entry.path] = links.root(entry.link)
                    links.names.setdefault(root, []).append(entry.path)
        return links

    def root(self, path: str) -> str:
        return self.roots.get(path, path)


@dataclass(slots=True)
class _View:
    """What upper layers show, remove (a path with all below it) and make opaque (only what is below)."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)

    def hides(self, path: str) -> bool:
        if path in self.kinds or path in self.removed or "" in self.opaque:
            return True
        return any(
            parent in self.removed
            or parent in self.opaque
            or self.kinds.get(parent, Kind.DIRECTORY) is not Kind.DIRECTORY
            for parent in parent_paths(path)
        )


class _Layer:
    """One layer's contribution; its markers act on lower layers only."""

    def __init__(self, view: _View, links: _HardLinks) -> None:
        self._view = view
        self._links = links
        self._own = _View()
        self._moved: dict[str, str] = {}

    def visible(self, entry: Entry) -> Iterator[Entry]:
        directory, _, name = entry.path.rpartition("/")
        if name == OPAQUE:
            self._own.opaque.add(directory)
        elif name.startswith(PREFIX):
            self._own.removed.add(f"{directory}/{name.removeprefix(PREFIX)}".lstrip("/"))
        elif self._view.hides(entry.path):
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
        names = (path for path in self._links.names.get(entry.path, ()) if not self._view.hides(path))
        if entry.kind is not Kind.DIRECTORY and (name := next(names, None)):
            self._moved[entry.path] = name
            entry.path = name
            yield self._show(entry)

    def finish(self) -> None:
        self._view.kinds.update(self._own.kinds)
        self._view.removed |= self._own.removed
        self._view.opaque |= self._own.opaque
