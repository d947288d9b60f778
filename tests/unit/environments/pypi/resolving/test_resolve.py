"""Requirements become the wheels of the target, by the real uv and an index on this machine."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.packages.fetching import PackageFetcher
from docker_envs.environments.pypi.declarations.declaration import PypiIndexes
from docker_envs.environments.pypi.declarations.requirements_txt import read_requirements_txt
from docker_envs.environments.pypi.resolving.installed import InstalledDistribution
from docker_envs.environments.pypi.resolving.resolve import resolve_pypi
from docker_envs.environments.pypi.resolving.uv import explained
from docker_envs.errors import (
    AuthenticationError,
    BuildError,
    DigestMismatchError,
    DockerEnvsError,
    InvalidDeclarationError,
    SolveError,
    TransportError,
)
from docker_envs.oci.descriptor import Platform
from docker_envs.report import SILENT
from docker_envs.transports.download import open_download
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.http import HttpClient
from tests.packages.distribution import sha256_of, write_distribution
from tests.packages.wheel import write_project
from tests.simulators.package_index import PASSWORD, USER, PackageIndexSimulator
from tests.unit.environments.pypi.support import ALPINE, AMD64, ARM64, refusal, settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration
    from docker_envs.environments.pypi.resolving.select import PypiResolution
    from docker_envs.environments.pypi.target import PypiTarget

GLIBC = "cp311-cp311-manylinux_2_17_{0}.manylinux2014_{0}"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    write_distribution(folder, "app", "2.0", requires=["lib>=1", "extra-lib; extra == 'more'"], extras=["more"])
    write_distribution(folder, "lib", "1.0")
    write_distribution(folder, "lib", "2.0", requires=["helper; sys_platform == 'linux'", "never; os_name == 'nt'"])
    write_distribution(folder, "never", "1.0")
    write_distribution(folder, "helper", "1.0")
    write_distribution(folder, "helper", "2.0rc1")
    write_distribution(folder, "extra-lib", "1.0")
    write_distribution(folder, "old-app", "1.0", requires=["lib<2"])
    for tag in (GLIBC.format("x86_64"), GLIBC.format("aarch64"), "cp311-cp311-musllinux_1_2_x86_64"):
        write_distribution(folder, "native", "1.0", tag=tag)
    write_distribution(folder, "native", "2.0", tag="cp311-cp311-manylinux_2_38_x86_64")
    write_distribution(folder, "needs-sources", "1.0", requires=["sources"])
    (folder / "sources-1.0.tar.gz").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def index(files: Path) -> Iterator[PackageIndexSimulator]:
    simulator = PackageIndexSimulator(files)
    with simulator.running():
        yield simulator


def declared(folder: Path, text: str, index_url: str) -> PypiDeclaration:
    path = folder / "requirements.txt"
    path.write_text(text)
    return replace(read_requirements_txt(path), indexes=PypiIndexes(index_url=index_url))


def resolved(
    folder: Path, index: PackageIndexSimulator, text: str, target: PypiTarget = AMD64, *installed: InstalledDistribution
) -> PypiResolution:
    declaration = declared(folder, text, index.index_url)
    return resolve_pypi(declaration, target, installed=installed, settings=settings(folder))


def names(found: PypiResolution) -> list[str]:
    return [package.display_name for package in found.packages]


def test_what_is_needed_comes_along(tmp_path: Path, index: PackageIndexSimulator, files: Path) -> None:
    found = resolved(tmp_path, index, "app[more]\n")
    assert names(found) == ["app-2.0", "extra-lib-1.0", "helper-1.0", "lib-2.0"]
    assert [package.requested for package in found.packages] == [True, False, False, False]
    (app, *_) = found.packages
    wheel = files / "app-2.0-py3-none-any.whl"
    assert (app.sha256, app.size, app.file_name) == (sha256_of(wheel), wheel.stat().st_size, wheel.name)
    assert app.url == f"{index.url}/files/{wheel.name}"
    assert not app.direct


@pytest.mark.parametrize(
    ("target", "version", "tag"),
    [
        (AMD64, "1.0", GLIBC.format("x86_64")),
        (ARM64, "1.0", GLIBC.format("aarch64")),
        (ALPINE, "1.0", "cp311-cp311-musllinux_1_2_x86_64"),
        (replace(AMD64, libc_version=(2, 38)), "2.0", "cp311-cp311-manylinux_2_38_x86_64"),
        # uv knows no glibc newer than 2.40.
        (replace(AMD64, libc_version=(2, 99)), "2.0", "cp311-cp311-manylinux_2_38_x86_64"),
        (replace(AMD64, libc_version=None), "1.0", GLIBC.format("x86_64")),
    ],
    ids=["amd64", "arm64", "alpine", "newer-glibc", "newest-glibc", "unknown-glibc"],
)
def test_wheels_are_those_of_the_target(
    tmp_path: Path, index: PackageIndexSimulator, target: PypiTarget, version: str, tag: str
) -> None:
    (found,) = resolved(tmp_path, index, "native\n", target).packages
    assert found.file_name == f"native-{version}-{tag}.whl"


@pytest.mark.parametrize(
    "target",
    [
        replace(AMD64, python="3.12"),
        replace(AMD64, free_threaded=True),
        replace(ALPINE, platform=Platform("linux", "arm64")),
        replace(AMD64, platform=Platform("linux", "s390x")),
        replace(AMD64, libc_version=(2, 12)),
    ],
    ids=["python", "free-threaded", "musl", "s390x", "old-glibc"],
)
def test_wheels_that_fit_nowhere(tmp_path: Path, index: PackageIndexSimulator, target: PypiTarget) -> None:
    with pytest.raises(BuildError, match="native") as caught:
        resolved(tmp_path, index, "native\n", target)
    assert "can build `native`" in str(caught.value.hint)


def test_a_target_that_uv_has_no_name_for(tmp_path: Path, index: PackageIndexSimulator) -> None:
    target = replace(AMD64, platform=Platform("linux", "s390x"))
    assert names(resolved(tmp_path, index, "lib\n", target)) == ["helper-1.0", "lib-2.0"]


def test_sources_are_not_built(tmp_path: Path, index: PackageIndexSimulator) -> None:
    text = refusal(lambda: resolved(tmp_path, index, "sources\n"), tmp_path, BuildError)
    assert text.startswith("`sources` has no wheel that fits, and sources are not built: No solution found")
    assert "\nhint: only a machine like the target can build `sources`: choose a version" in text


def test_something_else_needs_what_has_sources_only(tmp_path: Path, index: PackageIndexSimulator) -> None:
    with pytest.raises(SolveError, match="all versions of needs-sources depend on sources") as caught:
        resolved(tmp_path, index, "needs-sources\n")
    assert "can build `sources`" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lib\n-c constraints.txt\n", ["lib-1.0"]),
        ("--pre\nhelper\n", ["helper-2.0rc1"]),
        ("helper==2.0rc1\n", ["helper-2.0rc1"]),
        ("lib; python_version < '3.11'\nhelper\n", ["helper-1.0"]),
        ("old-app\nlib\n", ["lib-1.0", "old-app-1.0"]),
    ],
)
def test_what_lines_mean(tmp_path: Path, index: PackageIndexSimulator, text: str, expected: list[str]) -> None:
    (tmp_path / "constraints.txt").write_text("lib<2\n")
    assert names(resolved(tmp_path, index, text)) == expected


def test_what_cannot_be_satisfied(tmp_path: Path, index: PackageIndexSimulator) -> None:
    with pytest.raises(SolveError, match=r"only lib<=2\.0 is available and you require lib>=3"):
        resolved(tmp_path, index, "lib>=3\n")
    with pytest.raises(SolveError, match="missing was not found"):
        resolved(tmp_path, index, "missing\n")


def test_hashes_are_those_of_the_declaration(tmp_path: Path, index: PackageIndexSimulator, files: Path) -> None:
    good = sha256_of(files / "helper-1.0-py3-none-any.whl")
    assert names(resolved(tmp_path, index, f"helper==1.0 --hash=sha256:{'0' * 64} --hash=sha256:{good}\n"))
    wrong = refusal(lambda: resolved(tmp_path, index, f"helper==1.0 --hash=sha256:{'0' * 64}\n"), tmp_path)
    assert wrong == (
        f"requirements.txt: `helper-1.0-py3-none-any.whl`, which fits the target, has the hash `sha256:{good}`, which "
        "is not among those of its requirement"
    )
    lib = sha256_of(files / "lib-2.0-py3-none-any.whl")
    with pytest.raises(InvalidDeclarationError, match=r"`helper-1\.0` is needed, but has no hash"):
        resolved(tmp_path, index, f"lib==2.0 --hash=sha256:{lib}\n")


CONDA_LIB = InstalledDistribution("lib", "1.5", "conda package `lib-1.5-0`")


def test_what_conda_has_stays(tmp_path: Path, index: PackageIndexSimulator) -> None:
    """Version 1.5 is in no index, and what it needs is conda's affair."""
    unneeded = InstalledDistribution("zzz", "1!2.0+local.1", "conda package `zzz-2.0-0`")
    found = resolved(tmp_path, index, "app\n", AMD64, CONDA_LIB, unneeded)
    assert names(found) == ["app-2.0"]
    assert found.provided == (CONDA_LIB,)
    assert not [line for line in index.asked if "zzz" in line]


