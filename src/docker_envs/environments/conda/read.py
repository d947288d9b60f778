"""One door for every file that can declare a conda environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.environments.conda.declaration import Declaration, read_environment_file, read_explicit_file
from docker_envs.environments.conda.solve import read_pixi_lock
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform

#: What is looked for when nothing was named.
DEFAULT_FILE = "environment.yml"


def read_declaration(path: Path, *, platform: Platform, environment: str = "default") -> Declaration:
    """Read a declaration; its kind shows in its name and content.

    Args:
        path: An `environment.yml`, an `@EXPLICIT` list, or a `pixi.lock`.
        platform: The one whose packages are taken from a lock for several.
        environment: The one that is taken from a `pixi.lock` with several.

    Raises:
        InvalidDeclarationError: It cannot be read or understood.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise InvalidDeclarationError(str(path), "no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDeclarationError(str(path), f"cannot be read ({error})") from error
    if any(line.strip() == "@EXPLICIT" for line in text.splitlines()):
        return read_explicit_file(path, text)
    if path.name == "pixi.lock" or (path.suffix == ".lock" and "\nenvironments:" in f"\n{text}"):
        packages = read_pixi_lock(path, environment=environment, platform=platform)
        return Declaration(packages=packages, source=str(path))
    if path.suffix in (".yml", ".yaml"):
        return read_environment_file(path, text)
    raise InvalidDeclarationError(
        str(path), "unknown kind of declaration", hint="use an `environment.yml`, an `@EXPLICIT` list or a `pixi.lock`"
    )
