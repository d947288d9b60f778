"""Builds of what is locked, on a machine without any network."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.base_image import push_base_image
from tests.builds import docker_envs
from tests.packages.channel import build_channel
from tests.services import run_registry
from tests.simulators.channel import ChannelSimulator

if TYPE_CHECKING:
    from pathlib import Path

#: Runs a program where only itself can be reached.
ALONE = ("unshare", "--map-root-user", "--net")


@pytest.fixture
def alone() -> tuple[str, ...]:
    if not shutil.which("unshare") or subprocess.run([*ALONE, "true"], capture_output=True).returncode:
        pytest.skip("no namespace without a network can be made here")
    return ALONE


def test_no_network_is_needed(tmp_path: Path, base_layout: Path, alone: tuple[str, ...]) -> None:
    cache, project, registry = tmp_path / "cache", tmp_path / "project", tmp_path / "registry"
    project.mkdir()
    registry.mkdir()
    channel = ChannelSimulator(build_channel(tmp_path / "channel"))
    with run_registry(registry) as address, channel.running():
        base = push_base_image(base_layout, address).oci
        (project / "docker-env.yaml").write_text(
            f"base: {base}\nplatforms: [linux/amd64]\n"
            f"environment: {{channels: ['{channel.channel}'], dependencies: [hello-sh]}}\n"
        )
        assert docker_envs("lock", cache=cache, cwd=project).status == 0
        online = docker_envs("build", "-o", "online.tar", "--json", cache=cache, cwd=project)
        # What a machine has that only fetched: no layers, and no index of a channel.
        for part in ("repodata", "layers"):
            shutil.rmtree(cache / part)
        options = ("build", "--offline", "--locked", "--json", "-o")
        before = len(channel.log)
        offline = docker_envs(*options, "offline.tar", cache=cache, cwd=project, wrapper=alone)
        assert len(channel.log) == before
    assert offline.digest == online.digest
    assert (project / "offline.tar").read_bytes() == (project / "online.tar").read_bytes()
    unlocked = docker_envs("build", "-o", "x.tar", "-f", "docker-env.yaml", "--base", base, "--offline",
                           cache=tmp_path / "empty", cwd=project, wrapper=alone)  # fmt: skip
    assert unlocked.status == 4
