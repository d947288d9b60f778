"""Looking into an image: the tree of files that a container has, read layer by layer from the top.

A layer is read when a question reaches it, once and to its end, which verifies it (blob and diff_id); what lies below
the answer is never read. A file is found as soon as one layer has it; a directory's list needs all layers down to one
that makes the directory opaque, or replaces it.

Spec: OCI image-spec 1.1, layer.md, "Whiteouts"; path_resolution(7) for symbolic links.
"""

from __future__ import annotations

import contextlib
import difflib
import tempfile
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self, cast

import msgspec

from docker_envs.archive.entry import Entry, Kind, directory_entry
from docker_envs.archive.reader import iter_entries
from docker_envs.archive.whiteout import OPAQUE, PREFIX
from docker_envs.errors import FormatError, InvalidInputError, NotFoundError
from docker_envs.images.local_layers import watched_layer
from docker_envs.paths import parent_paths
from docker_envs.report import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.report import Reporter

#: Symbolic links that one path may lead through, as in Linux.
_MAX_LINKS = 40
#: Contents up to this size stay in memory, in bytes; longer ones go to a temporary file.
_MAX_SPOOLED = 8 << 20


@dataclass(slots=True)
class _Layer:
    """One layer's entries without contents and attributes, which directories have them, and what lower layers lose."""

    number: int
    layer: Layer
    entries: dict[str, Entry] = field(default_factory=dict)
    names: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    removed: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    opaque: set[str] = field(default_factory=set)
    contents: dict[str, BinaryIO] = field(default_factory=dict)

    def read(self, wanted: frozenset[str]) -> None:
        """Read the layer to its verified end, and keep the contents of the wanted files."""
        with self.layer.open_tar() as stream:
            for entry in iter_entries(stream, source=f"layer {self.layer.digest.short}"):
                directory, _, name = entry.path.rpartition("/")
                if name == OPAQUE:
                    self.opaque.add(directory)
                elif name.startswith(PREFIX):
                    self.removed[directory].add(name.removeprefix(PREFIX))
                else:
                    self._add(entry, wanted)

    def _add(self, entry: Entry, wanted: frozenset[str]) -> None:
        if entry.path in wanted and entry.kind is Kind.FILE:
            if earlier := self.contents.pop(entry.path, None):
                earlier.close()
            self.contents[entry.path] = spool = _spool()
            for chunk in entry.content:  # not `writelines`, which would take all of it into memory first
                spool.write(chunk)
        entry.content, entry.xattrs = (), {}
        self.entries[entry.path] = entry
        path = entry.path
        while path:
            path, _, name = path.rpartition("/")
            if name in self.names[path]:
                return
            self.names[path].add(name)

    def ends(self, path: str) -> bool:
        """Whether what lower layers have at a path, or below it, does not count."""
        if "" in self.opaque and path:
            return True
        for place in (*parent_paths(path), path):
            directory, _, name = place.rpartition("/")
            entry = self.entries.get(place)
            if name in self.removed.get(directory, ()) or (entry is not None and entry.kind is not Kind.DIRECTORY):
                return True
            if place in self.opaque and place != path:
                return True
        return False


class _Found(NamedTuple):
    layer: _Layer
    entry: Entry


