"""The files of a system while it is put together: those of its base and packages, and those that no package has."""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, Kind, directory_entry, file_entry
from docker_envs.environments.debian.archives.placement import CAPABILITY, Attributes
from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_FOLLOWED = 40
#: The largest file that scripts may put together, in bytes.
_MAX_WRITTEN = 4 << 20


class SystemFiles:
    """What is at which path, what the system adds, and what it changes of packages' files.

    Args:
        base: Entries below the packages, without contents.
        entries: Of all packages, without contents, paths as in the image; later ones replace earlier ones.
        contents: Of those files that are known, by path.
        mtime: Of what is added, in seconds since 1970 UTC.
    """

    def __init__(
        self,
        base: Iterable[Entry],
        entries: Iterable[Entry],
        contents: Mapping[str, bytes],
        *,
        mtime: int = DIRECTORY_MTIME,
    ) -> None:
        self._entries: dict[str, Entry] = {}
        self._contents = dict(contents)
        self._mtime = mtime
        self.added: dict[str, Entry] = {}
        self.removed: set[str] = set()
        self.changed: dict[str, Attributes] = {}
        for entry in base:
            self._enter(entry)
        self._of_base = frozenset(self._entries)
        for entry in entries:
            self._enter(entry)

    def _enter(self, entry: Entry) -> None:
        known = self._entries.get(entry.path)
        if known is None or not (known.kind is entry.kind is Kind.DIRECTORY):
            self._entries[entry.path] = entry
        for parent in parent_paths(entry.path):
            if parent not in self._entries:
                self._entries[parent] = directory_entry(parent)

    def __contains__(self, path: str) -> bool:
        return self.lookup(path) is not None

    def lookup(self, path: str, *, follow: bool = True) -> Entry | None:
        """What is at an absolute or relative path of the image, links followed; None when there is nothing."""
        place = self.resolve(path, follow=follow)
        return directory_entry("") if place == "" else self._entries.get(place)

    def resolve(self, path: str, *, follow: bool = True) -> str:
        """The path that another one means, symbolic links among its parents followed, and that at its end if asked."""
        pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        done: list[str] = []
        followed = 0
        while pending:
            part = pending.pop()
            if part == "..":
                done = done[:-1]
                continue
            entry = self._entries.get("/".join([*done, part]))
            if entry is None or entry.kind is not Kind.SYMLINK or (not pending and not follow):
                done.append(part)
                continue
            followed += 1
            if followed > _MAX_FOLLOWED:
                return path.strip("/")
            done = [] if entry.link.startswith("/") else done
            pending += [each for each in reversed(entry.link.split("/")) if each not in ("", ".")]
        return "/".join(done)

    def read(self, path: str) -> bytes | None:
        """The content of a file, if it is known."""
        entry = self.lookup(path)
        if entry is None or entry.kind is not Kind.FILE:
            return None
        return b"" if not entry.size else self._contents.get(entry.path)

    def below(self, directory: str) -> list[str]:
        """All paths below a directory of the image, sorted."""
        place = self.resolve(directory)
        return sorted(path for path in self._entries if path.startswith(f"{place}/"))

    def glob(self, pattern: str) -> list[str]:
        """The absolute paths that a shell's pattern means, sorted."""
        head, _, name = pattern.rpartition("/")
        if re.search(r"[*?[]", head):
            return sorted(found for each in self.glob(head) for found in self.glob(f"{each}/{name}"))
        names = {path[len(place) :].split("/")[0] for place in [f"{self.resolve(head)}/"] for path in self.below(head)}
        return sorted(f"{head}/{each}" for each in names if fnmatchcase(each, name) and not each.startswith("."))

    def add(self, entry: Entry) -> None:
        """Add or replace a file, link or directory."""
        entry.path = self.resolve(entry.path, follow=False)
        for parent in parent_paths(entry.path):
            if parent not in self._entries:
                self._put(directory_entry(parent))
        self._put(entry)

    def write(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        """Write a file; one that is there keeps its mode and owner."""
        known = self.lookup(path)
        entry = file_entry(self.resolve(path), content, mode=mode, mtime=self._mtime)
        if known is not None:
            entry.mode, entry.uid, entry.gid = known.mode, known.uid, known.gid
        self._contents[entry.path] = content
        self.add(entry)

    def append(self, path: str, content: bytes) -> bool:
        """Write to the end of a file; False when what it holds is not known."""
        known = self.read(path) if path in self else b""
        if known is None or len(known) + len(content) > _MAX_WRITTEN:
            return False
        self.write(path, known + content)
        return True

    def make_directory(self, path: str, mode: int = 0o755) -> None:
        """Make a directory, and those above it."""
        entry = directory_entry(self.resolve(path))
        entry.mode = mode
        if path not in self:
            self.add(entry)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link."""
        place = self.resolve(path, follow=False)
        self.add(Entry(place, Kind.SYMLINK, 0o777, self._mtime, link=target))

    def change(
        self,
        path: str,
        *,
        mode: int | None = None,
        owner: tuple[int | None, int | None] = (None, None),
        capability: bytes | None = None,
    ) -> bool:
        """Set mode, owner and capabilities; False for a file of the base, whose content no layer here has."""
        entry = self.lookup(path)
        if entry is None:
            return False
        uid, gid = (known if new is None else new for known, new in zip((entry.uid, entry.gid), owner, strict=True))
        before = Attributes(entry.mode, entry.uid, entry.gid, entry.xattrs.get(CAPABILITY, b""))
        if capability is None:
            # A change of the owner takes them away.
            capability = before.capability if (uid, gid) == (entry.uid, entry.gid) else b""
        wanted = Attributes(entry.mode if mode is None else mode, uid, gid, capability)
        if wanted == before:
            return True
        is_new = entry.path in self.added or entry.kind is Kind.DIRECTORY
        if not is_new and entry.path in self._of_base:
            return False
        changed = Entry(entry.path, entry.kind, wanted.mode, entry.mtime, entry.size, entry.content, entry.link)
        changed.uid, changed.gid = wanted.uid, wanted.gid
        changed.xattrs = {CAPABILITY: capability} if capability else {}
        if is_new:
            self._put(changed)
        else:
            self._entries[entry.path] = changed
            self.changed[entry.path] = wanted
        return True

    def move(self, source: str, target: str) -> bool:
        """Rename something that the system added; False for what a package has."""
        place = self.resolve(source, follow=False)
        entry = self.added.get(place)
        if entry is None or entry.kind is Kind.DIRECTORY:
            return False
        content = self._contents.pop(place, None)
        del self.added[place], self._entries[place]
        entry.path = self.resolve(target, follow=False)
        if content is not None:
            self._contents[entry.path] = content
        self.add(entry)
        return True

    def remove(self, path: str) -> None:
        """Remove a file or link; what a package has of that name is in `removed` until something takes its place."""
        place = self.resolve(path, follow=False)
        if self._entries.pop(place, None) is not None and self.added.pop(place, None) is None:
            self.removed.add(place)

    def _put(self, entry: Entry) -> None:
        self.removed.discard(entry.path)
        self._entries[entry.path] = self.added[entry.path] = entry


def absolute(path: str) -> str:
    """A path of the image as programs in it write it."""
    return posixpath.normpath(f"/{path}")
