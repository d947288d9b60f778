"""Packages are distributed over layers within a budget, the same way in every image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import InvalidInputError
from docker_envs.planner.layering import SizedPackage, group_packages

names = st.text("abcdefghij", min_size=1, max_size=4)
packages = st.dictionaries(names, st.integers(0, 1000), max_size=40).map(
    lambda sizes: [SizedPackage(name, size) for name, size in sizes.items()]
)
budgets = st.integers(1, 50)


@given(packages, budgets)
def test_every_package_is_in_one_layer_within_the_budget(packages: list[SizedPackage], budget: int) -> None:
    layers = group_packages(packages, budget=budget)
    assert len(layers) <= budget
    assert all(layers)
    assert sorted(name for layer in layers for name in layer) == sorted(package.name for package in packages)


@given(packages, budgets)
def test_topological_order_is_kept_among_the_alone_and_in_groups(packages: list[SizedPackage], budget: int) -> None:
    order = {package.name: position for position, package in enumerate(packages)}
    layers = group_packages(packages, budget=budget)
    alone = [layer[0] for layer in layers if len(layer) == 1]
    for layer in layers:
        assert list(layer) == sorted(layer, key=order.__getitem__)
    if len(packages) <= budget:
        assert alone == list(order)


@given(packages, st.integers(2, 50))
def test_the_largest_stand_alone(packages: list[SizedPackage], budget: int) -> None:
    layers = group_packages(packages, budget=budget)
    sizes = {package.name: package.size for package in packages}
    shared = [sizes[name] for layer in layers if len(layer) > 1 for name in layer]
    alone = sorted((sizes[layer[0]] for layer in layers if len(layer) == 1), reverse=True)
    groups = min(8, budget // 2)
    if shared:
        assert all(size >= max(shared) for size in alone[: budget - groups])


def companions(layers: list[tuple[str, ...]], tiny: set[str]) -> dict[str, frozenset[str]]:
    """The tiny packages that each tiny package shares its layer with."""
    return {name: frozenset(tiny & set(layer)) for layer in layers for name in layer if name in tiny}


@given(st.sets(names, min_size=1, max_size=20), st.sets(st.text("xyz", min_size=1, max_size=4), max_size=30), st.data())
def test_groups_do_not_depend_on_other_packages(tiny: set[str], others: set[str], data: st.DataObject) -> None:
    """The same small packages fall into the same group, whatever else is in the image and wherever they stand."""
    filler = [SizedPackage(f"filler-{number}", 10_000) for number in range(60)]
    small = [SizedPackage(name, 1) for name in sorted(tiny)]
    before = group_packages([*filler, *small], budget=40)
    more = [SizedPackage(name, data.draw(st.integers(2, 100))) for name in sorted(others)]
    after = group_packages(data.draw(st.permutations([*small, *more, *filler])), budget=40)
    assert companions(before, tiny) == companions(after, tiny)


def test_a_new_version_stays_in_its_group() -> None:
    packages = [SizedPackage(f"p{number}", 100 + number) for number in range(200)]
    before = group_packages(packages, budget=20)
    packages[3] = SizedPackage("p3", 150)
    after = group_packages(packages, budget=20)
    assert before == after
    assert len(before) == 20
    assert sum(len(layer) > 1 for layer in before) == 8
    assert max(map(len, before)) < 60


def test_one_layer_holds_all() -> None:
    assert group_packages([SizedPackage("a", 1), SizedPackage("b", 2)], budget=1) == [("a", "b")]


def test_equal_sizes_have_a_tiebreaker() -> None:
    packages = [SizedPackage(f"p{number}", 1) for number in range(30)]
    one, two = group_packages(packages, budget=10), group_packages(packages[::-1], budget=10)
    assert {frozenset(layer) for layer in one} == {frozenset(layer) for layer in two}


@pytest.mark.parametrize("budget", [0, -3])
def test_no_room_for_a_layer(budget: int) -> None:
    assert group_packages([], budget=budget) == []
    with pytest.raises(InvalidInputError) as caught:
        group_packages([SizedPackage("a", 1)], budget=budget)
    assert str(caught.value) == "no layer is left for the packages within the limit"
    assert caught.value.hint == "raise `--max-layers`, or use a base with fewer layers"
