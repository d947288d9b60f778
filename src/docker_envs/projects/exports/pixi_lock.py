"""A record as a `pixi.lock` of one environment and platform.

Spec: pixi docs, "Lock file", version 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT
from docker_envs.environments.conda.subdirs import subdir_of
from docker_envs.oci.descriptor import Platform
from docker_envs.projects.exports.packages import channels, conda_packages
from docker_envs.projects.exports.yaml_text import yaml_text

if TYPE_CHECKING:
    from docker_envs.records.record import Record, RecordedPackage

_VERSION = 6


def pixi_lock(record: Record) -> str:
    """The text of the file; what packages need is in it by name, for that is what a record knows.

    Raises:
        FormatError: The record names a package that can be none.
        InvalidInputError: It has packages or a platform that conda does not know.
    """
    packages = conda_packages(record)
    subdir = subdir_of(Platform.parse(record.platform))
    environment = {
        "channels": [{"url": f"{url}/"} for url in channels(packages)],
        "packages": {subdir: [{"conda": package.url} for package in packages]},
    }
    document = {
        "version": _VERSION,
        "environments": {DEFAULT_ENVIRONMENT: environment},
        "packages": [_package(package) for package in sorted(packages, key=lambda each: each.url)],
    }
    return yaml_text(document)


def _package(package: RecordedPackage) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "conda": package.url,
        "subdir": package.subdir,
        "sha256": package.sha256,
        "depends": list(package.depends),
        "license": package.license,
        "size": package.size,
    }
    return {name: value for name, value in fields.items() if value}
