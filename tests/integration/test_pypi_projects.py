"""Projects of Python as people have them, on Debian's Python and nothing else: built, run, and compared with uv."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from docker_envs.records.record import read_records
from tests.builds import docker_envs, read_image_file
from tests.venvs import differences_to_uv

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.records.record import Record
    from tests.services import Engine

SUITE = "bookworm"
WANTED = ("flask", "uvicorn", "numpy", "pandas", "pip")
PROJECT = """\
[project]
name = "service"
version = "1"
requires-python = ">=3.11"
dependencies = [{dependencies}]
"""
PROGRAM = """
import flask, pandas, uvicorn
app = flask.Flask("service")
app.add_url_rule("/", view_func=lambda: str(int(pandas.Series([1, 2, 3]).sum())))
print(app.test_client().get("/").text, uvicorn.__name__)
"""
KINDS = ("requirements.txt", "uv.lock", "pylock.toml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One project, declared in each way."""
    folder = tmp_path_factory.mktemp("projects")
    (folder / "requirements.txt").write_text("".join(f"{name}\n" for name in WANTED))
    listed = ", ".join(f'"{name}"' for name in WANTED)
    (folder / "pyproject.toml").write_text(PROJECT.format(dependencies=listed))
    uv(folder, "lock", "--quiet")
    uv(folder, "export", "--quiet", "--format", "pylock.toml", "--no-emit-project", "--output-file", "pylock.toml")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "cache"


def uv(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [find_uv_bin(), *arguments, "--python", sys.executable], cwd=folder, capture_output=True, text=True
    )
    if done.returncode and "CI" not in os.environ and "error sending request" in done.stderr:
        pytest.skip(f"PyPI cannot be reached: {done.stderr[-500:]}")
    assert done.returncode == 0, done.stderr


def build(project: Path, kind: str, cache: Path, *arguments: str | Path) -> str:
    packages = ("--apt-suite", SUITE, "--apt", "python3,libstdc++6")
    fixed = ("build", "-b", "scratch", *packages, "-f", project / kind, "--json")
    done = docker_envs(*fixed, *arguments, cache=cache)
    assert done.status == 0, done.stderr
    return done.digest


def record_of(path: Path) -> Record:
    return read_records(read_image_file(path))[0].record


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_runs_and_is_what_uv_installs(
    engine: Engine, project: Path, cache: Path, kind: str, tmp_path: Path
) -> None:
    if sys.version_info[:2] != (3, 11):
        pytest.skip("uv needs a Python of Debian's version here")
    image, prefix = tmp_path / "image.tar", tmp_path / "venv"
    name = f"project-{kind.partition('.')[0]}:1"
    digest = build(project, kind, cache, "--prefix", str(prefix), "-i", name, "-o", image, "--load")
    assert engine.run(name, "python", "-c", PROGRAM) == "6 uvicorn\n"
    assert engine.run(name, "python", "-m", "pip", "check") == "No broken requirements found.\n"
    requested = {package.name for package in record_of(image).packages if package.kind == "pypi" and package.requested}
    if kind == "requirements.txt":
        assert requested == set(WANTED)
    found, ours = differences_to_uv(read_image_file(image), prefix, cache, requested=requested, folder=tmp_path)
    assert found == []
    assert "lib/python3.11/site-packages/pandas/__init__.py" in ours
    assert build(project, kind, cache, "--prefix", str(prefix), "-o", tmp_path / "again.tar") == digest


def test_locks_of_one_project_give_the_same_layers(project: Path, cache: Path, tmp_path: Path) -> None:
    records = []
    for kind in ("uv.lock", "pylock.toml"):
        build(project, kind, cache, "-o", tmp_path / f"{kind}.tar")
        records.append(record_of(tmp_path / f"{kind}.tar"))
    one, other = records
    assert {layer.diff_id for layer in one.layers} == {layer.diff_id for layer in other.layers}


def test_wheels_are_those_of_another_architecture(project: Path, cache: Path, tmp_path: Path) -> None:
    image = tmp_path / "arm.tar"
    wanted = ("-o", image, "--platform", "linux/arm64")
    digest = build(project, "uv.lock", cache, *wanted)
    numpy = record_of(image).by_name["pypi:numpy"]
    assert "aarch64" in (numpy.file_name or numpy.url)
    assert build(project, "uv.lock", tmp_path / "other", *wanted) == digest
