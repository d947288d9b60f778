"""A record as an `environment.yml` with exact pins.

Spec: conda docs, "Creating an environment file manually".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.projects.exports.packages import channels, conda_packages, familiar_channel, pinned
from docker_envs.projects.exports.yaml_text import yaml_text

if TYPE_CHECKING:
    from docker_envs.records.record import Record


def environment_yml(record: Record) -> str:
    """The text of the file; what solves it finds the packages of the record, or none.

    Raises:
        FormatError: The record names a package that can be none.
        InvalidInputError: It has packages that conda does not know.
    """
    return yaml_text(environment_document(record))


def environment_document(record: Record) -> dict[str, Any]:
    """What the file says; see `environment_yml`."""
    packages = conda_packages(record)
    document: dict[str, Any] = {
        # `conda` would add its default channels.
        "channels": [*map(familiar_channel, channels(packages)), "nodefaults"],
        "dependencies": pinned(packages),
    }
    if record.variables:
        document["variables"] = dict(record.variables)
    return document
