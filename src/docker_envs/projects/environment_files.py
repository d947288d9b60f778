"""Files and other parts that declare one environment together: of conda, of PyPI, of Debian, or of several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from docker_envs.documents.text_file import read_text
from docker_envs.environments.conda.declarations.declaration import Declaration, merge_declarations
from docker_envs.environments.conda.declarations.explicit import is_explicit
from docker_envs.environments.conda.declarations.pixi_manifest import is_pixi_pyproject
from docker_envs.environments.conda.declarations.read import read_declaration
from docker_envs.environments.debian.declarations.apt_txt import FILE_NAME, read_apt_txt
from docker_envs.environments.debian.declarations.declaration import AptDeclaration, merge_apt_declarations
from docker_envs.environments.pypi.declarations.declaration import PypiDeclaration, merge_pypi_declarations
from docker_envs.environments.pypi.declarations.requirements_txt import read_pip_lines
from docker_envs.environments.pypi.read import is_pypi_declaration, read_pypi_declaration
from docker_envs.environments.pypi.resolving.uv_lock import UV_LOCK
from docker_envs.errors import InvalidDeclarationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform


#: What one file, or section of a file, declares.
EnvironmentPart: TypeAlias = Declaration | PypiDeclaration | AptDeclaration


@dataclass(frozen=True, slots=True)
class EnvironmentDeclaration:
    """What an environment holds, by the kind of package.

    Attributes:
        conda: Of conda channels; None when nothing says anything about these.
        pypi: Of package indexes of Python; None likewise.
        apt: Of Debian archives; None likewise.
    """

    conda: Declaration | None = None
    pypi: PypiDeclaration | None = None
    apt: AptDeclaration | None = None


def read_environment_file(
    path: Path,
    *,
    platform: Platform,
    environment: str,
    categories: Collection[str],
    extras: Collection[str] = (),
    groups: Collection[str] = (),
) -> EnvironmentPart:
    """Read a file that declares an environment, of whatever kind; see `read_declaration`.

    Args:
        path: The file.
        platform: What the environment is for.
        environment: The one that is taken of several.
        categories: Those whose packages are taken.
        extras: Of a project's or lock's distributions.
        groups: Dependency groups of these.

    Raises:
        InvalidDeclarationError: It cannot be read or understood, or has no such extra or group.
    """
    if _is_of_pypi(path):
        return read_pypi_declaration(path, extras=extras, groups=groups)
    if extras or groups:
        raise InvalidDeclarationError(
            str(path),
            "has neither extras nor dependency groups",
            hint="a `pyproject.toml` without `[tool.pixi]`, a `uv.lock` or a `pylock.toml` has",
        )
    if path.name == FILE_NAME:
        return read_apt_txt(path)
    return read_declaration(path, platform=platform, environment=environment, categories=categories, with_pip=True)


def has_extras(path: Path) -> bool:
    """Whether a file may have extras and dependency groups.

    Raises:
        InvalidDeclarationError: It cannot be read.
    """
    return (path.suffix == ".toml" and _is_of_pypi(path)) or path.name == UV_LOCK


def _is_of_pypi(path: Path) -> bool:
    if path.name == "pyproject.toml":
        return not is_pixi_pyproject(read_text(path))
    # A list of conda may have the suffix of a list of requirements.
    if path.name == FILE_NAME:
        return False
    return is_pypi_declaration(path) and not (path.suffix == ".txt" and is_explicit(read_text(path)))


def merge_environment(parts: Sequence[EnvironmentPart]) -> EnvironmentDeclaration:
    """Parts of an environment as one; what some of conda's want from PyPI is there with the rest.

    Raises:
        InvalidInputError: They do not go together.
        InvalidDeclarationError: A line for pip cannot be understood.
    """
    conda = [part for part in parts if isinstance(part, Declaration)]
    pypi = [part for part in parts if isinstance(part, PypiDeclaration)]
    pypi += [
        read_pip_lines(part.pip, source=part.source, directory=part.pip[0].directory) for part in conda if part.pip
    ]
    apt = [part for part in parts if isinstance(part, AptDeclaration)]
    return EnvironmentDeclaration(
        merge_declarations(conda) if conda else None,
        merge_pypi_declarations(pypi) if pypi else None,
        merge_apt_declarations(apt) if apt else None,
    )
