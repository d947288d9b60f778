"""Packages are distributed over layers within a budget, the same way in every image."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import InvalidInputError
from docker_envs.planner.layering import (
    SMALL,
    Grouping,
    PackageGroup,
    Reason,
    SizedPackage,
    Strategy,
    UserGroup,
    group_packages,
)

KINDS = {Reason.MEDIUM, Reason.SMALL}

names = st.text("abcdefghij", min_size=1, max_size=4)
sizes = st.one_of(st.integers(0, 40_000_000), st.integers(SMALL - 2, SMALL + 2), st.integers(0, 3))
depends = st.lists(names, max_size=3).map(tuple)
facts = st.tuples(sizes, depends, st.integers(0, 5))


def environments(*, least: int) -> st.SearchStrategy[list[SizedPackage]]:
    return st.dictionaries(st.one_of(names, st.just("python")), facts, min_size=least, max_size=40).map(
        lambda found: [SizedPackage(name, *each) for name, each in found.items()]
    )


packages = environments(least=0)
budgets = st.integers(1, 50)
groupings = st.builds(
    Grouping,
    st.sampled_from([Strategy.AUTO, Strategy.ONE]),
    st.lists(st.builds(UserGroup, names, st.tuples(st.sampled_from(["a*", "*b", "python", "?"]))), max_size=2).filter(
        lambda groups: len({group.name for group in groups}) == len(groups)
    ),
)


def named(layers: list[PackageGroup]) -> list[tuple[str, ...]]:
    return [layer.names for layer in layers]


def homes(layers: list[PackageGroup]) -> dict[str, Reason]:
    """The layer that packages share, by its reason, for those that share one of the two on top."""
    return {name: layer.reason for layer in layers if layer.reason in KINDS for name in layer.names}


def many(count: int, *, size: int = 1_000_000) -> list[SizedPackage]:
    return [SizedPackage(f"p{number:03}", size + number) for number in range(count)]


@given(packages, st.integers(3, 50), groupings)
def test_every_package_is_in_one_layer_within_the_budget(
    packages: list[SizedPackage], budget: int, grouping: Grouping
) -> None:
    layers = group_packages(packages, budget=budget, grouping=grouping)
    assert len(layers) <= budget
    assert all(layer.names for layer in layers)
    assert sorted(name for layer in layers for name in layer.names) == sorted(package.name for package in packages)


@given(packages, budgets, groupings, st.data())
def test_the_order_of_the_packages_does_not_matter(
    packages: list[SizedPackage], budget: int, grouping: Grouping, data: st.DataObject
) -> None:
    def layers(given: list[SizedPackage]) -> list[PackageGroup] | str:
        try:
            return group_packages(given, budget=budget, grouping=grouping)
        except InvalidInputError as error:
            return str(error)

    assert layers(packages) == layers(data.draw(st.permutations(packages)))


@given(packages, st.integers(1, 50))
def test_the_largest_stand_alone(packages: list[SizedPackage], budget: int) -> None:
    layers = group_packages(packages, budget=budget)
    by_name = {package.name: package.size for package in packages}
    shared = [by_name[name] for layer in layers if layer.reason in KINDS | {Reason.REST} for name in layer.names]
    alone = [by_name[layer.names[0]] for layer in layers if layer.reason not in KINDS | {Reason.REST}]
    assert min(alone, default=0) >= max(shared, default=0) or not alone
    # No layer is left unused but where the second shared one would have come.
    assert len(layers) >= min(len(packages), budget - 1)


@given(packages, st.integers(4, 50))
def test_small_packages_share_a_layer_by_their_own_size_alone(packages: list[SizedPackage], budget: int) -> None:
    layers = group_packages(packages, budget=budget)
    by_name = {package.name: package.size for package in packages}
    for name, reason in homes(layers).items():
        assert reason is (Reason.SMALL if by_name[name] < SMALL else Reason.MEDIUM)
    on_top = [layer.reason for layer in layers if layer.reason in KINDS]
    assert [layer.reason for layer in layers[len(layers) - len(on_top) :]] == on_top
    assert on_top in ([], [Reason.MEDIUM], [Reason.SMALL], [Reason.MEDIUM, Reason.SMALL])


def changed(data: st.DataObject, packages: list[SizedPackage]) -> tuple[str, list[SizedPackage]]:
    """A package's name, and the packages after it has joined, left or been updated."""
    kind = data.draw(st.sampled_from(["join", "leave", "update"]))
    if kind == "join":
        return "zz", [*packages, SizedPackage("zz", data.draw(sizes))]
    chosen = data.draw(st.sampled_from(packages))
    rest = [package for package in packages if package is not chosen]
    return chosen.name, rest if kind == "leave" else [*rest, replace(chosen, size=data.draw(sizes), built=9)]


