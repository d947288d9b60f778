"""Where a package's files go in an image: through directories that are links, around diversions, without what is left.

A layer must not hold a directory where the image has a symbolic link, or it would replace the link. So paths are
followed through such links beforehand, as dpkg follows them on disk: `bin/ls` goes to `usr/bin/ls` where `bin` is a
link, and so does every other directory that one package has as a link and another as a directory.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from docker_envs.archive.entry import Kind
from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.archive.entry import Entry

#: Directories of the root that are links into `usr/` since the merge, whatever the architecture.
#: Spec: Debian Policy 4.7, section 9.1.1; file-hierarchy(7).
MERGED_DIRECTORIES = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
#: The extended attribute of a file's capabilities.
CAPABILITY = "security.capability"
_MAX_FOLLOWED = 40


class Attributes(NamedTuple):
    """Mode, owner and capabilities of a file, where scripts set others than the archive has.

    Attributes:
        mode: Permission bits.
        uid: Owner.
        gid: Group.
        capability: The extended attribute `security.capability`, empty for none.
    """

    mode: int
    uid: int
    gid: int
    capability: bytes = b""


@dataclass(frozen=True)
class Placement:
    """How paths of a package become paths of an image.

    Attributes:
        links: Directories that are links in the image, with the path of the directory that they lead to.
        diversions: Paths (as they are in the image) that another package has taken, with where they go instead.
        left_out: Paths in the image that are not to be in the layer.
        attributes: Of files, by path in the image.
    """

    links: Mapping[str, str] = field(default_factory=lambda: {name: f"usr/{name}" for name in MERGED_DIRECTORIES})
    diversions: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    attributes: Mapping[str, Attributes] = field(default_factory=dict)
    _directories: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def resolved(self, path: str) -> str:
        """A path with the links among its parents followed, not itself."""
        directory, slash, name = path.rpartition("/")
        if not slash:
            return path
        place = self._directories.get(directory)
        if place is None:
            # Most files of a package are in few directories.
            place = self._directories[directory] = self._followed(f"{directory}/").removesuffix("/")
        return f"{place}/{name}"

    def _followed(self, path: str) -> str:
        for _ in range(_MAX_FOLLOWED):
            link = next((parent for parent in parent_paths(path) if parent in self.links), None)
            if link is None:
                break
            path = f"{self.links[link]}{path[len(link) :]}"
        return path

    def of_file(self, path: str) -> str:
        """Where a file or link of the package goes."""
        path = self.resolved(path)
        return self.diversions.get(path, path)

    def of_directory(self, path: str) -> str:
        """Where a directory goes; the directory that a link in its place leads to."""
        return self.resolved(f"{path}/.").removesuffix("/.")

    def place(self, entry: Entry) -> str | None:
        """Where an entry goes; None for what is left out, and for a link that would be its own target."""
        if entry.kind is Kind.DIRECTORY:
            return self.of_directory(entry.path)
        path = self.of_file(entry.path)
        if path in self.left_out:
            return None
        is_loop = entry.kind is Kind.SYMLINK and link_target(path, entry.link, self) == path
        return None if is_loop else path


def link_target(path: str, link: str, placement: Placement) -> str:
    """The path in the image that a symbolic link at `path` names, its parents followed; empty outside of the root."""
    joined = link if link.startswith("/") else posixpath.join("/", posixpath.dirname(path), link)
    return placement.resolved(posixpath.normpath(joined).lstrip("/"))
