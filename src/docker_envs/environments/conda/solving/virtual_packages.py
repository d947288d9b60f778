"""Virtual packages: what a target offers that no channel has. Declared for the target, never detected on the host.

Spec: conda docs, "Virtual packages"; conda CEP 30. Defaults are those of pixi and conda-lock: what conda-forge builds
for today.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker_envs.oci.descriptor import Platform

_ARCHSPEC = {"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x", "386": "x86"}
_TEXT = re.compile(r"(?P<name>__[a-z0-9_]+)(=(?P<version>[^=\s]+)(=(?P<build>[^=\s]+))?)?\Z")


@dataclass(frozen=True, slots=True)
class VirtualPackage:
    """One virtual package."""

    name: str
    version: str = "0"
    build: str = "0"

    @classmethod
    def parse(cls, text: str) -> VirtualPackage:
        """Parse `__cuda=12.4` or `__archspec=1=x86_64_v3`.

        Raises:
            InvalidInputError: The text has another shape.
        """
        match = _TEXT.match(text)
        if match is None:
            raise InvalidInputError(f"invalid virtual package {text!r}", hint="write it as `__cuda=12.4`")
        return cls(match["name"], match["version"] or "0", match["build"] or "0")

    def __str__(self) -> str:
        return f"{self.name}={self.version}={self.build}"


def virtual_packages(platform: Platform, overrides: Iterable[VirtualPackage] = ()) -> list[VirtualPackage]:
    """What a target is said to have: the defaults of its platform, each of which an override replaces; sorted by name.

    `__cuda` is there only when asked for.
    """
    defaults = [VirtualPackage("__unix"), VirtualPackage("__linux", "4.18"), VirtualPackage("__glibc", "2.28")]
    architecture = _ARCHSPEC.get(platform.architecture)
    if architecture is not None:
        defaults.append(VirtualPackage("__archspec", "1", architecture))
    chosen = {package.name: package for package in (*defaults, *overrides)}
    return [chosen[name] for name in sorted(chosen)]
