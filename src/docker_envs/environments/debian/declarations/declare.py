"""What is said about Debian packages in an option or a project's file, as one declaration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.debian.declarations.declaration import AptDeclaration
from docker_envs.environments.debian.declarations.source import (
    DEFAULT_COMPONENTS,
    DEFAULT_MIRROR,
    AptSource,
    debian_sources,
)
from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from docker_envs.environments.debian.declarations.declaration import Seed
    from docker_envs.environments.debian.declarations.request import PackageRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class AptSettings:
    """What can be said besides packages; None and empty where nothing is.

    Attributes:
        suite: Codename of a release of Debian, whose updates and security updates belong to it.
        mirror: Has its archives, in place of Debian's own.
        components: Of these.
        sources: Other archives, in place of them.
        snapshot: The time as of which archives are read, with a time zone.
        seed: What is there without being asked for.
        recommends: Whether recommended packages are there as well.
    """

    suite: str | None = None
    mirror: str | None = None
    components: tuple[str, ...] = ()
    sources: tuple[AptSource, ...] = ()
    snapshot: datetime | None = None
    seed: Seed | None = None
    recommends: bool = False


def declare_packages(
    requests: tuple[PackageRequest, ...],
    settings: AptSettings,
    *,
    source: str,
    names: Mapping[str, str] | None = None,
) -> AptDeclaration:
    """A declaration of packages.

    Args:
        requests: The packages.
        settings: Where they come from, and how they are chosen.
        source: Where this was read, for messages.
        names: How attributes of `AptSettings` are called there, where that differs.

    Raises:
        InvalidInputError: What is said contradicts itself, or a name cannot be one.
    """
    named = {name: f"`{(names or {}).get(name, name)}`" for name in ("suite", "mirror", "components", "sources")}
    about_debian = [named[name] for name in ("suite", "mirror", "components") if getattr(settings, name)]
    if settings.sources and about_debian:
        raise InvalidInputError(
            f"{about_debian[0]} is about Debian's own archives, and {named['sources']} names others",
            hint=f"name all archives with {named['sources']}, or none",
        )
    if about_debian and settings.suite is None:
        raise InvalidInputError(f"{about_debian[0]} says nothing without {named['suite']}", hint="such as `trixie`")
    sources = settings.sources
    if settings.suite is not None:
        sources = debian_sources(
            settings.suite,
            settings.components or DEFAULT_COMPONENTS,
            mirror=settings.mirror or DEFAULT_MIRROR,
        )
    declaration = AptDeclaration(
        requests=requests,
        sources=sources,
        snapshot=settings.snapshot,
        seed=settings.seed,
        recommends=settings.recommends,
        source=source,
    )
    declaration.archives()  # what has no snapshots is known now
    return declaration
