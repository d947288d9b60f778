"""Clobbering: two packages that bring the same path, or one a file where the other has a directory.

Decided from the packages' lists of paths before any file is read. The package that is later in topological order wins,
as with rattler; the loser's file is left out of its layer. Where a file meets a directory, the later package's choice
stands for the whole subtree.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Clobber:
    """One path that several packages bring.

    Attributes:
        path: Relative to the prefix.
        winner: Name of the package whose file or directory is there in the end.
        losers: Names of the packages whose file was left out, in topological order.
    """

    path: str
    winner: str
    losers: tuple[str, ...]


def find_clobbers(packages: Sequence[tuple[str, Sequence[str]]]) -> list[Clobber]:
    """All clobbered paths, sorted.

    Args:
        packages: Name and target paths of files and links (not of directories) of each package, in topological order.

    Cost: time and memory linear in the number of path components.
    """
    owners: dict[str, int] = {}
    shared: dict[str, list[int]] = defaultdict(list)
    directories: dict[str, int] = {}
    for rank, (_, paths) in enumerate(packages):
        for path in paths:
            if path in owners:
                shared[path] = [*(shared[path] or [owners[path]]), rank]
            owners[path] = rank
            parent = path.rpartition("/")[0]
            while parent and directories.get(parent) != rank:
                directories[parent] = rank
                parent = parent.rpartition("/")[0]
    replaced = {path for path in owners if path in directories}
    losers: dict[str, tuple[int, list[int]]] = {
        path: (ranks[-1], ranks[:-1]) for path, ranks in shared.items() if path not in replaced
    }
    if replaced:
        losers |= _files_against_directories(packages, owners, shared, directories, replaced)
    return [
        Clobber(path, packages[winner][0], tuple(packages[rank][0] for rank in ranks))
        for path, (winner, ranks) in sorted(losers.items())
    ]


def _files_against_directories(
    packages: Sequence[tuple[str, Sequence[str]]],
    owners: dict[str, int],
    shared: dict[str, list[int]],
    directories: dict[str, int],
    replaced: set[str],
) -> dict[str, tuple[int, list[int]]]:
    losers: dict[str, tuple[int, list[int]]] = {}
    files = {path for path in replaced if owners[path] >= directories[path]}
    for path in replaced:
        ranks = shared.get(path) or [owners[path]]
        winner = owners[path] if path in files else directories[path]
        losers[path] = (winner, ranks[:-1] if path in files else ranks)
    for rank, (_, paths) in enumerate(packages):
        for path in paths:
            for parent in parent_paths(path):
                if parent in files:
                    known = losers.get(path, (owners[parent], []))[1]
                    losers[path] = (owners[parent], [*known, rank] if rank not in known else known)
                    break
    return {path: found for path, found in losers.items() if found[1]}
