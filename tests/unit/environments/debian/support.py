"""Archives of tests, read as those of Debian are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.debian.declarations.declaration import AptDeclaration, Seed
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.environments.debian.indexing.reading import ArchiveReader
from docker_envs.environments.debian.solving.installed import parse_status
from docker_envs.environments.debian.solving.solve import solve
from tests.packages.debian_archive import AT, Signer, Suite, write_suite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.environments.debian.indexing.index import PackageIndex
    from docker_envs.environments.debian.solving.solve import Solution
    from docker_envs.streams import ByteSource
    from tests.packages.debian_archive import Deb

SIGNER = Signer()


def no_network(url: str) -> ByteSource:
    raise AssertionError(f"asked for {url}")


def index_of(root: Path, suites: Sequence[Suite], architecture: str = "amd64") -> PackageIndex:
    """The index of suites that are written into `root`."""
    for suite in suites:
        write_suite(root, suite, SIGNER)
    source = AptSource(root.as_uri(), tuple(suite.name for suite in suites), ("main",), SIGNER.public)
    reader = ArchiveReader(no_network, cache=None, at=AT)
    return reader.read(AptDeclaration(sources=(source,)), architecture)[0]


def status_of(debs: Sequence[Deb], *, hold: str = "") -> str:
    """What dpkg says when packages are installed."""
    return "\n".join(
        f"{each.control}Status: {'hold' if each.name == hold else 'install'} ok installed\n" for each in debs
    )


def solved(
    root: Path,
    debs: Sequence[Deb],
    requests: str,
    *,
    base: Sequence[Deb] = (),
    hold: str = "",
    seed: Seed = Seed.NONE,
    recommends: bool = False,
) -> Solution:
    """What is chosen of some packages for requests with spaces between them."""
    return solve(
        [PackageRequest.parse(each) for each in requests.split()],
        index_of(root, [Suite(debs=debs)]),
        installed=parse_status([status_of(base, hold=hold)], source="status", architecture="amd64"),
        seed=seed,
        recommends=recommends,
    )


def chosen(solution: Solution) -> str:
    """Names, with versions other than 1.0."""
    return " ".join(p.name if p.version == "1.0" else f"{p.name}={p.version}" for p in solution.packages)
