"""`docker-envs cache`."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from docker_envs.cli.cache import parse_age, parse_size
from docker_envs.errors import InvalidInputError
from tests.builds import AMD64, docker_envs
from tests.simulators.channel import ChannelSimulator
from tests.unit.cli.runner import Run, runner

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def filled(channel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("filled") / "cache"
    simulator = ChannelSimulator(channel)
    with simulator.running():
        options = ("--base", "scratch", "--platform", AMD64, "--oci", cache.parent / "layout", "--force")
        done = docker_envs("build", *options, "-c", simulator.channel, "hello-sh", cache=cache)
    assert done.status == 0, done.stderr
    return cache


@pytest.fixture
def cache(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two packages, their layers, and repodata; the usual one."""
    cache = tmp_path / "cache"
    for path in sorted(filled.rglob("*")):
        place = cache / path.relative_to(filled)
        if path.is_dir():
            place.mkdir(parents=True)
        else:
            place.write_bytes(path.read_bytes())
    monkeypatch.setenv("DOCKER_ENVS_CACHE", str(cache))
    return cache


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    return runner(monkeypatch, capfdbinary)


def files(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_parts_are_listed_apart(run: Run, cache: Path) -> None:
    lines = [line.split() for line in run("cache", "du").text.splitlines()]
    assert [line[-1] for line in lines] == ["packages", "metadata", "repodata", "bases", "layers", "total"]
    document = json.loads(run("cache", "du", "--json").text)
    assert document["directory"] == str(cache)
    assert (document["packages"]["count"], document["layers"]["count"]) == (2, 3)
    assert document["size"] == sum(path.stat().st_size for path in files(cache))
    listed = json.loads(run("cache", "ls", "--json").text)
    assert sum(each["size"] for each in listed) == document["size"]
    names = sorted(each["name"] for each in listed if each["part"] == "layers")
    assert names[:2] == ["greeting-1.2-h1234567_3", "hello-sh-1.0-0"]
    # The record is no package's.
    assert [name.partition(":")[0] for name in names[2:]] == ["sha256"]
    assert len(run("cache", "ls").text.splitlines()) == len(listed)
    assert run("cache", "du", "--cache-dir", cache / "missing").text.split()[:2] == ["0", "B"]


def test_prune(run: Run, cache: Path) -> None:
    for path in (cache / "packages").glob("*/*"):
        os.utime(path, (0, time.time() - 40 * 86400))
    nothing = "removed 0 layers, 0 packages, 0 metadata files, 0 index files, 0 B\n"
    assert run("cache", "prune", "--older-than", "50d").text == nothing
    would = run("cache", "prune", "--older-than", "30d", "--dry-run").text
    assert would.startswith("would remove 0 layers, 2 packages, 0 metadata files, 0 index files, ")
    assert run("cache", "prune", "--older-than", "30d").text == would.replace("would remove", "removed")
    assert not list((cache / "packages").iterdir())
    document = json.loads(run("cache", "prune", "--max-size", "0", "--json").text)
    assert (document["in_use"], document["dry_run"]) == (0, False)
    assert document["size"] == sum(each["size"] for each in document["removed"]) > 0
    assert files(cache) == []


def test_prune_wants_to_know_what_may_stay(run: Run, cache: Path) -> None:
    before = files(cache)
    done = run("cache", "prune")
    assert (done.status, done.stderr) == (
        2,
        "error: nothing says what may stay\nhint: give `--max-size`, `--older-than`, or both\n",
    )
    assert files(cache) == before


def test_verify_finds_a_flipped_byte(run: Run, cache: Path) -> None:
    assert run("cache", "verify").text.startswith("verified ")
    victim = max((cache / "layers/blobs/sha256").iterdir())
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    done = run("cache", "verify")
    assert done.status == 5
    assert done.stdout.decode().splitlines()[0].split()[0::3] == ["damaged", str(victim)]
    assert (
        done.stderr == f"error: 1 damaged item in the cache `{cache}`\nhint: remove what is damaged with `--repair`\n"
    )
    document = json.loads(run("cache", "verify", "--repair", "--json").text)
    assert (document["removed"], [each["files"][-1] for each in document["damaged"]]) == (1, [str(victim)])
    assert not victim.exists()
    assert run("cache", "verify").status == 0


def test_clear(run: Run, cache: Path) -> None:
    assert run("cache", "clear", "--dry-run").text.startswith("would remove 3 layers, 2 packages, ")
    assert files(cache)
    assert run("cache", "clear").text.startswith("removed 3 layers, 2 packages, ")
    assert files(cache) == []


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("4096", 4096),
        ("5B", 5),
        ("10kB", 10_000),
        ("1.5 GB", 1_500_000_000),
        ("2GiB", 2 << 30),
        ("1T", 10**12),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "1XB", "1e3", "ten"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(InvalidInputError, match="invalid size"):
        parse_size(text)


@pytest.mark.parametrize(("text", "age"), [("30s", 30), ("1.5h", 5400), ("2w", 14 * 86400), ("10 d", 864000)])
def test_ages(text: str, age: float) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "d", "30", "-1d", "1y"])
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(InvalidInputError, match="invalid age"):
        parse_age(text)
