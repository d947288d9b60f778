"""Whether a release is the one that was asked for, and of the right time.

A signature alone does not tell: whoever is between us and the archive can give us another suite, or one of last year,
whose packages have holes that were mended since.

Spec: Debian, "DebianRepository/Format", fields `Date`, `Valid-Until`, `Suite` and `Codename`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError, VerificationError

if TYPE_CHECKING:
    from docker_envs.environments.debian.indexing.release import Release

# How wrong the clock of a machine may be.
_TOLERANCE = timedelta(hours=10)


def check_release(
    release: Release,
    *,
    suite: str,
    source: str,
    at: datetime,
    check_valid_until: bool = True,
    not_before: datetime | None = None,
) -> None:
    """Refuse a release that is another one, too old, or not made yet.

    Args:
        release: Whose signature was verified.
        suite: What was asked for.
        source: Where it is from, for messages.
        at: The time as of which archives are read.
        check_valid_until: Whether its own word about its age counts; that of a snapshot does not.
        not_before: The date of one that was seen already.

    Raises:
        VerificationError: It is not what was asked for.
    """
    names = [name for name in (release.codename, release.suite) if name]
    if names and not suite.endswith("/") and suite not in names:
        known = " or ".join(f"`{name}`" for name in dict.fromkeys(names))
        raise VerificationError(
            f"{source}: is of the suite {known} instead of `{suite}`", hint="check the suite and the archive's address"
        )
    if release.date > at + _TOLERANCE:
        raise VerificationError(
            f"{source}: is of {release.date:%Y-%m-%d %H:%M} UTC, which is not yet", hint="check this machine's clock"
        )
    if check_valid_until and release.valid_until is not None and release.valid_until < at:
        raise VerificationError(
            f"{source}: is too old: it was valid until {release.valid_until:%Y-%m-%d %H:%M} UTC",
            hint="somebody may replay an old index, or the mirror is not kept up to date: use another, or a snapshot",
        )
    if not_before is not None and release.date < not_before:
        raise VerificationError(
            f"{source}: is of {release.date:%Y-%m-%d %H:%M} UTC, but one of {not_before:%Y-%m-%d %H:%M} UTC was seen",
            hint="somebody may replay an old index, or the mirror is not kept up to date",
        )


def check_architecture(release: Release, architecture: str, *, source: str) -> None:
    """Refuse an architecture that a suite has no packages for.

    Raises:
        InvalidInputError: It is none of the release's.
    """
    if release.architectures and architecture not in release.architectures:
        known = ", ".join(f"`{each}`" for each in release.architectures if each != "all")
        raise InvalidInputError(
            f"{source}: has no packages for the architecture `{architecture}`", hint=f"it has {known}"
        )


def check_component(release: Release, component: str, *, source: str) -> None:
    """Refuse a component that a suite does not have.

    Raises:
        InvalidInputError: It is none of the release's.
    """
    if release.components and component.rpartition("/")[2] not in release.components:
        known = ", ".join(f"`{each}`" for each in release.components)
        raise InvalidInputError(f"{source}: has no component `{component}`", hint=f"it has {known}")
