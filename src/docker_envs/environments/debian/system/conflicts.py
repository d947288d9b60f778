"""Where packages meet: paths that several have, directories that one has as a link, and who gives way.

Spec: Debian Policy 4.7, section 7.6 (Replaces); dpkg(1), "--force-overwrite", whose absence makes the rest an error.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Entry, Kind
from docker_envs.environments.debian.archives.placement import MERGED_DIRECTORIES, Placement
from docker_envs.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.environments.debian.archives.metadata import DebianMetadata

_RELATION = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?")


def directory_links(packages: Sequence[DebianMetadata], base: Sequence[Entry]) -> dict[str, str]:
    """Directories that are links in the image, with what they lead to.

    Those of the merge are, unless a base from before it has a directory there; others are links that the base or a
    package has where a package has a directory.
    """
    directories = {entry.path for entry in base if entry.kind is Kind.DIRECTORY}
    merged = {name: f"usr/{name}" for name in MERGED_DIRECTORIES if name not in directories}
    links = {entry.path: entry.link for entry in base if entry.kind is Kind.SYMLINK}
    for package in packages:
        links.update({entry.path: entry.link for entry in package.files if entry.kind is Kind.SYMLINK})
    shipped = {entry.path for package in packages for entry in package.files if entry.kind is Kind.DIRECTORY}
    placement = Placement(merged)
    found = dict(merged)
    for path in sorted(links.keys() & shipped - merged.keys()):
        target = (
            links[path] if links[path].startswith("/") else posixpath.join("/", posixpath.dirname(path), links[path])
        )
        place = placement.resolved(posixpath.normpath(target).strip("/"))
        if place and not f"{place}/".startswith(f"{path}/"):
            found[path] = place
    return found


@dataclass(slots=True)
class Conflicts:
    """Files that several packages have.

    Attributes:
        in_image: Paths in the image that a package loses to another, by its `file_stem`.
        packaged: The same as the package has them.
        undecided: What is wrong, where neither replaces the other.
    """

    in_image: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    packaged: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    undecided: list[BuildError] = field(default_factory=list)


def find_conflicts(packages: Sequence[DebianMetadata], placements: Mapping[str, Placement]) -> Conflicts:
    """Files that several packages have, and who loses them; of those that nothing decides, the later one has the file.

    Args:
        packages: In the order in which they are unpacked.
        placements: Where their files go, by `file_stem`.
    """
    conflicts = Conflicts()
    owners: dict[str, tuple[DebianMetadata, Entry]] = {}
    for package in packages:
        placement = placements[package.control.file_stem]
        for entry in package.files:
            path = None if entry.kind is Kind.DIRECTORY else placement.place(entry)
            if path is None:
                continue
            known = owners.get(path)
            if known is None or known[0] is package:
                owners[path] = (package, entry)
                continue
            winner, (loser, lost) = _decided((package, entry), known, path, conflicts)
            owners[path] = winner
            conflicts.in_image[loser.control.file_stem].add(path)
            conflicts.packaged[loser.control.file_stem].add(lost.path)
    return conflicts


def _decided(
    new: tuple[DebianMetadata, Entry], old: tuple[DebianMetadata, Entry], path: str, conflicts: Conflicts
) -> tuple[tuple[DebianMetadata, Entry], tuple[DebianMetadata, Entry]]:
    """Who has a path, and who loses it."""
    if replaces(new[0], old[0]) or new[1].path != old[1].path:
        return new, old
    shares = new[0].name == old[0].name and new[0].control.is_multi_arch and old[0].control.is_multi_arch
    if replaces(old[0], new[0]) or shares:
        return old, new
    conflicts.undecided.append(
        BuildError(
            f"the packages `{old[0].name}` and `{new[0].name}` both have `/{path}`, and neither replaces the other",
            hint="leave one of them out",
        )
    )
    return new, old


def replaces(package: DebianMetadata, other: DebianMetadata) -> bool:
    """Whether a package says that it replaces files of another one, in whatever version."""
    relations = package.control.get("replaces").replace("\n", " ").split(",")
    names = {found[1] for each in relations if (found := _RELATION.match(each.strip()))}
    provided = (
        found[1] for each in other.control.get("provides").split(",") if (found := _RELATION.match(each.strip()))
    )
    return other.name in names or any(name in names for name in provided)
