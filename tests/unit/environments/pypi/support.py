"""What the tests of distributions from PyPI share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.pypi.resolving.uv import UvSettings
from docker_envs.environments.pypi.target import PypiTarget
from docker_envs.errors import DockerEnvsError
from docker_envs.oci.descriptor import Platform

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AMD64 = PypiTarget(Platform("linux", "amd64"), "3.11.7", "glibc", (2, 36))
ARM64 = PypiTarget(Platform("linux", "arm64"), "3.11.7", "glibc", (2, 36))
ALPINE = PypiTarget(Platform("linux", "amd64"), "3.11.7", "musl")


def settings(folder: Path, **variables: str) -> UvSettings:
    """A uv that knows nothing of this machine."""
    environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "PIP_CONFIG_FILE": "/dev/null", **variables}
    return UvSettings(cache=folder / "uv-cache", environ=environ)


def refusal(call: Callable[[], object], folder: Path, kind: type[DockerEnvsError] = DockerEnvsError) -> str:
    """What is said, the folder left out, with the hint behind it."""
    with pytest.raises(kind) as caught:
        call()
    text = f"{caught.value}\nhint: {caught.value.hint}" if caught.value.hint else str(caught.value)
    return text.replace(f"{folder}/", "")
