"""Debian's own programs and archive: the same order of versions, the same signatures, the same choices."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.error import URLError

import pytest
from hypothesis import given, settings

from docker_envs.environments.debian import indexing
from docker_envs.environments.debian.declarations.declaration import AptDeclaration, Seed
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.environments.debian.declarations.sources_files import host_sources
from docker_envs.environments.debian.indexing.reading import ArchiveReader
from docker_envs.environments.debian.solving.installed import parse_status
from docker_envs.environments.debian.solving.solve import solve
from docker_envs.environments.debian.version import version_key
from tests.apt_root import AptError, AptRoot
from tests.packages.debian_archive import Signer, Suite, deb, write_suite
from tests.packages.debian_versions import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.environments.debian.indexing.index import PackageIndex
    from docker_envs.environments.debian.solving.installed import InstalledPackage

KEYRING = Path(str(indexing.__file__)).parent / "keys/debian-archive-keyring.gpg"

SETS = (
    "python3", "python3 python3-venv", "ca-certificates", "git", "curl", "libgl1", "build-essential", "nginx",
    "postgresql-client", "openjdk-17-jre-headless", "ffmpeg", "imagemagick", "r-base-core", "libopencv-dev", "gdal-bin",
    "graphviz", "nodejs npm", "openssh-server", "systemd", "cups-client", "libgtk-3-0", "mariadb-server", "php-cli",
    "exim4", "mailutils", "apache2", "docker.io", "unattended-upgrades", "python3-numpy python3-scipy",
    "tzdata locales", "gnupg", "gnome-core",
)  # fmt: skip

#: Sets for a base that has all required packages and apt.
BASE_SETS = ("python3", "build-essential", "systemd", "libgtk-3-0", "exim4", "tzdata locales", "unattended-upgrades")

#: What apt has beyond our choice, and why.
MORE_OF_APT: Mapping[str, tuple[frozenset[str], str]] = {
    "gnome-core": (
        frozenset({"fonts-dejavu-core"}),
        "the first alternative of `fontconfig-config`; apt takes it before it sees that another is needed anyway",
    ),
}


@given(VERSIONS, VERSIONS)
@settings(max_examples=300, deadline=None, database=None)
def test_versions_are_in_the_order_of_dpkg(one: str, other: str) -> None:
    if not shutil.which("dpkg"):
        pytest.skip("not installed: dpkg")
    assert subprocess.run(["dpkg", "--compare-versions", one, _sign(one, other), other]).returncode == 0


def _sign(one: str, other: str) -> str:
    first, second = version_key(one), version_key(other)
    return "lt" if first < second else "eq" if first == second else "gt"


def test_apt_reads_what_tests_sign(tmp_path: Path) -> None:
    debs = [
        deb("a", depends="b | c, v"),
        deb("b", conflicts="c"),
        deb("c"),
        deb("p", provides="v"),
        deb("d", depends="c"),
    ]
    signer, archive = Signer(), tmp_path / "archive"
    release = write_suite(archive, Suite(debs=debs), signer)
    (tmp_path / "key.asc").write_text(signer.public)
    source = AptSource(archive.as_uri(), ("tester",), ("main",), signer.public)
    apt = AptRoot.make(tmp_path / "apt", [source], keyring=tmp_path / "key.asc")
    apt.update()
    index = read([source])
    for requests in ("a", "d", "a d", "b"):
        assert ours(index, requests) == apt.chosen(requests.split())
    release.write_bytes(release.read_bytes().replace(b"Origin: Tests", b"Origin: Evil!"))
    with pytest.raises(AptError, match=r"not signed|signature"):
        apt.update()


class Real(NamedTuple):
    """The archive that this machine uses."""

    packages: PackageIndex
    apt: AptRoot


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Real:
    sources = [
        source for source in host_sources(Path("/etc/apt")) if source.uri.endswith(("/debian", "/debian-security"))
    ]
    # Debian's keys come with us.
    sources = [AptSource(source.uri, source.suites, source.components) for source in sources]
    if not sources:
        pytest.skip("this machine has no archive of Debian")
    try:
        with urllib.request.urlopen(f"{sources[0].root}dists/{sources[0].suites[0]}/InRelease", timeout=30):
            pass
    except URLError as error:
        pytest.skip(f"the archive of this machine cannot be reached: {error}")
    apt = AptRoot.make(tmp_path_factory.mktemp("apt") / "root", sources, keyring=KEYRING)
    apt.update()
    return Real(read(sources), apt)


@pytest.mark.timeout(1200)
def test_choices_from_nothing_are_those_of_apt(real: Real) -> None:
    real.apt.set_status("")
    assert differences(real, SETS, ()) == {}


@pytest.mark.timeout(1200)
def test_choices_for_a_base_are_those_of_apt(real: Real) -> None:
    base = solve([], real.packages, seed=Seed.REQUIRED).packages
    status = real.apt.install(base)
    assert differences(real, BASE_SETS, parse_status([status], source="status", architecture="amd64")) == {}


def differences(real: Real, sets: Sequence[str], installed: Sequence[InstalledPackage]) -> dict[str, object]:
    """By set of packages, what one side alone chooses."""
    found: dict[str, object] = {}
    for requests in sets:
        theirs, own = real.apt.chosen(requests.split()), ours(real.packages, requests, installed)
        more, _ = MORE_OF_APT.get(requests, (frozenset[str](), ""))
        if {name: version for name, version in theirs.items() if name not in more} != own:
            found[requests] = sorted(theirs.items() ^ own.items())
    return found


def read(sources: Sequence[AptSource]) -> PackageIndex:
    reader = ArchiveReader(urllib.request.urlopen, cache=None, at=datetime.now(UTC))
    return reader.read(AptDeclaration(sources=tuple(sources)), "amd64")[0]


def ours(index: PackageIndex, requests: str, installed: Sequence[InstalledPackage] = ()) -> dict[str, str]:
    solution = solve([PackageRequest.parse(each) for each in requests.split()], index, installed=installed)
    return {package.name: package.version for package in solution.packages}
