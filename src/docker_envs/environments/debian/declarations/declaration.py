"""Declarations of Debian packages: what people write down, as one value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.environments.debian.declarations.source import AptSource, debian_sources

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from docker_envs.environments.debian.declarations.request import PackageRequest
    from docker_envs.environments.debian.package import DebianPackage


class Seed(StrEnum):
    """What a system that is made from nothing has beyond what was asked for; most names are mmdebstrap's variants.

    Packages do not say that they depend on essential ones, so without these scripts may lack their shell.

    Attributes:
        NONE: Nothing.
        BASE: `base-files`, so that there are `/tmp`, `/root`, `/etc/os-release` and the like; the default.
        ESSENTIAL: All essential packages, a shell and dpkg among them.
        APT: These and apt.
        REQUIRED: These and all packages of priority `required`.
    """

    NONE = "none"
    BASE = "base"
    ESSENTIAL = "essential"
    APT = "apt"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class AptDeclaration:
    """What shall be there, and where it comes from.

    Attributes:
        requests: The packages.
        sources: Archives; empty for Debian's own.
        snapshot: The time as of which the archives are read, with a time zone; None for now.
        seed: What is there without being asked for, where the base has no packages; None for the default.
        recommends: Whether packages that others recommend are installed as well.
        packages: What a lock chose; None where it is still to be solved for. Then nothing else but `source` counts.
        source: Where it was read, for messages.
        notes: What the user should know about how it was understood, one line each.
    """

    requests: tuple[PackageRequest, ...] = ()
    sources: tuple[AptSource, ...] = ()
    snapshot: datetime | None = None
    seed: Seed | None = None
    recommends: bool = False
    packages: tuple[DebianPackage, ...] | None = None
    source: str = "command line"
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is wanted."""
        return not self.requests and self.seed in (None, Seed.NONE) and not self.packages

    def archives(self) -> tuple[AptSource, ...]:
        """The archives to read, those of the snapshot where there is one.

        Raises:
            InvalidInputError: An archive has no snapshots.
        """
        sources = self.sources or debian_sources()
        return sources if self.snapshot is None else tuple(source.at(self.snapshot) for source in sources)


def merge_apt_declarations(declarations: Sequence[AptDeclaration]) -> AptDeclaration:
    """Several declarations as one: the packages and archives of all; of snapshot and seed, the last that says one."""
    merged, *others = declarations
    for other in others:
        merged = replace(
            merged,
            requests=tuple(dict.fromkeys((*merged.requests, *other.requests))),
            sources=tuple(dict.fromkeys((*merged.sources, *other.sources))),
            snapshot=other.snapshot or merged.snapshot,
            seed=merged.seed if other.seed is None else other.seed,
            recommends=merged.recommends or other.recommends,
            source=f"{merged.source}, {other.source}",
            notes=(*merged.notes, *other.notes),
        )
    return merged
