"""Real distributions from the real PyPI: resolved, fetched, and laid out as uv installs them.

They have what there is: compiled modules, console scripts, programs, headers, files outside of site-packages, and
namespaces that several share.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from uv import find_uv_bin

from docker_envs.archive.entry import Kind
from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.packages.fetching import PackageFetcher
from docker_envs.environments.pypi.declarations.requirements_txt import read_requirements_txt
from docker_envs.environments.pypi.resolving.installed import installed_distributions
from docker_envs.environments.pypi.resolving.resolve import resolve_pypi
from docker_envs.environments.pypi.resolving.uv import UvSettings
from docker_envs.environments.pypi.target import PypiTarget
from docker_envs.environments.pypi.virtual_environment import VirtualEnvironment
from docker_envs.environments.pypi.wheel import Wheel
from docker_envs.errors import TransportError
from docker_envs.oci.descriptor import Platform
from docker_envs.report import SILENT
from docker_envs.transports.download import open_download
from docker_envs.transports.http import HttpClient
from tests.base_image import HOST_ARCHITECTURE
from tests.installed_wheels import MTIME, install_with_uv, link_wheels, read_tree, unexplained

if TYPE_CHECKING:
    from docker_envs.archive.entry import Entry
    from docker_envs.environments.pypi.package import PypiPackage
    from docker_envs.environments.pypi.resolving.select import PypiResolution

REQUIREMENTS = """\
flask
numpy
pandas
uvicorn[standard]
rich
argcomplete
greenlet
jupyterlab-pygments
ninja
zope.event
zope.interface
"""
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PROGRAM = str(Path(sys.executable).resolve())


def target(architecture: str) -> PypiTarget:
    major, minor = map(int, platform.libc_ver()[1].split(".")[:2])
    return PypiTarget(Platform("linux", architecture), platform.python_version(), "glibc", (major, minor))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pypi")
    (path / "requirements.txt").write_text(REQUIREMENTS)
    return path


def resolved(folder: Path, architecture: str) -> PypiResolution:
    declared = read_requirements_txt(folder / "requirements.txt")
    try:
        return resolve_pypi(declared, target(architecture), settings=UvSettings(cache=folder / "uv"))
    except TransportError as error:
        pytest.skip(f"PyPI cannot be reached: {error}")


@pytest.fixture(scope="module")
def wheels(folder: Path) -> list[Path]:
    open_url = partial(open_download, HttpClient())
    fetcher = PackageFetcher(CacheDirectory(folder / "cache"), open_url=open_url, reporter=SILENT)
    packages = resolved(folder, HOST_ARCHITECTURE).packages
    return [fetched(fetcher, package) for package in packages]


def fetched(fetcher: PackageFetcher, package: PypiPackage) -> Path:
    found = fetcher.fetch(package, threading.Event())
    assert (found.sha256, found.size) == (package.sha256, package.size)
    return found.host_path


def test_what_uv_installs(wheels: list[Path], tmp_path: Path) -> None:
    prefix = tmp_path / "venv"
    install_with_uv(wheels, prefix, PROGRAM, folder=tmp_path)
    theirs = read_tree(prefix)
    ours = link_wheels(wheels, VirtualEnvironment(str(prefix), PROGRAM, VERSION, MTIME))
    assert unexplained(ours, theirs) == []
    site_packages = f"lib/python{VERSION}/site-packages"
    for path in ("bin/flask", "bin/ninja", f"{site_packages}/zope/event/__init__.py", "include/site", "share/jupyter"):
        assert any(each.startswith(path) for each in ours), path


def test_it_works(wheels: list[Path], tmp_path: Path) -> None:
    """What would be in layers, on disk: nothing is missing for pip, and programs and compiled modules run."""
    prefix = tmp_path / "venv"
    environment = VirtualEnvironment(str(prefix), PROGRAM, VERSION, MTIME)
    write(environment.entries())
    for path in wheels:
        with Wheel(path) as wheel:
            write(wheel.entries(environment.installation))
    subprocess.run([find_uv_bin(), "pip", "check", "--no-config", "--python", prefix], check=True, capture_output=True)
    code = "import flask, numpy, pandas, uvloop, zope.event, zope.interface; print(pandas.Series(numpy.ones(3)).sum())"
    done = subprocess.run([prefix / "bin" / "python", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "3.0\n"
    for command in (["flask", "--version"], ["ninja", "--version"], ["uvicorn", "--version"]):
        subprocess.run([prefix / "bin" / command[0], *command[1:]], check=True, capture_output=True)


def test_another_platform(folder: Path) -> None:
    other = "arm64" if HOST_ARCHITECTURE == "amd64" else "amd64"
    here = {package.name: package for package in resolved(folder, HOST_ARCHITECTURE).packages}
    there = {package.name: package for package in resolved(folder, other).packages}
    machine = target(other).machine
    assert here.keys() == there.keys()
    assert here["flask"] == there["flask"]
    for name in ("numpy", "pandas", "greenlet", "uvloop"):
        assert there[name].version == here[name].version
        assert there[name].file_name.endswith(f"_{machine}.whl")


def test_what_conda_has_is_not_taken(folder: Path) -> None:
    """Neither are versions asked for that only conda has."""
    numpy = installed_distributions(["site-packages/numpy-2.2.99.dist-info/METADATA"], owner="conda package `numpy`")
    declared = read_requirements_txt(folder / "requirements.txt")
    try:
        found = resolve_pypi(
            declared, target(HOST_ARCHITECTURE), installed=numpy, settings=UvSettings(cache=folder / "uv")
        )
    except TransportError as error:
        pytest.skip(f"PyPI cannot be reached: {error}")
    assert list(found.provided) == numpy
    assert "numpy" not in {package.name for package in found.packages}


def write(entries: list[Entry]) -> None:
    for entry in entries:
        path = Path("/") / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.kind is Kind.SYMLINK:
            path.symlink_to(entry.link)
        elif entry.kind is Kind.FILE:
            path.write_bytes(entry.read())
            path.chmod(entry.mode)
