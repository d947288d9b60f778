"""Clobbering: two packages that bring the same path, or one a file where the other has a directory.

Decided from the packages' lists of paths before any file is read. The package that is later in topological order wins,
as with rattler; the loser's file is left out of its layer. Where a file (or a symbolic link) meets a directory, the
later package's choice stands for the whole subtree.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


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


@dataclass(frozen=True, slots=True)
class CaseConflict:
    """Paths that are one on hosts that ignore case, or the Unicode form of names.

    Attributes:
        paths: Relative to the prefix, sorted.
        packages: Names of the packages that bring them, sorted.
    """

    paths: tuple[str, ...]
    packages: tuple[str, ...]


def find_clobbers(
    packages: Sequence[tuple[str, Sequence[str]]], directories: Mapping[str, Sequence[str]] | None = None
) -> list[Clobber]:
    """All clobbered paths, sorted.

    Args:
        packages: Name and target paths of files and links (not of directories) of each package, in topological order.
        directories: By name of package, directories that it lists in their own right; several packages may share one.

    Cost: time and memory linear in the number of path components.
    """
    owners: dict[str, int] = {}
    shared: dict[str, list[int]] = defaultdict(list)
    listed = [(directories or {}).get(name, ()) for name, _ in packages]
    tops: dict[str, int] = {}
    for rank, (_, paths) in enumerate(packages):
        for path in paths:
            if path in owners:
                shared[path] = [*(shared[path] or [owners[path]]), rank]
            owners[path] = rank
        for parent in (*(path.rpartition("/")[0] for path in paths), *listed[rank]):
            while parent and tops.get(parent) != rank:
                tops[parent] = rank
                parent = parent.rpartition("/")[0]
    replaced = {path for path in owners if path in tops}
    losers: dict[str, tuple[int, list[int]]] = {
        path: (ranks[-1], ranks[:-1]) for path, ranks in shared.items() if path not in replaced
    }
    if replaced:
        everything = [(*paths, *listed[rank]) for rank, (_, paths) in enumerate(packages)]
        losers |= _files_against_directories(everything, owners, shared, tops, replaced)
    return [
        Clobber(path, packages[winner][0], tuple(packages[rank][0] for rank in ranks))
        for path, (winner, ranks) in sorted(losers.items())
    ]


def _files_against_directories(
    packages: Sequence[Sequence[str]],
    owners: dict[str, int],
    shared: dict[str, list[int]],
    tops: dict[str, int],
    replaced: set[str],
) -> dict[str, tuple[int, list[int]]]:
    """Losers where one package's file is another's directory.

    Args:
        packages: Files and listed directories of each package.
        owners: The last package with a file, by path.
        shared: All packages with a file, by path, where there are several.
        tops: The last package with a directory, by path.
        replaced: Paths that are both.
    """
    losers: dict[str, tuple[int, list[int]]] = {}
    files = {path for path in replaced if owners[path] >= tops[path]}
    for path in replaced:
        ranks = shared.get(path) or [owners[path]]
        winner = owners[path] if path in files else tops[path]
        losers[path] = (winner, ranks[:-1] if path in files else ranks)
    for rank, paths in enumerate(packages):
        for path in paths:
            blocking = next((parent for parent in (*parent_paths(path), path) if parent in files), path)
            if blocking in files and not (blocking == path and rank in (shared.get(path) or [owners[path]])):
                known = losers.get(path, (owners[blocking], []))[1]
                losers[path] = (owners[blocking], sorted({*known, rank}))
    return {path: found for path, found in losers.items() if found[1]}


def find_case_conflicts(packages: Sequence[tuple[str, Iterable[str]]]) -> list[CaseConflict]:
    """Files that share a name with other files or directories where case or Unicode form does not count, sorted.

    Directories alone do not conflict: such a host merges them.

    Args:
        packages: Name and target paths of files and links of each package, without those that are left out.

    Cost: time and memory linear in the number of paths.
    """
    owners: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name, paths in packages:
        for path in paths:
            owners[path] = name
            parent = path.rpartition("/")[0]
            while parent and parent not in folders:
                folders[parent] = name
                parent = parent.rpartition("/")[0]
    alike: dict[str, list[str]] = defaultdict(list)
    for path in (*owners, *(folder for folder in folders if folder not in owners)):
        alike[_folded(path)].append(path)
    return sorted(
        (
            CaseConflict(tuple(sorted(paths)), tuple(sorted({owners.get(path) or folders[path] for path in paths})))
            for paths in alike.values()
            if len(paths) > 1 and any(path in owners for path in paths)
        ),
        key=lambda conflict: conflict.paths,
    )


def _folded(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())
