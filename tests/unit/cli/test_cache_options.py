"""Options about remote caches: what they must look like, and what `plan` shows of a cache."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.caches.remote_caches import CacheUse
from docker_envs.cli.options import parse_caches
from docker_envs.errors import InvalidInputError
from docker_envs.oci.reference import Reference
from tests.builds import AMD64, docker_envs
from tests.simulators.registry import RegistrySimulator

if TYPE_CHECKING:
    from pathlib import Path


def test_what_they_mean() -> None:
    team, own = Reference("example.org:5000", "team/layers", None), Reference("docker.io", "me/layers", None)
    names = ("example.org:5000/team/layers", "docker://me/layers")
    assert parse_caches(names, names[:1], "3") == CacheUse((team, own), (team,), 3)
    assert parse_caches((), (), "all").verify is None


@pytest.mark.parametrize(
    ("source", "target", "verify", "message"),
    [
        ("a/b:1", None, "0", "invalid `--cache-from` 'a/b:1': a cache is a repository without a tag"),
        (None, "a/b@sha256:" + "0" * 64, "0", "invalid `--cache-to` 'a/b@sha256:"),
        (None, "A/B", "0", "invalid image reference"),
        ("oci:layers", None, "0", "`oci:layers` is no name in a registry"),
        (None, None, "-1", "invalid `--cache-verify` '-1'"),
        (None, None, "some", "invalid `--cache-verify` 'some'"),
    ],
)
def test_what_they_cannot_be(source: str | None, target: str | None, verify: str, message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_caches((source,) if source else (), (target,) if target else (), verify)
    assert str(caught.value).startswith(message)


def test_a_plan_shows_what_is_in_a_cache(channel: Path, tmp_path: Path) -> None:
    registry = RegistrySimulator()
    common = ("-b", "scratch", "--platform", AMD64, "-c", channel.as_uri(), "--cache-from")
    with registry.running():
        cache = f"{registry.address}/layers"
        filled = docker_envs(
            *("build", *common, cache, "--cache-to", cache, "greeting", "-o", tmp_path / "image.tar"),
            cache=tmp_path / "one",
        )
        assert filled.status == 0, filled.stderr
        plan = ("plan", *common, cache, "hello-sh")
        explained = docker_envs(*plan, "--explain", cache=tmp_path / "two")
        layers = docker_envs(*plan, "--json", cache=tmp_path / "three").document["layers"]
    assert "in a cache, " in explained.stdout
    assert "to build, " in explained.stdout
    assert explained.stdout.splitlines()[-1].startswith("2 layers, 0 in the store, 1 in a cache, ~")
    manifest = next(raw for _, raw in registry.repository("layers").manifests.values() if b"layer.key" in raw)
    (blob,) = json.loads(manifest)["layers"]
    assert {layer["origin"]: layer["size"] for layer in layers}["cache"] == blob["size"]
    assert {layer["origin"] for layer in layers} == {"cache", "build"}