@given(environments(least=12), st.integers(4, 10), st.data())
def test_a_change_moves_at_most_two_other_packages(
    packages: list[SizedPackage], budget: int, data: st.DataObject
) -> None:
    """Where there is no room for all, before and after."""
    before = homes(group_packages(packages, budget=budget))
    name, after_packages = changed(data, packages)
    after = homes(group_packages(after_packages, budget=budget))
    others = {package.name for package in packages} - {name}
    assert len([each for each in others if before.get(each) != after.get(each)]) <= 2


@given(packages, st.integers(4, 50), st.data())
def test_layers_of_two_images_stand_in_the_same_order(
    packages: list[SizedPackage], budget: int, data: st.DataObject
) -> None:
    """What else is in an image does not matter, as long as Python's dependencies are the same."""
    plain = [replace(package, depends=()) for package in packages]
    some = data.draw(st.lists(st.sampled_from(plain), unique=True)) if plain else []
    first, second = (named(group_packages(each, budget=budget)) for each in (plain, some))
    both = [names for names in first if names in second and len(names) == 1]
    singles = {names for names in both if names[0] not in homes(group_packages(plain, budget=budget))}
    singles -= {(name,) for name in homes(group_packages(some, budget=budget))}
    assert [names for names in second if names in singles] == [names for names in first if names in singles]


def test_an_update_of_a_small_package_disturbs_small_packages_only() -> None:
    packages = [*many(80), *(SizedPackage(f"s{number}", 1_000) for number in range(50))]
    before = group_packages(packages, budget=63)
    packages[-1] = replace(packages[-1], size=1_100, built=5)
    assert group_packages(packages, budget=63) == before
    assert [layer.reason for layer in before[-2:]] == [Reason.MEDIUM, Reason.SMALL]
    assert before[-1].names == tuple(sorted(f"s{number}" for number in range(50)))


def test_python_and_its_libraries_stand_lower() -> None:
    tree = [
        SizedPackage("python", 12_000_000, ("openssl", "tzdata", "__glibc")),
        SizedPackage("openssl", 3_000_000, ("python",)),
        SizedPackage("tzdata", 900_000),
        SizedPackage("numpy", 15_000_000, ("python",)),
        SizedPackage("giant", 150_000_000),
        SizedPackage("large", 40_000_000),
        SizedPackage("middle", 5_000_000),
    ]
    assert named(group_packages(tree, budget=50)) == [
        ("giant",),
        ("large",),
        ("python",),
        ("numpy",),
        ("openssl",),
        ("middle",),
        ("tzdata",),
    ]
    rest = [SizedPackage(f"s{number}", 1_000) for number in range(10)]
    reasons = {layer.names: layer.reason for layer in group_packages([*tree, *rest], budget=8)}
    assert reasons["python",] is reasons["openssl",] is Reason.PYTHON
    assert reasons["numpy",] is Reason.LARGE
    assert reasons["middle",] is Reason.LARGE
    assert str(Reason.PYTHON) == "python and its libraries, 1 MB or more each"


