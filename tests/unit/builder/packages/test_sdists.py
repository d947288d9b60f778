"""Distributions without a wheel: an error that says how to allow building, and the wheel that is built then."""

from __future__ import annotations

import io
import platform
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.packages import sdists
from docker_envs.builder.packages.fetching import Archives, PackageFetcher
from docker_envs.builder.packages.pythons import WheelPlace
from docker_envs.builder.packages.sdists import build_wheels
from docker_envs.environments.pypi.declarations.declaration import PypiIndexes
from docker_envs.environments.pypi.installation import Installation
from docker_envs.environments.pypi.package import PypiPackage, PypiSdist
from docker_envs.environments.pypi.resolving.uv import UvSettings
from docker_envs.environments.pypi.target import PypiTarget
from docker_envs.errors import BuildError
from docker_envs.oci.descriptor import Platform
from docker_envs.report import SILENT, SilentReporter
from tests.base_image import HOST_ARCHITECTURE
from tests.builds import read_image_file
from tests.images import flattened
from tests.packages.distribution import sha256_of, write_distribution
from tests.packages.wheel import write_project
from tests.simulators.package_index import PackageIndexSimulator
from tests.unit.builder.packages.test_pythons import DEBIAN_FILES, VENV_11, build, write_base

if TYPE_CHECKING:
    from pathlib import Path

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
LIBC = tuple(int(part) for part in platform.libc_ver()[1].split(".")[:2])
NATIVE = f"cp{MINOR.replace('.', '')}-cp{MINOR.replace('.', '')}-linux_{platform.machine()}"


def write_sdist(
    folder: Path, work: Path, *, name: str = "demoapp", tag: str = "py3-none-any", fails: bool = False
) -> Path:
    """A source distribution that builds itself, with all that its metadata say in `PKG-INFO`."""
    root = write_project(work / f"{name}-1.0", name=name, tag=tag)
    (root / "PKG-INFO").write_text(f"Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n")
    if fails:
        (root / "fail").write_text("")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(root, arcname=root.name)
    return path


