"""The order in which packages are configured: what one needs before it, as dpkg does, the same on every machine.

Spec: Debian Policy 4.7, section 7.2; where packages need each other in a circle, it is cut at one of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docker_envs.environments.debian.archives.metadata import DebianMetadata

#: Configured before all others, which count on their files.
_FIRST = ("base-passwd", "base-files")
_NAME = re.compile(r"\s*([a-z0-9][a-z0-9+.-]+)")


def in_order(packages: Sequence[DebianMetadata]) -> list[DebianMetadata]:
    """Packages sorted: first by what they need, then by name."""
    by_name: dict[str, list[DebianMetadata]] = {}
    for package in sorted(packages, key=lambda each: each.control.file_stem):
        for name in dict.fromkeys((package.name, *_names(package.control.get("provides")))):
            by_name.setdefault(name, []).append(package)
    done: dict[str, DebianMetadata] = {}
    # A stack of its own, as chains of packages may be longer than Python's.
    for start in sorted(packages, key=lambda each: (_rank(each), each.control.file_stem)):
        visited = {start.control.file_stem}
        stack = [(start, _needed(start, by_name))]
        while stack:
            package, needed = stack[-1]
            following = next((each for each in needed if each.control.file_stem not in done.keys() | visited), None)
            if following is None:
                done.setdefault(package.control.file_stem, package)
                stack.pop()
            else:
                visited.add(following.control.file_stem)
                stack.append((following, _needed(following, by_name)))
    return list(done.values())


def _rank(package: DebianMetadata) -> int:
    return _FIRST.index(package.name) if package.name in _FIRST else len(_FIRST)


def _needed(package: DebianMetadata, by_name: dict[str, list[DebianMetadata]]) -> Iterator[DebianMetadata]:
    if package.name in _FIRST:
        return
    for field in ("pre-depends", "depends"):
        for relation in package.control.get(field).replace("\n", " ").split(","):
            found = (by_name[name] for name in _names(relation.replace("|", ",")) if name in by_name)
            yield from next(found, ())


def _names(relations: str) -> list[str]:
    return [found[1] for each in relations.split(",") if (found := _NAME.match(each))]
