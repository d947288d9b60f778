"""What distributions are chosen for: the image's platform, C library and Python; nothing of the host.

Spec: PyPA specifications, "Platform compatibility tags" (PEP 425, 600, 656), "Dependency specifiers", "Environment
markers".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.tags import compatible_tags, cpython_tags

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.markers import Environment
    from packaging.tags import Tag

    from docker_envs.oci.descriptor import Platform

#: The glibc that is assumed where nothing is known; most wheels of today ask for no newer one.
DEFAULT_GLIBC = (2, 28)
#: The musl of Alpine Linux 3.13 and later; where only the name is known, this is it.
DEFAULT_MUSL = (1, 2)

#: `platform_machine` of architectures, as `uname -m` has it.
_MACHINES = {
    "amd64": "x86_64",
    "arm64": "aarch64",
    "386": "i686",
    "arm": "armv7l",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loong64": "loongarch64",
}
#: The oldest glibc that wheels are made for; others than these start with 2.17.
_OLDEST_GLIBC = {"x86_64": 5, "i686": 5}
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_LEGACY_MACHINES = {
    "manylinux2014": ("x86_64", "i686", "aarch64", "armv7l", "ppc64le", "s390x"),
    "manylinux2010": ("x86_64", "i686"),
    "manylinux1": ("x86_64", "i686"),
}
_PYTHON = re.compile(r"3\.\d+(\.\d+)?\Z")


@dataclass(frozen=True)
class PypiTarget:
    """Where distributions will run.

    Attributes:
        platform: Of the image.
        python: Version of CPython, such as `3.11.7`, or `3.11` when no more is known, which then means its first one.
        libc: `glibc` or `musl`.
        libc_version: Major and minor; None where it is not known.
        free_threaded: Whether Python was built without the global interpreter lock.
    """

    platform: Platform
    python: str
    libc: str = "glibc"
    libc_version: tuple[int, int] | None = None
    free_threaded: bool = False

    def __post_init__(self) -> None:
        if self.platform.os != "linux" or self.platform.architecture not in _MACHINES:
            raise InvalidInputError(f"no wheels are chosen for `{self.platform}`", hint="it must be a `linux/…`")
        if self.libc not in ("glibc", "musl"):
            raise InvalidInputError(f"no wheels are made for the C library `{self.libc}`")
        if not _PYTHON.match(self.python):
            raise InvalidInputError(f"{self.python!r} is no version of Python that wheels can be chosen for")

    @property
    def machine(self) -> str:
        """The name of the CPU, as `uname -m` has it."""
        return _MACHINES[self.platform.architecture]

    @property
    def minor(self) -> str:
        """Major and minor of Python: `3.11`."""
        return ".".join(self.python.split(".")[:2])

    @property
    def full(self) -> str:
        """Major, minor and micro of Python."""
        return self.python if self.python.count(".") == 2 else f"{self.python}.0"

    @property
    def library(self) -> tuple[int, int]:
        """Major and minor of the C library, assumed where they are not known."""
        return self.libc_version or (DEFAULT_GLIBC if self.libc == "glibc" else DEFAULT_MUSL)

    @property
    def described(self) -> str:
        """For messages: `Python 3.11.7 on linux/amd64 with glibc 2.36`."""
        kind = "free-threaded Python" if self.free_threaded else "Python"
        major, minor = self.library
        return f"{kind} {self.python} on {self.platform} with {self.libc} {major}.{minor}"

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """All tags of wheels that run there, best first."""
        version = tuple(int(part) for part in self.minor.split("."))
        interpreter = f"cp{version[0]}{version[1]}"
        platforms = list(self._platforms())
        abis = [f"{interpreter}t"] if self.free_threaded else [interpreter]
        native = cpython_tags(version, abis=abis, platforms=platforms)
        return (*native, *compatible_tags(version, interpreter, platforms))

    def _platforms(self) -> Iterator[str]:
        major, newest = self.library
        yield f"linux_{self.machine}"  # only wheels that were built for one place are so
        if self.libc == "musl":
            for minor in range(newest, -1, -1):
                yield f"musllinux_{major}_{minor}_{self.machine}"
        else:
            for minor in range(newest, _OLDEST_GLIBC.get(self.machine, 17) - 1, -1):
                yield f"manylinux_{major}_{minor}_{self.machine}"
                legacy = _LEGACY.get(minor)
                if legacy and self.machine in _LEGACY_MACHINES[legacy]:
                    yield f"{legacy}_{self.machine}"

    @property
    def environment(self) -> Environment:
        """The values of environment markers."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.full,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.full,
            "python_version": self.minor,
            "sys_platform": "linux",
        }