class FileTree:
    """The files of an image as its containers see them; a context manager.

    Args:
        image: Its layers are opened when they are needed.
        wanted: Paths whose contents will probably be asked for; they are kept when their layer is read, which spares
            reading it again.
        nearby: Gives a copy of a layer that may be opened twice without fetching it twice.
        reporter: Hears of layers that are read from a registry.
    """

    def __init__(
        self,
        image: Image,
        *,
        wanted: Iterable[str] = (),
        nearby: Callable[[Layer], Layer] = lambda layer: layer,
        reporter: Reporter = SILENT,
    ) -> None:
        self._waiting = deque(reversed(image.layers))
        self._layers: list[_Layer] = []
        self._wanted = frozenset("/".join(part for part in path.split("/") if part) for path in wanted)
        self._nearby = nearby
        self._reporter = reporter

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for layer in self._layers:
            for content in layer.contents.values():
                content.close()

    def resolve(self, path: str, *, follow: bool = True) -> str:
        """The canonical path of what a path leads to, symbolic links followed inside the image.

        Args:
            path: From the root of the image, with or without a leading slash.
            follow: Whether a symbolic link at its end is followed, too.

        Raises:
            NotFoundError: There is no such file or directory.
            InvalidInputError: It leads through a file, or through a loop of links.
        """
        left = deque(path.split("/"))
        done, links = "", 0
        while left:
            part = left.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            place = f"{done}/{part}".lstrip("/")
            entry = self._linked(self._require(place, path)).entry
            if entry.kind is Kind.SYMLINK and (left or follow):
                links += 1
                if links > _MAX_LINKS:
                    raise InvalidInputError(f"`{path}` leads through too many symbolic links, or through a loop")
                done = "" if entry.link.startswith("/") else done
                left.extendleft(reversed(entry.link.split("/")))
            elif left and entry.kind is not Kind.DIRECTORY:
                raise InvalidInputError(f"`/{place}` in the image is no directory")
            else:
                done = place
        return done

    def entry(self, path: str) -> Entry:
        """What is at a canonical path; a hard link comes as the file that it is.

        Raises:
            NotFoundError: Nothing is.
        """
        if not path:
            return directory_entry("")
        return self._shown(self._require(path, path))

    def listed(self, path: str) -> Entry:
        """What `ls` is about when it gets a path: the directory that it leads to, or else the file or link itself.

        Raises:
            NotFoundError: There is no such file or directory.
            InvalidInputError: It leads through a file, or through a loop of links.
        """
        entry = self.entry(self.resolve(path, follow=False))
        if entry.kind is Kind.SYMLINK:
            with contextlib.suppress(NotFoundError):  # a link to nothing is shown itself
                target = self.entry(self.resolve(path))
                return target if target.kind is Kind.DIRECTORY else entry
        return entry

    def iter_directory(self, path: str, *, recursive: bool = False) -> Iterator[Entry]:
        """What is in the directory at a canonical path, sorted by name, each directory before what is in it."""
        waiting = [self._sorted(path)]
        while waiting:
            entry = next(waiting[-1], None)
            if entry is None:
                waiting.pop()
                continue
            yield entry
            if recursive and entry.kind is Kind.DIRECTORY:
                waiting.append(self._sorted(entry.path))

    def _sorted(self, directory: str) -> Iterator[Entry]:
        children = self._children(directory)
        return (self._shown(children[name]) for name in sorted(children))

    def check_file(self, path: str) -> None:
        """Check that a regular file is at a canonical path.

        Raises:
            NotFoundError: Nothing is there.
            InvalidInputError: It is something else.
        """
        kind = self.entry(path).kind
        if kind is not Kind.FILE:
            raise InvalidInputError(f"`/{path}` in the image is a {kind.name.lower().replace('_', ' ')}, no file")

    def open(self, path: str) -> BinaryIO:
        """The verified content of the file at a canonical path; the caller closes it.

        Raises:
            NotFoundError: Nothing is there.
            InvalidInputError: It is no regular file.

        Cost: another read of its layer, unless the path was `wanted`; up to 8 MiB of memory, a temporary file beyond.
        """
        self.check_file(path)
        layer, entry = self._linked(self._require(path, path))
        if entry.path not in layer.contents:
            again = _Layer(layer.number, layer.layer)
            again.read(frozenset([entry.path]))
            layer.contents.update(again.contents)
        content = layer.contents.pop(entry.path)
        content.seek(0)
        return content

    def _iter_layers(self, below: int = -1) -> Iterator[_Layer]:
        """The layers from the top, or from below the one with a number; each is read when it is reached."""
        number = below + 1
        while True:
            if number == len(self._layers):
                if not self._waiting:
                    return
                self._layers.append(self._read(number, self._waiting[0]))
                self._waiting.popleft()
            yield self._layers[number]
            number += 1

    def _read(self, number: int, layer: Layer) -> _Layer:
        near = self._nearby(layer)
        if near.host_path is not None or near.origin is None:
            read = _Layer(number, near)
            read.read(self._wanted)
            return read
        task = self._reporter.start("read", f"layer {layer.digest.short}", layer.size)
        read = _Layer(number, watched_layer(near, task))
        read.read(self._wanted)
        task.finish()
        return read

    def _find(self, path: str, *, below: int = -1) -> _Found | None:
        for layer in self._iter_layers(below):
            if entry := layer.entries.get(path):
                return _Found(layer, entry)
            if path in layer.names:
                return _Found(layer, directory_entry(path))
            if layer.ends(path):
                return None
        return None

    def _require(self, path: str, asked: str) -> _Found:
        found = self._find(path)
        if found is None:
            directory, _, name = path.rpartition("/")
            near = difflib.get_close_matches(name, self._children(directory), 1)
            hint = f"did you mean `/{f'{directory}/{near[0]}'.lstrip('/')}`?" if near else None
            raise NotFoundError(f"the image has no `/{asked.lstrip('/')}`", hint=hint)
        return found

    def _children(self, directory: str) -> dict[str, _Found]:
        found: dict[str, _Found] = {}
        settled: set[str] = set()
        for layer in self._iter_layers():
            for name in layer.names.get(directory, set()) - settled:
                path = f"{directory}/{name}".lstrip("/")
                entry = layer.entries.get(path)
                if entry is not None:
                    settled.add(name)
                if name not in found or (entry is not None and entry.kind is Kind.DIRECTORY):
                    found[name] = _Found(layer, entry or directory_entry(path))
            settled |= layer.removed.get(directory, set())
            if directory in layer.opaque or layer.ends(directory):
                break
        return found

    def _linked(self, found: _Found) -> _Found:
        """The file that a hard link is another name of."""
        names: set[str] = set()
        while found.entry.kind is Kind.HARDLINK:
            layer, target = found.layer, found.entry.link
            names.add(found.entry.path)
            entry = layer.entries.get(target)
            other = _Found(layer, entry) if entry else self._find(target, below=layer.number)
            if other is None or other.entry.path in names:
                raise FormatError(
                    f"layer {layer.layer.digest.short}", f"`{found.entry.path}` is a hard link to nothing"
                )
            found = other
        return found

    def _shown(self, found: _Found) -> Entry:
        return msgspec.structs.replace(self._linked(found).entry, path=found.entry.path)


def _spool() -> BinaryIO:
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=_MAX_SPOOLED))
