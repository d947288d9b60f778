"""Platforms under their two names: `linux/arm64` for images, `arm64` for Debian.

Spec: Debian Policy 4.7, section 11.1; Debian's table of supported architectures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from docker_envs.oci.descriptor import Platform

#: Of packages that serve every architecture.
ALL = "all"

_ARCHITECTURES = {
    ("amd64", None): "amd64",
    ("arm64", None): "arm64",
    ("arm64", "v8"): "arm64",
    ("arm", None): "armhf",
    ("arm", "v7"): "armhf",
    ("arm", "v5"): "armel",
    ("arm", "v6"): "armel",
    ("386", None): "i386",
    ("ppc64le", None): "ppc64el",
    ("s390x", None): "s390x",
    ("riscv64", None): "riscv64",
    ("mips64le", None): "mips64el",
    ("loong64", None): "loong64",
}


def debian_architecture(platform: Platform) -> str:
    """What Debian calls the architecture of a platform.

    Raises:
        InvalidInputError: Debian has nothing for it.
    """
    key = (platform.architecture, platform.variant)
    found = _ARCHITECTURES.get(key) or (platform.architecture == "amd64" and "amd64")
    if platform.os != "linux" or not found:
        raise InvalidInputError(
            f"Debian has no packages for `{platform}`", hint="choose a platform such as `linux/amd64` or `linux/arm64`"
        )
    return found
