"""A record as an `@EXPLICIT` list.

Spec: conda CEP 23, "Text spec input files"; `conda list --explicit --sha256`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.conda.declarations.explicit import MARK
from docker_envs.environments.conda.subdirs import subdir_of
from docker_envs.oci.descriptor import Platform
from docker_envs.projects.exports.packages import conda_packages

if TYPE_CHECKING:
    from docker_envs.records.record import Record


def explicit_list(record: Record) -> str:
    """The text of the list: each package's address and sha256.

    Raises:
        FormatError: The record names a package that can be none.
        InvalidInputError: It has packages or a platform that conda does not know.
    """
    lines = [f"{package.url}#sha256:{package.sha256}" for package in conda_packages(record)]
    return "\n".join([f"# platform: {subdir_of(Platform.parse(record.platform))}", MARK, *lines, ""])
