"""Builds of what is locked, on a machine without any network."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.apt_builds import AptFixture
from tests.base_image import push_base_image
from tests.builds import docker_envs
from tests.packages.build import PackageSpec, text, write_channel
from tests.packages.channel import build_channel
from tests.packages.debian_archive import deb
from tests.packages.distribution import write_distribution
from tests.services import run_registry
from tests.simulators.channel import ChannelSimulator
from tests.simulators.package_index import PackageIndexSimulator

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


def test_no_network_is_needed_for_wheels_and_debian_packages(tmp_path: Path, alone: tuple[str, ...]) -> None:
    cache, project = tmp_path / "cache", tmp_path / "project"
    project.mkdir()
    python = PackageSpec("python", "3.11.4", {"bin/python3.11": text("", 0o755)}, build="fake_0_cpython")
    channel = ChannelSimulator(write_channel(tmp_path / "channel", [python]))
    write_distribution(tmp_path / "wheels", "web", "1.0")
    index = PackageIndexSimulator(tmp_path / "wheels", private=True)
    apt = AptFixture(tmp_path)
    apt.offer(deb("base-files"), deb("app"))
    archive = ChannelSimulator(apt.archive)
    variables = {"PIP_CONFIG_FILE": "/dev/null"}
    with channel.running(), index.running(), archive.running():
        pip = [f"--index-url {index.authorized_url}", "web"]
        source = {"uri": archive.channel, "suites": ["tester"], "components": ["main"], "signed_by": apt.signer.public}
        declared = {
            "base": "scratch",
            "platforms": ["linux/amd64"],
            "apt": {"packages": ["app"], "sources": [source]},
            "environment": {"channels": [channel.channel], "dependencies": ["python", {"pip": pip}]},
        }
        (project / "docker-env.yaml").write_text(json.dumps(declared))
        locked = docker_envs("lock", cache=cache, cwd=project, variables=variables)
        assert locked.status == 0, locked.stderr
        assert "someone" not in (project / "docker-env.lock").read_text()
        online = docker_envs("build", "-o", "online.tar", "--json", cache=cache, cwd=project, variables=variables)
        for part in ("repodata", "layers"):
            shutil.rmtree(cache / part)
        options = ("build", "--offline", "--locked", "--json", "-o", "offline.tar")
        offline = docker_envs(*options, cache=cache, cwd=project, wrapper=alone, variables=variables)
    assert offline.digest == online.digest
    names = sorted("".join(layer["packages"]) for layer in offline.package_layers)
    assert [name for name in names if name.startswith(("app", "python", "web"))] == [
        "app:amd64=1.0",
        "python-3.11.4-fake_0_cpython",
        "web-1.0",
    ]
