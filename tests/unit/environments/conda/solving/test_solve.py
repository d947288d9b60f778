"""Solving on the fixture channel, for any target from any host; the solver's own words when nothing fits."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.environments.conda.metadata import PackageMetadata
from docker_envs.environments.conda.solving.solve import topological_order
from tests.packages.build import PackageSpec, write_channel
from tests.solve_child import solve_in_child

if TYPE_CHECKING:
    from pathlib import Path


def names(answer: dict[str, Any]) -> list[str]:
    assert "error" not in answer, answer
    return [f"{each['name']}-{each['version']}" for each in answer["packages"]]


def test_dependencies_come_with_all_that_proves_them(channel: Path, tmp_path: Path) -> None:
    answer = solve_in_child([channel.as_uri()], ["hello-sh"], tmp_path)
    assert names(answer) == ["greeting-1.2", "hello-sh-1.0"]
    greeting = answer["packages"][0]
    records = json.loads((channel / "linux-64/repodata.json").read_bytes())["packages.conda"]
    record = records["greeting-1.2-h1234567_3.conda"]
    assert greeting == {
        "name": "greeting",
        "version": "1.2",
        "build": "h1234567_3",
        "subdir": "linux-64",
        "url": f"{channel.as_uri()}/linux-64/greeting-1.2-h1234567_3.conda",
        "sha256": record["sha256"],
        "md5": record["md5"],
        "size": record["size"],
    }


@pytest.mark.parametrize("suffix", ["", "/"])
def test_a_channel_may_end_with_a_slash(channel: Path, tmp_path: Path, suffix: str) -> None:
    assert names(solve_in_child([channel.as_uri() + suffix], ["greeting <1.2"], tmp_path)) == ["greeting-1.1"]


def test_a_channel_without_sha256_gives_md5(channel: Path, tmp_path: Path) -> None:
    (package,) = solve_in_child([channel.as_uri()], ["legacy"], tmp_path)["packages"]
    assert package["sha256"] is None
    assert len(package["md5"]) == 32
    assert package["url"].endswith("/legacy-1.0-0.tar.bz2")


def test_nothing_is_asked_for(channel: Path, tmp_path: Path) -> None:
    assert solve_in_child([channel.as_uri()], [], tmp_path) == {"packages": []}


def test_another_platform(channel: Path, tmp_path: Path) -> None:
    answer = solve_in_child([channel.as_uri()], ["hello-sh", "generic"], tmp_path, platform="linux/arm64")
    assert {each["name"]: each["subdir"] for each in answer["packages"]} == {
        "generic": "noarch",
        "greeting": "linux-aarch64",
        "hello-sh": "linux-aarch64",
    }


def test_virtual_packages_are_those_of_the_target(channel: Path, tmp_path: Path) -> None:
    url = [channel.as_uri()]
    assert names(solve_in_child(url, ["glibc-tool"], tmp_path)) == ["glibc-tool-1.0"]
    assert names(solve_in_child(url, ["cuda-tool"], tmp_path, virtual=["__cuda=12.4"])) == ["cuda-tool-1.0"]
    assert solve_in_child(url, ["cuda-tool"], tmp_path, virtual=["__cuda=10"])["error"] == "SolveError"
    assert solve_in_child(url, ["glibc-tool"], tmp_path, virtual=["__glibc=2.12"])["error"] == "SolveError"


def test_the_first_channel_wins(tmp_path: Path) -> None:
    """Strict priority: a newer release further back does not count."""
    first = write_channel(tmp_path / "first", [PackageSpec("a", "1.0")])
    second = write_channel(tmp_path / "second", [PackageSpec("a", "2.0"), PackageSpec("b", "2.0")])
    channels = [first.as_uri(), second.as_uri()]
    assert names(solve_in_child(channels, ["a", "b"], tmp_path / "cache")) == ["a-1.0", "b-2.0"]
    assert names(solve_in_child(channels[::-1], ["a"], tmp_path / "cache")) == ["a-2.0"]
    assert names(solve_in_child(["nodefaults", *channels], ["a"], tmp_path / "cache")) == ["a-1.0"]


@pytest.mark.parametrize(
    ("specs", "parts"),
    [
        (["no-such-package"], ["No candidates were found for no-such-package *."]),
        (["greeting >=9"], ["No candidates were found for greeting >=9."]),
        (["broken-dep"], ["broken-dep", "package-that-does-not-exist *, for which no candidates were found"]),
        (["cuda-tool"], ["cuda-tool", "__cuda >=11, for which no candidates were found"]),
        (["python 3.13.*", "shebangs"], ["shebangs 1.0 would require", "python 3.11.*"]),
    ],
    ids=lambda value: value[0],
)
def test_the_explanation_is_the_solvers(channel: Path, tmp_path: Path, specs: list[str], parts: list[str]) -> None:
    answer = solve_in_child([channel.as_uri()], specs, tmp_path)
    assert answer["error"] == "SolveError"
    first, *rest = answer["message"].splitlines()
    assert first == "no set of packages for `linux/amd64` fits the specs:"
    assert rest
    assert all(line == line.rstrip() and line for line in rest)
    assert [part for part in parts if part not in answer["message"]] == []


@pytest.mark.parametrize("spec", ["numpy >", "=", "numpy["])
def test_malformed_specs(channel: Path, tmp_path: Path, spec: str) -> None:
    answer = solve_in_child([channel.as_uri()], ["greeting", spec], tmp_path)
    assert answer["error"] == "InvalidInputError"
    assert answer["message"].startswith(f"invalid match spec {spec!r}: ")


@pytest.mark.parametrize("channel", ["https://", "http://[", "file:relative"])
def test_malformed_channels(tmp_path: Path, channel: str) -> None:
    answer = solve_in_child([channel], ["a"], tmp_path)
    assert answer["error"] == "InvalidInputError"
    assert answer["message"].startswith(f"invalid channel `{channel}`: ")


@pytest.mark.parametrize("secret", ["", "user:hunter2@"])
def test_an_unreachable_channel(tmp_path: Path, secret: str) -> None:
    answer = solve_in_child([f"http://{secret}127.0.0.1:1/t/TOKEN/channel"], ["a"], tmp_path)
    assert answer["error"] == "TransportError"
    assert answer["message"].startswith("cannot read the index of a channel: ")
    assert "127.0.0.1:1" in answer["message"]
    assert "hunter2" not in answer["message"]
    assert "TOKEN" not in answer["message"].replace("<TOKEN>", "")
    assert answer["hint"] == "check the channels' names and the network"


def test_a_directory_that_is_no_channel(tmp_path: Path) -> None:
    answer = solve_in_child([(tmp_path / "nowhere").as_uri()], ["a"], tmp_path)
    assert answer["error"] in ("TransportError", "SolveError")
    assert "nowhere" in answer["message"]


def metadata(name: str, *depends: str) -> PackageMetadata:
    return PackageMetadata(name, {"name": name, "version": "1", "build": "0", "depends": list(depends)}, (), ())


def test_dependencies_come_first_in_every_order_of_input() -> None:
    packages = [
        metadata("a", "c >=1"),
        metadata("b"),
        metadata("c", "d"),
        metadata("d"),
        metadata("e", "a", "b", "gone"),
    ]
    order = topological_order(packages)
    assert sorted(order) == ["a", "b", "c", "d", "e"]
    for package in packages:
        for dependency in package.depends:
            name = dependency.split()[0]
            assert name == "gone" or order.index(name) < order.index(package.name)
    assert topological_order(packages[::-1]) == order


def test_a_circle_of_dependencies_has_an_order() -> None:
    assert sorted(topological_order([metadata("a", "b"), metadata("b", "a")])) == ["a", "b"]


def test_a_solve_where_an_event_loop_runs(channel: Path, tmp_path: Path) -> None:
    script = f"""
import asyncio, os, sys
from pathlib import Path
from docker_envs.environments.conda.solving.solve import solve
from docker_envs.oci.descriptor import Platform

async def main():
    arguments = dict(platform=Platform("linux", "amd64"), virtual_packages=[], cache=Path({str(tmp_path)!r}))
    return solve([{channel.as_uri()!r}], ["hello-sh"], **arguments)

print(*(package.name for package in asyncio.run(main())))
sys.stdout.flush()
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["greeting", "hello-sh"], done.stderr
