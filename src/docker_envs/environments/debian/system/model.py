"""A system that is put together from packages: what maintainer scripts change, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.environments.debian.system.alternatives import Alternative
    from docker_envs.environments.debian.system.files import SystemFiles


class Generated(StrEnum):
    """Files that programs make of what packages have, and that are made here as data; named after the programs."""

    LIBRARIES = "ldconfig"
    CERTIFICATES = "update-ca-certificates"
    SHELLS = "update-shells"
    PAM = "pam-auth-update"


@dataclass(frozen=True, slots=True)
class Diversion:
    """A path that packages other than one have to put their file elsewhere for.

    Attributes:
        path: Absolute, as packages have it.
        target: Where it goes instead, absolute.
        package: Who has the path; empty for the administrator.

    Spec: dpkg-divert(1).
    """

    path: str
    target: str
    package: str


@dataclass
class SystemModel:
    """What there is beside files.

    Attributes:
        files: The files.
        packages: Names of all packages that the system has.
        architecture: Debian's name of it.
        multiarch: Its directory of libraries, such as `x86_64-linux-gnu`.
        diversions: By their path.
        alternatives: By the name of their group, each with the choices that packages offer.
        overrides: Lines of the list of attributes that dpkg keeps, `owner group mode path`.
        lists: Absolute paths of the files of packages, as dpkg lists them, by name.
        wanted: Names of the system's own files and caches that scripts asked for.
    """

    files: SystemFiles
    packages: frozenset[str]
    architecture: str
    multiarch: str
    diversions: dict[str, Diversion] = field(default_factory=dict)
    alternatives: dict[str, Alternative] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)
    wanted: set[Generated] = field(default_factory=set)
