"""What the tests of declarations share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.conda.declarations.read import read_declaration
from docker_envs.environments.conda.solving.solve import solve
from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.conda.declarations.declaration import Declaration
    from docker_envs.environments.conda.package import CondaPackage

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")


def read(path: Path, environment: str = "default", platform: Platform = AMD64) -> Declaration:
    return read_declaration(path, platform=platform, environment=environment)


def packages(declared: Declaration, cache: Path, platform: Platform = AMD64) -> tuple[CondaPackage, ...]:
    """Those of a lock, or those that are solved for."""
    if declared.packages is not None:
        return declared.packages
    return solve(
        declared.channels,
        declared.specs,
        platform=platform,
        virtual_packages=virtual_packages(platform, declared.virtual_packages),
        cache=cache,
        settings=declared.settings,
    )


def names(chosen: tuple[CondaPackage, ...]) -> list[str]:
    return [package.display_name for package in chosen]


def refusal(
    folder: Path, file_name: str, content: str | bytes, environment: str = "default", platform: Platform = AMD64
) -> str:
    """What is said about a file that is not accepted, the folder left out, with the hint behind it."""
    path = folder / file_name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInputError) as caught:
        read(path, environment, platform)
    text = str(caught.value).replace(f"{folder}/", "")
    return f"{text}\nhint: {caught.value.hint}" if caught.value.hint else text