def test_extras_of_what_conda_has(tmp_path: Path, index: PackageIndexSimulator) -> None:
    conda = InstalledDistribution("app", "2.0", "conda package `app-2.0-0`")
    found = resolved(tmp_path, index, "app[more]\nhelper\n", AMD64, conda)
    assert names(found) == ["helper-1.0"]
    (note,) = found.notes
    assert note.replace(f"{tmp_path}/", "") == (
        "requirements.txt:1: what `app[more]` needs besides is not installed, since conda package `app-2.0-0` brings "
        "`app`"
    )
    metadata = "Name: app\nProvides-Extra: more\nRequires-Dist: lib\nRequires-Dist: extra-lib; extra == 'more'\n"
    found = resolved(tmp_path, index, "app[more]\n", AMD64, replace(conda, metadata=metadata))
    assert (names(found), found.notes) == (["extra-lib-1.0"], ())


def test_what_does_not_fit_to_conda(tmp_path: Path, index: PackageIndexSimulator) -> None:
    innocent = InstalledDistribution("helper", "0.1", "conda package `helper-0.1-0`")
    newer = InstalledDistribution("lib", "2.0", "conda package `lib-2.0-0`")
    text = refusal(lambda: resolved(tmp_path, index, "old-app\nhelper\n", AMD64, innocent, newer), tmp_path, SolveError)
    first, *_, hint = text.splitlines()
    assert first.startswith(
        "conda package `lib-2.0-0` has `lib` 2.0, but requirements.txt needs another, such as 1.0: No solution found"
    )
    assert hint == "hint: ask for another version of `lib` in one of them, or leave it out of one"


