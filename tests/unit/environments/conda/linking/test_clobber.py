"""Which package's file is there in the end, against the rule written down as directly as can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.environments.clobber import Clobber, find_clobbers
from docker_envs.paths import parent_paths

Packages = list[tuple[str, list[str]]]

names = st.sampled_from("abc")
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


def consistent(found: set[str]) -> list[str]:
    """Paths that one package can hold: none is a parent of another."""
    return sorted(path for path in found if not any(other.startswith(f"{path}/") for other in found))


packages = st.lists(st.sets(paths, max_size=6).map(consistent), max_size=5).map(
    lambda lists: [(f"package{rank}", found) for rank, found in enumerate(lists)]
)


def model(packages: Packages) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Winner and losers by path: the last package that mentions a path decides what it is, with all below it."""
    decides: dict[str, tuple[int, bool]] = {}
    for rank, (_, found) in enumerate(packages):
        for path in found:
            decides.update(dict.fromkeys(parent_paths(path), (rank, False)))
            decides[path] = (rank, True)
    lost: dict[str, tuple[int, list[int]]] = {}
    for rank, (_, found) in enumerate(packages):
        for path in found:
            blocking = next((parent for parent in parent_paths(path) if decides[parent][1]), path)
            if decides[blocking][0] != rank:
                lost.setdefault(path, (decides[blocking][0], []))[1].append(rank)
    return {
        path: (packages[winner][0], tuple(packages[loser][0] for loser in losers))
        for path, (winner, losers) in lost.items()
    }


@given(packages)
def test_clobbers_follow_the_rule(packages: Packages) -> None:
    found = find_clobbers(packages)
    assert {clobber.path: (clobber.winner, clobber.losers) for clobber in found} == model(packages)
    assert [clobber.path for clobber in found] == sorted({clobber.path for clobber in found})


@given(packages)
def test_what_is_left_can_be_unpacked_in_any_order(packages: Packages) -> None:
    dropped = {(loser, clobber.path) for clobber in find_clobbers(packages) for loser in clobber.losers}
    left = sorted(path for name, found in packages for path in found if (name, path) not in dropped)
    assert len(left) == len(set(left))
    tree = set(left)
    assert not [path for path in left for parent in parent_paths(path) if parent in tree]


@given(packages)
def test_no_path_is_lost(packages: Packages) -> None:
    """Every path is still there, or below a file, or a directory."""
    dropped = {(loser, clobber.path) for clobber in find_clobbers(packages) for loser in clobber.losers}
    left = {path for name, found in packages for path in found if (name, path) not in dropped}
    directories = {parent for path in left for parent in parent_paths(path)}
    for _, found in packages:
        for path in found:
            assert path in left or path in directories or any(parent in left for parent in parent_paths(path))


TABLE: list[tuple[str, Packages, list[Clobber]]] = [
    ("nothing", [], []),
    ("disjoint", [("a", ["x/1"]), ("b", ["x/2"])], []),
    ("file", [("a", ["x"]), ("b", ["x"])], [Clobber("x", "b", ("a",))]),
    ("three", [("a", ["x"]), ("b", ["x"]), ("c", ["x"])], [Clobber("x", "c", ("a", "b"))]),
    ("file then directory", [("a", ["x"]), ("b", ["x/1"])], [Clobber("x", "b", ("a",))]),
    (
        "directory then file",
        [("a", ["x/1", "x/2"]), ("b", ["x"])],
        [Clobber("x/1", "b", ("a",)), Clobber("x/2", "b", ("a",))],
    ),
    ("deep", [("a", ["x/1/2/3"]), ("b", ["x"])], [Clobber("x/1/2/3", "b", ("a",))]),
    ("a directory again", [("a", ["x/1"]), ("b", ["x"]), ("c", ["x/2"])], [Clobber("x", "c", ("b",))]),
    ("alike names", [("a", ["x"]), ("b", ["x-y/1", "xx"])], []),
]


@pytest.mark.parametrize(("packages", "expected"), [pytest.param(p, e, id=name) for name, p, e in TABLE])
def test_table(packages: Packages, expected: list[Clobber]) -> None:
    assert find_clobbers(packages) == expected
