"""`docker-envs plan` on the fixture channel: what it prints, and that a build does the same."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from docker_envs.planner.layering import Reason
from tests.builds import ROOT, docker_envs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builds import Outcome

AMD64 = ("--base", "scratch", "--platform", "linux/amd64")
GREETING, HELLO = "greeting-1.2-h1234567_3", "hello-sh-1.0-0"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def specs(channel: Path) -> tuple[str, ...]:
    return ("--channel", channel.as_uri(), "hello-sh")


def plan(cache: Path, *arguments: str | Path) -> Outcome:
    done = docker_envs("plan", *AMD64, *arguments, cache=cache)
    assert done.status == 0, done.stderr
    return done


def test_a_line_for_each_layer(cache: Path, specs: tuple[str, ...]) -> None:
    done = plan(cache, *specs)
    first, *rest = done.stdout.splitlines()
    assert first == "  0  base layers (0 B)"
    assert sorted(line.split()[-1] for line in rest) == [GREETING, HELLO]
    assert all(re.fullmatch(r"  \+ +~[\d.]+ k?B  \S+", line) for line in rest)
    assert not (cache / "layers").exists()
    assert "solve" in done.stderr
    quiet = plan(cache, *specs, "--quiet")
    assert (quiet.stdout, quiet.stderr) == (done.stdout, "")


def test_a_dry_run_prints_the_same(cache: Path, specs: tuple[str, ...]) -> None:
    for options in ((), ("--json",)):
        dry = docker_envs("build", *AMD64, *specs, "--dry-run", *options, cache=cache)
        assert dry.stdout == plan(cache, *specs, *options).stdout
        assert dry.stdout


def test_layers_are_explained(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    first = plan(cache, *specs, "--explain", "--layers", "one").stdout.splitlines()
    assert re.fullmatch(r"  1 +~[\d.]+ kB  to build, all in one layer", first[1])
    assert re.fullmatch(r"     sha256:[0-9a-f]{64}", first[2])
    assert first[3:5] == [f"     {GREETING}", f"     {HELLO}"]
    assert re.fullmatch(r"1 layer, 0 in the store, ~[\d.]+ kB", first[5])
    built = docker_envs("build", *AMD64, *specs, "-o", tmp_path / "x.tar", "--json", "--layers", "one", cache=cache)
    size = built.document["layers"][0]["size"]
    second = plan(cache, *specs, "--explain", "--layers", "one").stdout.splitlines()
    assert (
        second[1]
        == f"  1  {f'{size / 1000:.1f} kB' if size >= 1000 else f'{size} B':>10}  in the store, all in one layer"
    )
    assert second[2:5] == first[2:5]
    assert second[5].startswith("1 layer, 1 in the store, ")
    assert "~" not in second[5]


def test_json_has_the_documented_fields(cache: Path, tmp_path: Path, specs: tuple[str, ...]) -> None:
    section = (ROOT / "docs/commands.md").read_text().partition("\n## `docker-envs plan")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    documented = json.loads(block)
    document = plan(cache, *specs, "--json").document
    assert list(document) == list(documented)
    assert list(document["layers"][0]) == list(documented["layers"][0])
    assert {layer["origin"] for layer in document["layers"]} == {"build"}
    assert {layer["reason"] for layer in document["layers"]} == {"package"}
    built = docker_envs("build", *AMD64, *specs, "-o", tmp_path / "x.tar", "--json", cache=cache)
    after = plan(cache, *specs, "--json").document["layers"]
    assert [(layer["origin"], layer["size"]) for layer in after] == [
        ("store", each["size"]) for each in built.package_layers
    ]
    assert [layer["packages"] for layer in after] == [layer["packages"] for layer in built.package_layers]
    _, _, table = section.partition("| `reason` |")
    cells = re.findall(r"^\| (`[^|]*)\|", table, re.MULTILINE)
    reasons = {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}
    assert reasons == {reason.name.lower() for reason in Reason}


def test_several_platforms(cache: Path, specs: tuple[str, ...]) -> None:
    both = ("--platform", "linux/arm64")
    assert plan(cache, *specs, *both).stdout.count("base layers") == 2
    assert [each["platform"] for each in plan(cache, *specs, *both, "--json").document["platforms"]] == [
        "linux/amd64",
        "linux/arm64",
    ]


def test_groups_and_strategies(cache: Path, specs: tuple[str, ...]) -> None:
    layers = plan(cache, *specs, "--group", "mine=hello*", "--group", "none=x,y", "--json")
    assert {layer["group"]: layer["packages"] for layer in layers.document["layers"]} == {
        "mine": [HELLO],
        None: [GREETING],
    }
    assert "warning: no package is in the group `none`\n" in layers.stderr
    assert "asked for by `--group` (mine)" in plan(cache, *specs, "--group", "mine=hello*", "--explain").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layers", "two"), "error: invalid `--layers` 'two'"),
        (("--group", "x"), "error: invalid `--group` 'x'"),
        (("--layers", "per-package", "--max-layers", "2"), "error: 2 packages need a layer each, and 1 are left"),
        (("--group", "a=x", "--group", "a=y"), "error: the group `a` is given twice"),
        (("--add-unowned",), "error: `--add-unowned` needs an installed environment"),
    ],
)
def test_what_cannot_be_planned(cache: Path, specs: tuple[str, ...], options: tuple[str, ...], message: str) -> None:
    done = docker_envs("plan", *AMD64, *specs, *options, cache=cache)
    assert done.status == 2
    assert done.stderr.splitlines()[-2 if "hint" in done.stderr else -1].startswith(message)
