"""What every kind of environment shares: the target that packages are chosen for, and what makes a package one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from docker_envs.errors import InvalidInputError
from docker_envs.paths import absolute_image_path

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.descriptor import Platform

#: Where conda packages go.
DEFAULT_PREFIX = "/opt/conda"
#: Where a virtual environment is.
DEFAULT_VENV = "/opt/venv"

# Linked to other directories in the root of most bases since the usr merge; a layer's directory would replace the link.
_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")


@dataclass(frozen=True, slots=True)
class Target:
    """Where packages will live.

    Attributes:
        platform: What the image runs on; nothing is ever taken from the host.
        prefix: Absolute path of the environment inside the image.
    """

    platform: Platform
    prefix: str = DEFAULT_PREFIX

    def __post_init__(self) -> None:
        prefix = absolute_image_path(self.prefix, what="prefix")
        if prefix in _MERGED or prefix.startswith(tuple(f"{path}/" for path in _MERGED)):
            raise InvalidInputError(
                f"invalid prefix {prefix!r}: most base images have a symbolic link there",
                hint="choose one below `/opt`",
            )
        object.__setattr__(self, "prefix", prefix)

    @property
    def root(self) -> str:
        """The prefix relative to the image's root: `opt/conda`."""
        return self.prefix.removeprefix("/")


class LockedPackage(Protocol):
    """A package of a lock, of whatever kind: all that is needed to fetch and verify its archive."""

    @property
    def name(self) -> str:
        """Normalised name."""

    @property
    def version(self) -> str:
        """Version."""

    @property
    def url(self) -> str:
        """Where the archive is; may hold credentials, so never print or store it."""

    @property
    def public_url(self) -> str:
        """The same, as it may be written down."""

    @property
    def file_name(self) -> str:
        """Name of the archive."""

    @property
    def display_name(self) -> str:
        """For messages."""

    @property
    def sha256(self) -> str | None:
        """Of the archive, 64 hexadecimal digits."""

    @property
    def md5(self) -> str | None:
        """Of the archive, where there is nothing else."""

    @property
    def size(self) -> int | None:
        """Of the archive in bytes, when known."""


@dataclass(frozen=True, slots=True)
class PipLine:
    """A line for pip that a declaration of another kind holds.

    Attributes:
        text: As in a `requirements.txt`: a requirement or an option.
        place: Where it stands, for messages.
        directory: What paths in it are relative to.
    """

    text: str
    place: str
    directory: Path
