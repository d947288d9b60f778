from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.debian.declarations.declaration import Seed
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.solving.solve import solve
from docker_envs.errors import SolveError
from tests.packages.debian_archive import Suite, deb
from tests.unit.environments.debian.support import chosen, index_of, solved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.packages.debian_archive import Deb

LIBC = deb("libc6")
MTAS = [deb("exim", provides="mta", conflicts="mta"), deb("postfix", provides="mta", conflicts="mta")]


@pytest.mark.parametrize(
    ("debs", "requests", "expected"),
    [
        ([LIBC, deb("a", depends="libc6", pre_depends="b"), deb("b"), deb("c")], "a", "a b libc6"),
        ([deb("a"), deb("a", "2.0"), deb("a", "2.0~rc1")], "a", "a=2.0"),
        ([deb("a"), deb("a", "2.0")], "a=1*", "a"),
        ([deb("a", depends="b (<< 2)"), deb("b"), deb("b", "2.0")], "a", "a b"),
        ([deb("a", depends="b (<< 2)"), deb("b"), deb("b", "2.0")], "b a", "a b"),
        ([deb("a", depends="b (= 1.0)"), deb("a", "2.0", depends="b (= 2.0)"), deb("b"), deb("b", "2.0")],
         "a=1.0", "a b"),
        ([deb("a", depends="b | c"), deb("b"), deb("c")], "a", "a b"),
        ([deb("a", depends="b | c"), deb("c")], "a", "a c"),
        ([deb("a", depends="b | c"), deb("b"), deb("c")], "a c", "a c"),
        ([deb("a", depends="b | c, d"), deb("b"), deb("c"), deb("d", depends="c")], "a", "a c d"),
        ([deb("a", depends="b | c"), deb("b", depends="none"), deb("c")], "a", "a c"),
        ([deb("a", depends="b | c"), deb("b", conflicts="a"), deb("c")], "a", "a c"),
        ([deb("a", depends="d, b | c"), deb("b"), deb("c"), deb("d", breaks="b (<< 2)")], "a", "a c d"),
        ([deb("a", depends="d, b"), deb("b"), deb("b", "2.0"), deb("d", breaks="b (>= 2)")], "a", "a b d"),
        ([deb("a", depends="v"), deb("p", provides="v"), deb("q", provides="v", priority="important")], "a", "a q"),
        ([deb("a", depends="v"), deb("v"), deb("q", provides="v")], "a", "a v"),
        ([deb("a", depends="v (>= 2)"), deb("p", provides="v"), deb("q", provides="v (= 2)")], "a", "a q"),
        ([deb("a", depends="v (>= 2) | w"), deb("q", provides="v (= 1.9)"), deb("w")], "a", "a w"),
        ([deb("p", provides="v")], "v", "p"),
        ([*MTAS, deb("a", depends="mta")], "a postfix", "a postfix"),
        ([*MTAS, deb("a", depends="exim | mta")], "a", "a exim"),
        ([deb("a", depends="b"), deb("b", depends="a")], "a", "a b"),
        ([deb("a", depends="p:any"), deb("p", multi_arch="allowed")], "a", "a p"),
        ([deb("a", depends="p:amd64, q:native"), deb("p"), deb("q", architecture="all")], "a", "a p q"),
        ([deb("a", provides="b", depends="b")], "a", "a"),
        ([deb("a", recommends="b", suggests="c"), deb("b"), deb("c")], "a", "a"),
        ([deb("a")], "a:amd64 a", "a"),
    ],
)  # fmt: skip
def test_choices(tmp_path: Path, debs: Sequence[Deb], requests: str, expected: str) -> None:
    assert chosen(solved(tmp_path, debs, requests)) == expected


def test_what_conflicts_far_away_is_found(tmp_path: Path) -> None:
    """The first alternative leads into a conflict three packages on, so that the second is needed."""
    debs = [
        deb("a", depends="b | c, z"), deb("b", depends="b1"), deb("b1", depends="b2"), deb("b2", depends="x (<< 2)"),
        deb("c"), deb("x"), deb("x", "2.0"), deb("z", depends="x (>= 2)"),
    ]  # fmt: skip
    assert chosen(solved(tmp_path, debs, "a")) == "a c x=2.0 z"


