"""Packages as a lock has them, a line for each, and back; of all kinds."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import msgspec
from packaging.utils import canonicalize_name

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.debian.package import DebianPackage
from docker_envs.environments.pypi.package import PypiPackage, PypiSdist
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.records.record import CONDA, DEB, PYPI, qualified_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_WHEEL = ".whl"


class LockedPackage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A package of a lock; attributes as of `CondaPackage`, `PypiPackage` and `DebianPackage`.

    `url` has no credentials; of a file below the lock's folder it is relative to that. `file_name` is only there where
    the address does not end in it.
    """

    kind: str = CONDA
    name: str
    version: str
    build: str = ""
    subdir: str = ""
    architecture: str = ""
    url: str
    file_name: str = ""
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None
    direct: bool = False
    requested: bool = False

    @property
    def qualified_name(self) -> str:
        """Its name among packages of all kinds: `numpy`, `pypi:flask`, `deb:openssl`."""
        return qualified_name(self.kind, self.name)

    def is_among(self, names: Collection[str]) -> bool:
        """Whether it has one of some names, which may be qualified (`conda:numpy` as well)."""
        own = {self.name, f"{self.kind}:{self.name}"}
        if self.kind == PYPI:
            return any(f"{PYPI}:{canonicalize_name(each.removeprefix(f'{PYPI}:'))}" in own for each in names)
        return not own.isdisjoint(names)

    def check(self, source: str) -> None:
        """See that it has what a package of its kind needs.

        Raises:
            FormatError: It has not; the message names the lock and the package.
        """
        problem = _problem(self)
        if problem:
            raise FormatError(
                source, f"the package `{self.name}` {problem}", hint="write it anew with `docker-envs lock`"
            )


def _problem(package: LockedPackage) -> str:
    if package.kind not in (CONDA, DEB, PYPI):
        return f"is of the kind {package.kind!r}, which is not known"
    if package.kind == CONDA:
        return "" if package.build and package.subdir else "has no `build` or no `subdir`"
    if not _SHA256.match(package.sha256 or ""):
        return f"has {package.sha256!r} for its `sha256`, instead of 64 hexadecimal digits"
    if package.size is not None and package.size < 0:
        return "has a size below zero"
    if package.kind == DEB:
        return "" if package.architecture and package.size is not None else "has no `architecture` or no `size`"
    name = _file_name(package)
    if name.endswith(_WHEEL):
        try:
            found = PypiPackage.from_url("https://index.invalid/", file_name=name)
        except InvalidInputError:
            return f"has the file name {name!r}, which is not that of a wheel"
        same = (found.name, found.version) == (package.name, package.version)
        return "" if same else f"has the file name {name!r}, which is that of another one"
    return "" if name.endswith((".tar.gz", ".zip")) else "has no `file_name`, and its address does not end in one"


def locked_packages(
    packages: Iterable[CondaPackage | DebianPackage | PypiPackage | PypiSdist], folder: Path
) -> tuple[LockedPackage, ...]:
    """Packages as a lock in a folder has them, sorted by name, then by kind."""
    return tuple(sorted((_locked(each, folder) for each in packages), key=lambda each: (each.name, each.kind)))


def _locked(package: CondaPackage | DebianPackage | PypiPackage | PypiSdist, folder: Path) -> LockedPackage:
    common = LockedPackage(
        name=package.name,
        version=package.version,
        url=_written_url(package.url, package.public_url, folder),
        sha256=package.sha256,
        md5=None if package.sha256 else package.md5,
        size=package.size,
    )
    if isinstance(package, CondaPackage):
        return msgspec.structs.replace(common, build=package.build, subdir=package.subdir)
    common = msgspec.structs.replace(common, requested=package.requested)
    if isinstance(package, DebianPackage):
        return msgspec.structs.replace(common, kind=DEB, architecture=package.architecture)
    return msgspec.structs.replace(
        common,
        kind=PYPI,
        file_name="" if package.file_name == _file_name(common) else package.file_name,
        direct=isinstance(package, PypiPackage) and package.direct,
    )


def _file_name(package: LockedPackage) -> str:
    return package.file_name or PurePosixPath(unquote(urlsplit(package.url).path)).name


def _written_url(url: str, public_url: str, folder: Path) -> str:
    if urlsplit(url).scheme != "file":
        return public_url
    path = Path(url2pathname(urlsplit(url).path))
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_uri()


def conda_packages(
    packages: Iterable[LockedPackage], folder: Path, channels: Sequence[str]
) -> tuple[CondaPackage, ...]:
    """Those of conda, with addresses to fetch them from.

    Args:
        packages: Of a lock.
        folder: Where the lock is.
        channels: URLs of channels that may hold credentials, which the lock does not have.
    """
    return tuple(
        CondaPackage(
            name=package.name,
            version=package.version,
            build=package.build,
            subdir=package.subdir,
            url=_channel_url(_read_url(package.url, folder), channels),
            sha256=package.sha256,
            md5=package.md5,
            size=package.size,
        )
        for package in packages
        if package.kind == CONDA
    )


def pypi_packages(packages: Iterable[LockedPackage], folder: Path) -> tuple[PypiPackage | PypiSdist, ...]:
    """Those of PyPI; credentials for their addresses are found by whoever fetches them."""
    return tuple(_pypi_package(package, folder) for package in packages if package.kind == PYPI)


def _pypi_package(package: LockedPackage, folder: Path) -> PypiPackage | PypiSdist:
    url, file_name = _read_url(package.url, folder), _file_name(package)
    if not file_name.endswith(_WHEEL):
        return PypiSdist(
            package.name,
            package.version,
            url,
            file_name,
            sha256=package.sha256,
            size=package.size,
            requested=package.requested,
        )
    return PypiPackage(
        package.name,
        package.version,
        url,
        file_name,
        sha256=package.sha256,
        size=package.size,
        direct=package.direct,
        requested=package.requested,
    )


def debian_packages(
    packages: Iterable[LockedPackage], folder: Path, archives: Sequence[str]
) -> tuple[DebianPackage, ...]:
    """Those of Debian, with addresses to fetch them from.

    Args:
        packages: Of a lock.
        folder: Where the lock is.
        archives: Addresses of archives that may hold credentials, which the lock does not have.
    """
    return tuple(
        DebianPackage(
            name=package.name,
            version=package.version,
            architecture=package.architecture,
            url=_archive_url(_read_url(package.url, folder), archives),
            sha256=package.sha256 or "",
            size=package.size or 0,
            requested=package.requested,
        )
        for package in packages
        if package.kind == DEB
    )


def _read_url(url: str, folder: Path) -> str:
    return url if urlsplit(url).scheme else (folder / url).as_uri()


def _channel_url(url: str, channels: Sequence[str]) -> str:
    for channel in channels:
        place = channel if channel.endswith("/") else f"{channel}/"
        public = CondaPackage.from_url(f"{place}noarch/a-0-0.conda").public_channel.removesuffix("noarch/")
        if public != place and url.startswith(public):
            return place + url.removeprefix(public)
    return url


def _archive_url(url: str, archives: Sequence[str]) -> str:
    for archive in archives:
        place = archive.rstrip("/") + "/"
        parts = urlsplit(place)
        public = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        if public != place and url.startswith(public):
            return place + url.removeprefix(public)
    return url
