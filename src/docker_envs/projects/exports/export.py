"""The environment of an image as a file of the format that somebody wants."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.projects.exports.docker_env import docker_env_yaml
from docker_envs.projects.exports.environment_yml import environment_yml
from docker_envs.projects.exports.explicit import explicit_list
from docker_envs.projects.exports.lists import apt_txt, requirements_txt
from docker_envs.projects.exports.pixi_lock import pixi_lock

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.records.record import Record


class ExportFormat(StrEnum):
    """A format, named after the file that it is known by."""

    ENVIRONMENT_YML = "environment.yml"
    EXPLICIT = "explicit"
    PIXI_LOCK = "pixi.lock"
    REQUIREMENTS_TXT = "requirements.txt"
    APT_TXT = "apt.txt"
    DOCKER_ENV_YAML = "docker-env.yaml"
    RECORD = "record"


def export_record(image: Image, record: Record, kind: ExportFormat) -> str:
    """The text of a file from which the environment can be made again.

    Args:
        image: The image; only `docker-env.yaml` says more than the record does.
        record: Of the environment.
        kind: What kind of file.

    Raises:
        FormatError: The record names a package that can be none.
        InvalidInputError: The format cannot say what the record does.
        NotFoundError: The record has nothing that the format is about.
    """
    match kind:
        case ExportFormat.ENVIRONMENT_YML:
            return environment_yml(record)
        case ExportFormat.EXPLICIT:
            return explicit_list(record)
        case ExportFormat.PIXI_LOCK:
            return pixi_lock(record)
        case ExportFormat.REQUIREMENTS_TXT:
            return requirements_txt(record)
        case ExportFormat.APT_TXT:
            return apt_txt(record)
        case ExportFormat.DOCKER_ENV_YAML:
            return docker_env_yaml(image, record)
        case ExportFormat.RECORD:
            return f"{json.dumps(record.to_json(), indent=2, sort_keys=True, ensure_ascii=False)}\n"