@pytest.mark.parametrize(
    ("debs", "requests", "parts", "hint"),
    [
        ([deb("libgl1")], "libgl", ["there is no package `libgl` for `amd64`"], "did you mean `libgl1`?"),
        ([deb("a")], "zzzzzz", ["there is no package `zzzzzz`"], "check its name"),
        ([deb("a", architecture="arm64")], "a", ["there is no package `a` for `amd64`"], "check its name"),
        ([deb("a")], "a:i386", ["is for another architecture than the image, `amd64`"], "--platform"),
        ([deb("a"), deb("a", "2.0")], "a=3*", ["no version of `a` is what `a=3*` asks for"], "there is `2.0`, `1.0`"),
        ([deb("a")], "a/backports", ["no version of `a` is what `a/backports` asks for"], "there is `1.0`"),
        (MTAS, "mta", ["`mta` is a virtual package"], "provides it: `exim`, `postfix`"),
        ([deb("a", depends="b (>= 2)"), deb("b")], "a", ["no set of packages fits:", "a 1.0", "b (>= 2)"], None),
        ([deb("a", depends="none | nothing")], "a", ["a 1.0", "none | nothing"], None),
        ([deb("a", depends="p:any"), deb("p")], "a", ["p:any"], None),
        (MTAS, "exim postfix", ["exim", "postfix 1.0", "conflicts"], None),
        ([deb("a", depends="c (<< 2)"), deb("b", depends="c (>= 2)"), deb("c"), deb("c", "2.0")], "a b",
         ["c (<< 2)", "c (>= 2)"], None),
    ],
)  # fmt: skip
def test_explanations(tmp_path: Path, debs: Sequence[Deb], requests: str, parts: list[str], hint: str | None) -> None:
    with pytest.raises(SolveError) as caught:
        solved(tmp_path, debs, requests)
    for part in parts:
        assert part in str(caught.value)
    assert (hint or "") in (caught.value.hint or "")


BASE = [deb("libc6"), deb("tool", depends="libc6"), deb("odd", depends="gone")]
NEWER = [
    *BASE,
    deb("libc6", "2.0", breaks="tool (<< 2)"),
    deb("tool", "2.0", depends="libc6 (>= 2)"),
    deb("new", depends="libc6"),
]


@pytest.mark.parametrize(
    ("debs", "requests", "expected", "replaced"),
    [
        (NEWER, "new", "new", ""),
        (NEWER, "tool=1.0", "", ""),
        (NEWER, "tool", "libc6=2.0 tool=2.0", "libc6 tool"),
        (NEWER, "libc6", "libc6=2.0 tool=2.0", "libc6 tool"),
        ([*NEWER, deb("dev", depends="libc6 (= 2.0)")], "dev", "dev libc6=2.0 tool=2.0", "libc6 tool"),
        ([deb("a", depends="x | tool"), deb("x")], "a", "a", ""),
        ([deb("a", depends="libc6")], "a", "a", ""),
    ],
    ids=["kept", "there", "newest", "with-it", "needed", "alternative", "not-in-archive"],
)  # fmt: skip
def test_bases(tmp_path: Path, debs: Sequence[Deb], requests: str, expected: str, replaced: str) -> None:
    solution = solved(tmp_path, debs, requests, base=BASE)
    assert chosen(solution) == expected
    assert " ".join(package.name for package in solution.replaced) == replaced


def test_held_packages_stay(tmp_path: Path) -> None:
    with pytest.raises(SolveError, match=r"`libc6` is held at 1\.0 in the base"):
        solved(tmp_path, [*NEWER, deb("dev", depends="libc6 (= 2.0)")], "dev", base=BASE, hold="libc6")


def test_packages_of_the_base_are_not_removed(tmp_path: Path) -> None:
    with pytest.raises(SolveError, match="no `tool`"):
        solved(tmp_path, [*BASE, deb("a", conflicts="tool")], "a", base=BASE)


SYSTEM = [deb("sh", essential="yes"), deb("apt"), deb("tool", priority="required"), deb("a", depends="lib"), deb("lib")]


@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (Seed.NONE, "a lib"),
        (Seed.ESSENTIAL, "a lib sh"),
        (Seed.APT, "a apt lib sh"),
        (Seed.REQUIRED, "a apt lib sh tool"),
    ],
)
def test_seeds(tmp_path: Path, seed: Seed, expected: str) -> None:
    solution = solved(tmp_path, SYSTEM, "a", seed=seed)
    assert chosen(solution) == expected
    assert solution.requested == ("a",)


def test_recommended_packages(tmp_path: Path) -> None:
    debs = [
        deb("a", recommends="b, c | d, none"), deb("b", recommends="e"), deb("c", conflicts="b"), deb("d"), deb("e"),
        deb("f"), deb("z", recommends="f"),
    ]  # fmt: skip
    assert chosen(solved(tmp_path, debs, "a", recommends=True)) == "a b d e"
    assert chosen(solved(tmp_path, debs, "a", recommends=True, base=[debs[-1]])) == "a b d e"


