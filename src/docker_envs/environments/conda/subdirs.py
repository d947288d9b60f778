"""Platforms under their two names: `linux/amd64` for images, `linux-64` for conda.

Spec: conda CEP 26, "Identifying packages and channels in the conda ecosystem", "Subdir names".
"""

from __future__ import annotations

from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform

NOARCH = "noarch"

_SUBDIRS = {
    "linux-64": Platform("linux", "amd64"),
    "linux-aarch64": Platform("linux", "arm64"),
    "linux-ppc64le": Platform("linux", "ppc64le"),
    "linux-s390x": Platform("linux", "s390x"),
    "linux-riscv64": Platform("linux", "riscv64"),
    "linux-32": Platform("linux", "386"),
    "linux-armv7l": Platform("linux", "arm", "v7"),
}


def subdir_of(platform: Platform) -> str:
    """The conda subdir of an image platform.

    Raises:
        InvalidInputError: conda has no packages for it, or containers cannot run them.
    """
    for subdir, candidate in _SUBDIRS.items():
        if candidate.accepts(platform) or platform.accepts(candidate):
            return subdir
    raise InvalidInputError(
        f"conda has no packages for containers of platform `{platform}`",
        hint=f"use one of {', '.join(f'`{known}`' for known in _SUBDIRS.values())}",
    )


def parse_platform(text: str) -> Platform:
    """A platform in either spelling.

    Raises:
        InvalidInputError: The text is neither.
    """
    return _SUBDIRS.get(text) or Platform.parse(text)
