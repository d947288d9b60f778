"""What a build takes from the machine and its user when nobody says otherwise; never from anywhere else."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.environments.conda.subdirs import parse_platform
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import parse_location

if TYPE_CHECKING:
    from docker_envs.images.location import Location
    from docker_envs.oci.descriptor import Platform

SCRATCH = "scratch"


def parse_base(text: str) -> Location | None:
    """Where a base image is; None for `scratch`."""
    return None if text == SCRATCH else parse_location(text)


def parse_target_platform(text: str | None) -> Platform:
    """A platform in either spelling; by default Linux on this machine's kind of CPU."""
    return parse_platform((text or "").strip() or f"linux/{platform.machine().lower()}")


def cache_directory(given: Path | None) -> Path:
    """Where packages, repodata and layers are kept: the option, `DOCKER_ENVS_CACHE`, or the user's cache directory."""
    if given is not None:
        return given
    if own := os.environ.get("DOCKER_ENVS_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "docker-envs"


def source_date_epoch() -> int | None:
    """The time that `SOURCE_DATE_EPOCH` sets, in seconds since 1970 UTC.

    Raises:
        InvalidInputError: It is no such number.

    Spec: reproducible-builds.org, "SOURCE_DATE_EPOCH".
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    if not text.isdecimal() or len(text) > 11:
        raise InvalidInputError(f"invalid `SOURCE_DATE_EPOCH` {text!r}: expected seconds since 1970")
    return int(text)