def test_recommended_packages_that_do_not_fit_are_left_out(tmp_path: Path) -> None:
    debs = [deb("a", recommends="b, c"), deb("b", conflicts="a"), deb("c")]
    assert chosen(solved(tmp_path, debs, "a", recommends=True)) == "a c"


def test_backports_come_only_when_asked_for(tmp_path: Path) -> None:
    backports = Suite("tester-backports", [deb("a", "9.0"), deb("only", "9.0")], fields={"NotAutomatic": "yes"})
    index = index_of(tmp_path, [Suite(debs=[deb("a")]), backports])

    def versions(requests: str) -> list[str]:
        solution = solve([PackageRequest.parse(each) for each in requests.split()], index)
        return [package.version for package in solution.packages]

    assert versions("a only") == ["1.0", "9.0"]
    assert versions("a=9*") == versions("a/tester-backports") == ["9.0"]


def test_a_system_from_nothing_is_merged_without_a_program(tmp_path: Path) -> None:
    debs = [deb("base-files"), deb("helper", depends="usrmerge | usr-is-merged"), deb("usrmerge", depends="perl")]
    debs += [deb("perl"), deb("usr-is-merged", conflicts="usrmerge")]
    index = index_of(tmp_path, [Suite(debs=debs)])

    def names(seed: Seed) -> set[str]:
        return {each.name for each in solve([PackageRequest.parse("helper")], index, seed=seed).packages}

    assert names(Seed.BASE) == {"base-files", "helper", "usr-is-merged"}
    assert names(Seed.NONE) == {"helper", "usrmerge", "perl"}


# It ends at once, since rattler's threads may crash an interpreter that takes itself apart.
CHILD = """\
import os, sys
from pathlib import Path
from tests.packages.debian_archive import deb
from tests.unit.environments.debian.support import chosen, solved
debs = [deb(f"p{n}", depends=f"p{n + 1} | q{n}, v{n % 3}", provides=f"v{(n + 1) % 3}") for n in range(60)]
debs += [deb(f"q{n}", conflicts=f"p{n + 5}") for n in range(60)] + [deb("p60")]
print(chosen(solved(Path(sys.argv[1]), debs, "p0 q10 q40")), flush=True)
os._exit(0)
"""


def test_the_same_on_every_run(tmp_path: Path) -> None:
    answers = set()
    for seed in ("1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", CHILD, str(tmp_path / seed)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=Path(__file__).parents[5])
        assert done.returncode == 0, done.stderr
        answers.add(done.stdout)
    assert len(answers) == 1
    assert "q10" in answers.pop()


OLD_AND_NEW = [
    deb("a", depends="b"),
    deb("a", "2.0", depends="b"),
    deb("b"),
    deb("b", "2.0"),
    deb("c", depends="b (>= 2)"),
]


@pytest.mark.parametrize(
    ("debs", "requests", "locked", "expected"),
    [
        (OLD_AND_NEW, "a", {}, {"a": "2.0", "b": "2.0"}),
        (OLD_AND_NEW, "a", {"a": "1.0", "b": "1.0"}, {"a": "1.0", "b": "1.0"}),
        (OLD_AND_NEW, "a", {"a": "1.0"}, {"a": "1.0", "b": "2.0"}),
        (OLD_AND_NEW, "a=2.0", {"a": "1.0", "b": "1.0"}, {"a": "2.0", "b": "1.0"}),
        (OLD_AND_NEW, "a", {"a": "0.9", "gone": "1.0"}, {"a": "2.0", "b": "2.0"}),
        (OLD_AND_NEW, "a c", {"a": "1.0", "b": "1.0"}, {"a": "1.0", "b": "2.0", "c": "1.0"}),
        ([deb("a", depends="p | q"), deb("p"), deb("q")], "a", {"a": "1.0", "q": "1.0"}, {"a": "1.0", "q": "1.0"}),
    ],
    ids=["nothing", "all", "one", "another is asked for", "not there any more", "does not fit", "an alternative"],
)
def test_what_is_locked_stays_where_it_fits(
    tmp_path: Path, debs: Sequence[Deb], requests: str, locked: dict[str, str], expected: dict[str, str]
) -> None:
    wanted = [PackageRequest.parse(each) for each in requests.split()]
    found = solve(wanted, index_of(tmp_path, [Suite(debs=tuple(debs))]), locked=locked)
    assert {each.name: each.version for each in found.packages} == expected
