"""Distributions from the real PyPI for the Python of Debian: of a base that mmdebstrap made, or put together here."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.reader import iter_entries
from docker_envs.oci import edit
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.image import scratch
from docker_envs.transports.files.docker_archive import write_archive
from tests.base_image import HOST_ARCHITECTURE
from tests.builds import docker_envs, read_image_file
from tests.debian import layer_of, shared_bootstrap
from tests.images import named
from tests.integration.test_pypi import SERVE
from tests.venvs import differences_to_uv

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builds import Outcome
    from tests.services import Engine

SUITE, MINOR = "bookworm", "3.11"
#: Compiled code, with libraries of its own.
NUMBERS = "import numpy; print(numpy.ones(3).sum())"


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A system with Python and pip, as one layer of a base image."""
    folder = tmp_path_factory.mktemp("debian")
    root = shared_bootstrap(SUITE, tmp_path_factory).root
    command = ["tar", "--numeric-owner", "--exclude=./dev/*", "--exclude=./var/cache/apt/*", "-C", str(root), "-cf"]
    subprocess.run([*command, str(folder / "root.tar"), "."], check=True)
    with (folder / "root.tar").open("rb") as file:
        layer = layer_of(iter_entries(file, source="root.tar"))
    image = edit.append_layer(scratch(Platform("linux", HOST_ARCHITECTURE)), layer, history={"created_by": "test"})
    image = edit.with_config(image, image.config.with_env({"PATH": "/usr/local/bin:/usr/bin:/bin"}))
    write_archive([named(image, "debian-with-python:1")], folder / "base.tar")
    return f"docker-archive:{folder / 'base.tar'}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "cache"


@pytest.fixture(scope="module")
def requirements(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("declared") / "requirements.txt"
    path.write_text("flask\nnumpy\n")
    return path


def build(cache: Path, *arguments: str | Path) -> Outcome:
    done = docker_envs("build", "--json", *arguments, cache=cache)
    if done.status and "the package index cannot be read" in done.stderr:
        pytest.skip(f"PyPI cannot be reached: {done.stderr[-500:]}")
    assert done.status == 0, done.stderr
    return done


def works(engine: Engine, image: str) -> None:
    assert engine.run(image, "python3", "-c", SERVE) == "served by flask\n"
    assert engine.run(image, "python3", "-c", NUMBERS) == "3.0\n"
    assert engine.run(image, "flask", "--version").startswith(f"Python {MINOR}")


def test_a_virtual_environment(engine: Engine, debian: str, cache: Path, requirements: Path) -> None:
    build(cache, "-b", debian, "-f", requirements, "-i", "debian-venv:1", "--load", "--compile", "auto")
    works(engine, "debian-venv:1")
    prefix = "import sys; print(sys.prefix, sys.base_prefix)"
    assert engine.run("debian-venv:1", "python", "-c", prefix) == "/opt/venv /usr\n"
    check = ("/usr/bin/python3", "-m", "pip", "--python", "/opt/venv/bin/python", "check")
    assert "No broken requirements found" in engine.run("debian-venv:1", *check)
    listed = engine.run("debian-venv:1", *check[:-1], "list")
    assert {"Flask", "numpy", "Werkzeug"} <= {line.partition(" ")[0] for line in listed.splitlines()}


def test_the_python_of_the_base(engine: Engine, debian: str, cache: Path, requirements: Path) -> None:
    layout = ("--python-layout", "base")
    build(cache, "-b", debian, "-f", requirements, *layout, "-i", "debian-direct:1", "--load")
    works(engine, "debian-direct:1")
    assert "No broken requirements found" in engine.run("debian-direct:1", "python3", "-m", "pip", "check")
    place = "import flask; print(flask.__file__)"
    found = engine.run("debian-direct:1", "python3", "-c", place)
    assert found == f"/usr/local/lib/python{MINOR}/dist-packages/flask/__init__.py\n"


def test_the_python_of_debian_packages(engine: Engine, cache: Path, requirements: Path) -> None:
    packages = ("--apt-suite", SUITE, "--apt", "python3", "--apt", "libstdc++6")
    build(cache, "-b", "scratch", *packages, "-f", requirements, "-i", "python-of-debs:1", "--load")
    works(engine, "python-of-debs:1")


def test_what_uv_installs(debian: str, cache: Path, requirements: Path, tmp_path: Path) -> None:
    if sys.version_info[:2] != (3, 11):
        pytest.skip("uv needs a Python of the base's version here")
    prefix, image = tmp_path / "venv", tmp_path / "image.tar"
    built = build(cache, "-b", debian, "-f", requirements, "--prefix", str(prefix), "-o", image)
    assert len(built.package_layers) > 5
    found, ours = differences_to_uv(
        read_image_file(image), prefix, cache, requested={"flask", "numpy"}, folder=tmp_path
    )
    assert found == []
    assert "lib/python3.11/site-packages/flask/__init__.py" in ours
