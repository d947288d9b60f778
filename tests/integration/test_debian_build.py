"""Images of Debian packages as users build them: from nothing and on a base, in a real engine, beside mmdebstrap's."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.whiteout import iter_flattened
from tests.base_image import HOST_ARCHITECTURE
from tests.builds import docker_envs, read_image_file
from tests.debian import MIRROR, SHARED, shared_bootstrap, tree_of_entries, tree_of_folder
from tests.integration.test_debian_system import ALLOWED, PYTHON, differences
from tests.services import require_programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import Engine

SUITE = "bookworm"
#: What is ours: the record, and what apt is told of the archives.
OURS = {"usr/share/docker-envs", "usr/share/docker-envs/environment.json", "etc/apt/sources.list.d/docker-envs.sources"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "cache"


def build(cache: Path, *arguments: str | Path) -> str:
    done = docker_envs("build", "--apt-suite", SUITE, "--json", *arguments, cache=cache)
    if done.status and "cannot be reached" in done.stderr and "CI" not in os.environ:
        pytest.skip(f"no Debian mirror is reached: {done.stderr[-300:]}")
    assert done.status == 0, done.stderr
    return str(json.loads(done.stdout)["digest"])


def test_an_image_without_a_shell_runs(engine: Engine, cache: Path, tmp_path: Path) -> None:
    wanted = ("-b", "scratch", "--apt", "python3", "--apt", "ca-certificates", "--filter", "docs,locales")
    path = tmp_path / "python.tar"
    digest = build(cache, *wanted, "-i", "debian-python:1", "-o", path, "--load")
    assert engine.run("debian-python:1", "python3", "-c", PYTHON) == "hello True\n"
    assert engine.run("debian-python:1", "python3", "-c", "import tempfile; print(tempfile.gettempdir())") == "/tmp\n"
    read_image_file(path)
    # The same on every run, without anything that the first one left behind.
    assert build(tmp_path / "other", *wanted, "-o", tmp_path / "again.tar") == digest


def test_the_image_is_what_mmdebstrap_makes(
    cache: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = tmp_path / "made.tar"
    packages = ("--apt", ",".join(SHARED), "--apt-seed", "apt", "--apt-source", f"deb {MIRROR} {SUITE} main")
    done = docker_envs("build", "-b", "scratch", *packages, "-o", made, cache=cache)
    assert done.status == 0, done.stderr
    image = read_image_file(made)
    expected = tree_of_folder(shared_bootstrap(SUITE, tmp_path_factory).root)
    actual = tree_of_entries(iter_flattened([layer.open_tar for layer in image.layers], source="test"))
    assert actual.keys() >= OURS
    found = differences(expected, {path: node for path, node in actual.items() if path not in OURS})
    assert found == [], f"none of {ALLOWED}"


def test_dpkg_and_apt_go_on_inside(engine: Engine, cache: Path) -> None:
    build(cache, "-b", "scratch", "--apt-seed", "apt", "--apt", "ca-certificates", "-i", "debian-shell:1", "--load")
    listed = engine.run("debian-shell:1", "dpkg", "-l")
    assert sum(line.startswith("ii ") for line in listed.splitlines()) > 60
    assert engine.run("debian-shell:1", "dpkg", "--audit") == ""
    install = "apt-get install -qq -y --no-install-recommends less >/dev/null 2>&1"
    script = f"apt-get update -qq && {install} && less --version"
    container = engine.client.containers.run("debian-shell:1", ["sh", "-c", script], network_mode="host", detach=True)
    try:
        status = container.wait()["StatusCode"]
        logs = container.logs().decode()
    finally:
        container.remove(force=True)
    assert status == 0, logs
    assert logs.startswith("less "), logs


def test_packages_go_onto_a_base_of_debian(engine: Engine, cache: Path, tmp_path: Path) -> None:
    base = tmp_path / "base.tar"
    build(cache, "-b", "scratch", "--apt-seed", "apt", "--max-layers", "8", "-i", "base:1", "-o", base)
    done = docker_envs(
        *("build", "-b", f"docker-archive:{base}", "--apt", "git", "-i", "debian-git:1", "--load", "--json"),
        cache=cache,
    )
    assert done.status == 0, done.stderr
    assert engine.run("debian-git:1", "git", "--version").startswith("git version 2.39")
    assert engine.run("debian-git:1", "dpkg", "--audit") == ""
    assert engine.run("debian-git:1", "sh", "-c", "apt-get check >/dev/null && echo consistent") == "consistent\n"
    assert "\nii  git " in engine.run("debian-git:1", "dpkg", "-l")


def test_an_image_for_another_architecture_runs_there(cache: Path, tmp_path: Path) -> None:
    other, machine = ("arm64", "aarch64") if HOST_ARCHITECTURE == "amd64" else ("amd64", "x86_64")
    require_programs(f"qemu-{machine}")
    made = tmp_path / "other.tar"
    wanted = ("-b", "scratch", "--apt", "python3-minimal", "--platform", f"linux/{other}", "-o", made)
    digest = build(cache, *wanted)
    assert build(tmp_path / "other", *wanted) == digest
    exported = docker_envs("export", made, "-o", tmp_path / "files.tar", cache=cache)
    assert exported.status == 0, exported.stderr
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["tar", "-xf", tmp_path / "files.tar", "-C", root], check=True)
    program = "import os; print(os.uname().machine)"
    command = [f"qemu-{machine}", "-L", str(root), str(root / "usr/bin/python3.11"), "-I", "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{machine}\n", "")