def test_in_a_class_of_size_the_oldest_is_lowest() -> None:
    packages = [SizedPackage("new", 2_000_000, built=9), SizedPackage("old", 1_100_000, built=2)]
    packages += [SizedPackage("same", 1_200_000, built=9), SizedPackage("unknown", 1_300_000)]
    assert named(group_packages(packages, budget=9)) == [("unknown",), ("old",), ("new",), ("same",)]


def test_one_layer() -> None:
    one = Grouping(Strategy.ONE)
    assert group_packages(many(3), budget=5, grouping=one) == [PackageGroup(("p000", "p001", "p002"), Reason.ALL)]
    assert group_packages(many(3), budget=1) == [PackageGroup(("p000", "p001", "p002"), Reason.REST)]
    assert group_packages([], budget=5, grouping=one) == []


def test_a_layer_for_each_package() -> None:
    each = Grouping(Strategy.PER_PACKAGE)
    layers = group_packages(many(3), budget=3, grouping=each)
    assert [(layer.names, layer.reason) for layer in layers] == [((f"p00{n}",), Reason.PACKAGE) for n in range(3)]
    with pytest.raises(InvalidInputError) as caught:
        group_packages(many(4), budget=3, grouping=each)
    assert str(caught.value) == "4 packages need a layer each, and 3 are left within the limit"
    assert caught.value.hint == "raise `--max-layers`, or use `--layers auto`"


def test_groups_that_are_asked_for() -> None:
    grouping = Grouping(groups=(UserGroup.parse("first = p00*, P01[0-4]"), UserGroup.parse("second=p0*")))
    layers = group_packages([*many(30), SizedPackage("x", 1)], budget=4, grouping=grouping)
    assert [(layer.group, layer.reason, len(layer.names)) for layer in layers] == [
        ("first", Reason.GROUP, 15),
        ("second", Reason.GROUP, 15),
        (None, Reason.PACKAGE, 1),
    ]
    assert group_packages(many(3), budget=1, grouping=Grouping(groups=(UserGroup("all", ("*",)),))) == [
        PackageGroup(("p000", "p001", "p002"), Reason.GROUP, "all")
    ]


def test_groups_that_match_nothing_have_no_layer() -> None:
    assert len(group_packages(many(2), budget=2, grouping=Grouping(groups=(UserGroup("x", ("none",)),)))) == 2


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=b,", "a=,b", " =b"])
def test_what_is_no_group(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        UserGroup.parse(text)
    assert str(caught.value) == f"invalid `--group` {text!r}"
    assert caught.value.hint == "write it as `--group NAME=PATTERN,PATTERN`"


def test_groups_have_different_names() -> None:
    with pytest.raises(InvalidInputError, match="the group `a` is given twice"):
        Grouping(groups=(UserGroup("a", ("b",)), UserGroup("a", ("c",))))


@pytest.mark.parametrize("budget", [0, -3])
@pytest.mark.parametrize("strategy", Strategy)
def test_no_room_for_a_layer(budget: int, strategy: Strategy) -> None:
    grouping = Grouping(strategy)
    assert group_packages([], budget=budget, grouping=grouping) == []
    with pytest.raises(InvalidInputError) as caught:
        group_packages(many(1), budget=budget, grouping=grouping)
    assert str(caught.value) == "no layer is left for the packages within the limit"
    assert caught.value.hint == "raise `--max-layers`, or use a base with fewer layers"


def test_no_room_for_the_groups() -> None:
    grouping = Grouping(groups=(UserGroup("a", ("p000",)), UserGroup("b", ("p001",))))
    with pytest.raises(InvalidInputError, match="no layer is left"):
        group_packages(many(2), budget=1, grouping=grouping)
    with pytest.raises(InvalidInputError, match="no layer is left"):
        group_packages(many(3), budget=2, grouping=grouping)
