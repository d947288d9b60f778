"""From the record in an image back to a request for its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.solving.channels import channel_url
from docker_envs.environments.debian.package import DebianPackage
from docker_envs.environments.pypi.package import PypiPackage
from docker_envs.errors import InvalidInputError, NotFoundError
from docker_envs.records.record import CONDA, DEB, PYPI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.records.record import Record, RecordedPackage


#: A package of any kind that can be fetched.
AnyPackage: TypeAlias = CondaPackage | DebianPackage | PypiPackage


def recorded_packages(record: Record, channels: Sequence[str]) -> tuple[AnyPackage, ...]:
    """The packages of a record, where they can be had.

    Args:
        record: The record.
        channels: Where channels are that were local when the image was built: a record has only their names.

    Raises:
        NotFoundError: A channel was local, and none of that name is given; or a wheel or Debian package was.
        InvalidInputError: What is given is no channel, or this release does not know the kind of a package.
    """
    places = {_channel_name(url): url for url in map(channel_url, channels)}
    return tuple(_locate(package, places) for package in record.packages)


def _locate(package: RecordedPackage, places: dict[str, str]) -> AnyPackage:
    if package.kind == CONDA:
        return _locate_conda(package, places)
    if package.kind not in (DEB, PYPI):
        raise InvalidInputError(
            f"`{package.name}` is of the kind `{package.kind}`, which this release does not know",
            hint="use a newer release of docker-envs",
        )
    if urlsplit(package.url).scheme == "file":
        what = "wheel of" if package.kind == PYPI else "Debian package"
        raise NotFoundError(f"the {what} `{package.name}` was a file of the building host, so it cannot be had")
    return _locate_wheel(package) if package.kind == PYPI else _locate_debian(package)


def _channel_name(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]


def _locate_wheel(package: RecordedPackage) -> PypiPackage:
    wheel = PypiPackage.from_url(
        package.url,
        file_name=package.file_name or None,
        sha256=package.sha256,
        size=package.size,
        direct=package.direct,
    )
    return wheel.as_requested() if package.requested else wheel


def _locate_debian(package: RecordedPackage) -> DebianPackage:
    return DebianPackage(
        name=package.name,
        version=package.version,
        architecture=package.subdir,
        url=package.url,
        sha256=package.sha256,
        size=package.size,
        source=package.source,
        source_version=package.source_version,
        requested=package.requested,
    )


def _locate_conda(package: RecordedPackage, places: dict[str, str]) -> CondaPackage:
    url = package.url
    if urlsplit(url).scheme == "file":
        channel, _, name = url.rpartition(f"/{package.subdir}/")
        place = places.get(_channel_name(channel))
        if place is None:
            raise NotFoundError(
                f"`{package.name}` is from the local channel `{_channel_name(channel)}`, and nobody says where that is",
                hint="name it with `--channel`",
            )
        url = f"{place}{package.subdir}/{name}"
    return CondaPackage(
        name=package.name,
        version=package.version,
        build=package.build,
        subdir=package.subdir,
        url=url,
        sha256=package.sha256,
        size=package.size,
    )
