"""From the record in an image back to a request for its environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.solving.channels import channel_url
from docker_envs.environments.pypi.package import PypiPackage
from docker_envs.errors import InvalidInputError, NotFoundError
from docker_envs.records.record import CONDA, PYPI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.records.record import Record, RecordedPackage


#: A package of any kind that can be fetched.
AnyPackage: TypeAlias = CondaPackage | PypiPackage


def recorded_packages(record: Record, channels: Sequence[str]) -> tuple[AnyPackage, ...]:
    """The packages of a record, where they can be had.

    Args:
        record: The record.
        channels: Where channels are that were local when the image was built: a record has only their names.

    Raises:
        NotFoundError: A channel was local, and none of that name is given; or a wheel was.
        InvalidInputError: What is given is no channel, or this release does not know the kind of a package.
    """
    places = {_channel_name(url): url for url in map(channel_url, channels)}
    return tuple(
        _locate_wheel(package) if package.kind == PYPI else _locate(package, places) for package in record.packages
    )


def _channel_name(url: str) -> str:
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]


def _locate_wheel(package: RecordedPackage) -> PypiPackage:
    if urlsplit(package.url).scheme == "file":
        raise NotFoundError(f"the wheel of `{package.name}` was a file of the building host, so it cannot be had")
    wheel = PypiPackage.from_url(
        package.url,
        file_name=package.file_name or None,
        sha256=package.sha256,
        size=package.size,
        direct=package.direct,
    )
    return wheel.as_requested() if package.requested else wheel


def _locate(package: RecordedPackage, places: dict[str, str]) -> CondaPackage:
    if package.kind != CONDA:
        raise InvalidInputError(
            f"`{package.name}` is of the kind `{package.kind}`, which this release does not know",
            hint="use a newer release of docker-envs",
        )
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