class Counting(SilentReporter):
    """Remembers what was built."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def start(self, verb: str, name: str, total: int | None = None):  # type: ignore[no-untyped-def]
        if verb == "build":
            self.built.append(name)
        return super().start(verb, name, total)


def place(
    *,
    minor: str = MINOR,
    architecture: str = HOST_ARCHITECTURE,
    libc: str = "glibc",
    version: tuple[int, int] | None = None,
) -> WheelPlace:
    target = PypiTarget(Platform("linux", architecture), f"{minor}.1", libc, version)
    return WheelPlace(target, Installation("/opt/x", minor, f"lib/python{minor}/site-packages", 0))


def built(source: Path, cache: Path, where: WheelPlace | None = None, reporter: SilentReporter = SILENT) -> PypiPackage:
    opened = CacheDirectory(cache)
    fetcher = PackageFetcher(opened, open_url=lambda url: io.BytesIO(), reporter=SILENT)
    sdist = PypiSdist("demoapp", "1.0", source.as_uri(), source.name, sha256_of(source), requested=True)
    (found,) = build_wheels(
        [sdist],
        where or place(),
        indexes=PypiIndexes(no_index=True),
        settings=UvSettings(cache=cache / "uv"),
        archives=Archives(fetcher, {}),
        cache=opened,
        reporter=reporter,
    )
    return found


def test_a_wheel_is_built_once_and_the_same_elsewhere(tmp_path: Path) -> None:
    source, heard = write_sdist(tmp_path / "files", tmp_path), Counting()
    first = built(source, tmp_path / "cache", reporter=heard)
    assert (first.name, first.version, first.requested, first.direct) == ("demoapp", "1.0", True, False)
    assert built(source, tmp_path / "cache", reporter=heard) == first
    assert heard.built == ["demoapp-1.0"]
    assert first.public_url == "file:///demoapp-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("tag", "where"),
    [
        ("py3-none-any", place(minor="3.99", architecture="s390x", libc="musl")),
        (NATIVE, place()),
        (NATIVE, place(version=(9, 99))),
    ],
    ids=["pure", "native", "newer C library"],
)
def test_what_runs_on_the_target(tmp_path: Path, tag: str, where: WheelPlace) -> None:
    source = write_sdist(tmp_path / "files", tmp_path, tag=tag)
    assert built(source, tmp_path / "cache", where).file_name == f"demoapp-1.0-{tag}.whl"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (place(architecture="s390x"), f"was built here is for {NATIVE}, not for Python {MINOR}.1 on linux/s390x"),
        (place(minor="3.99"), "not for Python 3.99.1 on"),
        (place(version=(2, 17)), f"was built here with glibc {LIBC[0]}.{LIBC[1]}, not for"),
        (place(libc="musl"), "was built here for glibc, not for"),
    ],
    ids=["machine", "Python", "C library", "musl"],
)
def test_what_does_not(tmp_path: Path, where: WheelPlace, message: str) -> None:
    source = write_sdist(tmp_path / "files", tmp_path, tag=NATIVE)
    with pytest.raises(BuildError) as caught:
        built(source, tmp_path / "cache", where)
    assert message in str(caught.value)
    assert "name a wheel that was built there" in str(caught.value.hint)


def test_what_a_backend_complains_about_is_told(tmp_path: Path) -> None:
    source = write_sdist(tmp_path / "files", tmp_path, fails=True)
    with pytest.raises(BuildError, match=r"`demoapp-1\.0` cannot be built from its source[\s\S]*compiler not found"):
        built(source, tmp_path / "cache")
    assert not list((tmp_path / "cache" / "packages").rglob("*.whl"))


def test_the_indexes_of_a_declaration_are_for_what_builds(tmp_path: Path) -> None:
    found = sdists._variables(PypiIndexes("https://a:b@c/simple", ("https://d/simple",), ("/e", "/f"), no_index=True))
    assert found == {
        "SOURCE_DATE_EPOCH": "315532800",
        "PYTHONHASHSEED": "0",
        "UV_DEFAULT_INDEX": "https://a:b@c/simple",
        "UV_INDEX": "https://d/simple",
        "UV_FIND_LINKS": "/e,/f",
        "UV_NO_INDEX": "1",
    }


# -- whole builds


@pytest.fixture
def index(tmp_path: Path) -> PackageIndexSimulator:
    folder = tmp_path / "files"
    write_sdist(folder, tmp_path)
    write_distribution(folder, "user", "1.0", requires=["demoapp"])
    return PackageIndexSimulator(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("line", ["demoapp", "user"], ids=["itself", "needed"])
def test_an_error_says_how_to_allow_it(project: Path, index: PackageIndexSimulator, line: str) -> None:
    base = write_base(project, DEBIAN_FILES)
    with index.running():
        done = build(project, index, base, line)
        assert done.status in (3, 6), done.stderr
        assert "--build-sdists demoapp" in done.stderr
        allowed = build(project, index, base, line, options=("--build-sdists", "Demoapp"))
        assert allowed.status == 0, allowed.stderr
    files = flattened(read_image_file(project / "image.tar"))
    assert f"{VENV_11[1:]}/demoapp/__init__.py" in files
    assert files["opt/venv/bin/demoapp"].startswith(b"#!/opt/venv/bin/python3.11\n")
    assert f"{VENV_11[1:]}/demoapp-1.0.dist-info/direct_url.json" not in files


def test_all_may_be_built_and_others_may_not(project: Path, index: PackageIndexSimulator) -> None:
    base = write_base(project, DEBIAN_FILES)
    with index.running():
        assert build(project, index, base, "user", options=("--build-sdists", "another")).status in (3, 6)
        assert build(project, index, base, "user", options=("--build-sdists", "all")).status == 0
        done = build(project, index, base, "user", options=("--build-sdists", "no name!"))
    assert done.status == 2
    assert "'no name!' is no name of a distribution" in done.stderr