def test_projects_of_this_machine(tmp_path: Path, index: PackageIndexSimulator) -> None:
    project = write_project(tmp_path / "project")
    pyproject = project / "pyproject.toml"
    content = pyproject.read_text().replace('version = "1.0"\n', 'version = "1.0"\ndependencies = ["lib<2"]\n')
    pyproject.write_text(content + '[project.optional-dependencies]\nx = ["helper"]\n')
    found = resolved(tmp_path, index, "-e ./project[x]\n")
    assert names(found) == ["helper-1.0", "lib-1.0"]
    assert [(each.root, each.extras) for each in found.projects] == [(project, ("x",))]


def test_a_project_whose_version_its_backend_knows(tmp_path: Path, index: PackageIndexSimulator) -> None:
    project = write_project(tmp_path / "project", metadata="Requires-Dist: lib<2\\n")
    pyproject = project / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('version = "1.0"', 'dynamic = ["version", "dependencies"]'))
    assert names(resolved(tmp_path, index, "./project\n")) == ["lib-1.0"]


@pytest.mark.parametrize("named", ["{}", "lib @ file://{}", "file://{}"])
def test_wheels_of_this_machine(tmp_path: Path, index: PackageIndexSimulator, named: str) -> None:
    wheel = write_distribution(tmp_path / "wheels", "lib", "9.0", requires=["helper"])
    helper, lib = resolved(tmp_path, index, f"{named.format(wheel)}\n").packages
    assert (helper.version, lib.version, lib.url, lib.sha256) == ("1.0", "9.0", wheel.as_uri(), sha256_of(wheel))
    assert lib.public_url == "file:///lib-9.0-py3-none-any.whl"
    assert lib.direct_url() is None


def test_a_wheel_that_is_named_by_its_address(tmp_path: Path, index: PackageIndexSimulator, files: Path) -> None:
    url = f"{index.url}/files/helper-1.0-py3-none-any.whl"
    (found,) = resolved(tmp_path, index, f"helper @ {url}\n").packages
    sha256 = sha256_of(files / "helper-1.0-py3-none-any.whl")
    assert (found.url, found.sha256) == (url, sha256)
    assert found.direct_url() == f'{{"archive_info":{{"hashes":{{"sha256":"{sha256}"}}}},"url":"{url}"}}'.encode()


