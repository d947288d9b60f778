"""A record as an `environment.yml` with exact pins.

Spec: conda docs, "Creating an environment file manually".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidInputError
from docker_envs.projects.exports.packages import (
    channels,
    familiar_channel,
    packages_of,
    pinned,
    refuse_others,
    requirements,
)
from docker_envs.projects.exports.yaml_text import yaml_text
from docker_envs.records.record import CONDA, PYPI

if TYPE_CHECKING:
    from docker_envs.records.record import Record


def environment_yml(record: Record) -> str:
    """The text of the file; what solves it finds the packages of the record, or none.

    Raises:
        FormatError: The record names a package that can be none.
        InvalidInputError: It has packages that neither conda nor pip knows, or no Python of conda for pip's.
    """
    document = environment_document(record)
    refuse_others(record, CONDA, PYPI)
    if record.python is not None:
        raise InvalidInputError(
            "the packages from PyPI are for a Python that is none of conda's, which this format cannot say",
            hint="use `--format docker-env.yaml`, or `--format requirements.txt` for these packages alone",
        )
    return yaml_text(document)


def environment_document(record: Record) -> dict[str, Any]:
    """What the file says of conda packages, those of PyPI, and variables; see `environment_yml`."""
    packages = packages_of(record, CONDA)
    pip = requirements(record)
    dependencies: list[Any] = [*pinned(packages), *([{"pip": pip}] if pip else [])]
    document: dict[str, Any] = {}
    if packages:
        # `conda` would add its default channels.
        document["channels"] = [*map(familiar_channel, channels(packages)), "nodefaults"]
    if dependencies:
        document["dependencies"] = dependencies
    if record.variables:
        document["variables"] = dict(record.variables)
    return document