def test_links_in_place_of_an_index(tmp_path: Path, files: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(f"--no-index\n--find-links {os.path.relpath(files, tmp_path)}\nlib\n")
    found = resolve_pypi(read_requirements_txt(path), AMD64, settings=settings(tmp_path))
    assert [package.url for package in found.packages] == [
        (files / name).as_uri() for name in ("helper-1.0-py3-none-any.whl", "lib-2.0-py3-none-any.whl")
    ]


def test_nothing_is_wanted(tmp_path: Path, index: PackageIndexSimulator) -> None:
    asked = len(index.asked)
    assert resolved(tmp_path, index, "# nothing\n").packages == ()
    assert len(index.asked) == asked


def test_the_index_of_pip(tmp_path: Path, index: PackageIndexSimulator) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("helper\n")
    using = settings(tmp_path, PIP_INDEX_URL=index.index_url)
    assert names(resolve_pypi(read_requirements_txt(path), AMD64, settings=using)) == ["helper-1.0"]


@pytest.fixture
def private(files: Path) -> Iterator[PackageIndexSimulator]:
    simulator = PackageIndexSimulator(files, private=True)
    with simulator.running():
        yield simulator


def test_credentials_in_a_declaration(tmp_path: Path, private: PackageIndexSimulator) -> None:
    """They get the wheels too, but are in nothing that is shown."""
    found = resolve_pypi(declared(tmp_path, "lib\n", private.authorized_url), AMD64, settings=settings(tmp_path))
    assert names(found) == ["helper-1.0", "lib-2.0"]
    for package in found.packages:
        assert package.url == f"{private.authorized_url.removesuffix('/simple')}/files/{package.file_name}"
        assert package.public_url == f"{private.url}/files/{package.file_name}"


def test_credentials_in_a_netrc(tmp_path: Path, private: PackageIndexSimulator) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    found = resolve_pypi(declared(tmp_path, "lib\n", private.index_url), AMD64, settings=settings(tmp_path))
    assert [package.url for package in found.packages] == [
        f"{private.url}/files/{name}" for name in ("helper-1.0-py3-none-any.whl", "lib-2.0-py3-none-any.whl")
    ]


def test_credentials_that_are_missing_or_wrong(tmp_path: Path, private: PackageIndexSimulator) -> None:
    wrong = private.index_url.replace("://", "://someone:wr0ng-5ecret@")
    for url in (private.index_url, wrong):
        with pytest.raises(AuthenticationError, match="the package index refuses") as caught:
            resolve_pypi(declared(tmp_path, "lib\n", url), AMD64, settings=settings(tmp_path))
        assert "wr0ng-5ecret" not in str(caught.value)


def test_an_index_that_is_not_there(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/simple"
    using = settings(tmp_path, UV_HTTP_RETRIES="0")
    with pytest.raises(TransportError, match="the package index cannot be read"):
        resolve_pypi(declared(tmp_path, "lib\n", url), AMD64, settings=using)
    with pytest.raises(DockerEnvsError, match="not found in the cache"):
        resolve_pypi(declared(tmp_path, "lib\n", url), AMD64, settings=replace(using, offline=True))


def test_without_network_from_the_cache(tmp_path: Path, index: PackageIndexSimulator) -> None:
    resolved(tmp_path, index, "lib\n")
    asked = len(index.asked)
    declaration = declared(tmp_path, "lib\n", index.index_url)
    found = resolve_pypi(declaration, AMD64, settings=replace(settings(tmp_path), offline=True))
    assert names(found) == ["helper-1.0", "lib-2.0"]
    assert len(index.asked) == asked


def test_long_explanations_keep_their_end() -> None:
    printed = "error: No solution found:\n" + "".join(f"line {number}\n" for number in range(100))
    lines = str(explained(printed)).splitlines()
    assert (len(lines), lines[0], lines[1], lines[-1]) == (25, "No solution found:", "  … 77 lines", "line 99")


def test_credentials_go_on_to_the_wheels(tmp_path: Path, private: PackageIndexSimulator) -> None:
    """What was chosen is fetched from the private index, verified, and kept under its hash."""
    found = resolve_pypi(declared(tmp_path, "helper\n", private.authorized_url), AMD64, settings=settings(tmp_path))
    http = HttpClient(rule=RetryRule(attempts=1))
    cache = CacheDirectory(tmp_path / "cache")
    fetcher = PackageFetcher(cache, open_url=partial(open_download, http), reporter=SILENT)
    (package,) = found.packages
    fetched = fetcher.fetch(package, threading.Event())
    assert (fetched.sha256, fetched.size) == (package.sha256, package.size)
    assert fetched.host_path == cache.packages / f"sha256-{package.sha256}" / package.file_name
    with pytest.raises(DigestMismatchError):
        fetcher.fetch(replace(package, sha256="0" * 64), threading.Event())
    with pytest.raises(AuthenticationError):
        fetcher.fetch(replace(package, sha256="1" * 64, url=package.public_url), threading.Event())
