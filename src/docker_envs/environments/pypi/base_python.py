"""The Python of a base image: found by its files, and where distributions for it go.

Spec: Python docs, `sysconfig`, "Installation paths"; Debian Python Policy, "Paths"; PyPA specifications, "Externally
Managed Environments" (PEP 668).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.pypi.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROGRAM = re.compile(r"python(3\.\d+)\Z")
#: Directories of programs in the order of a usual `PATH`.
_FOLDERS = ("usr/local/bin", "usr/bin", "bin")
_DEBIAN = "usr/lib/python3/dist-packages"


@dataclass(frozen=True, slots=True)
class BasePython:
    """A Python that a base image brings.

    Attributes:
        program: Its absolute path: `/usr/bin/python3.11`.
        version: Major and minor.
        prefix: Absolute path of what distributions are installed into.
        site_packages: Path relative to that, which it imports from.
        externally_managed: Whether it says that only the base's own packages shall be installed into it.
    """

    program: str
    version: str
    prefix: str
    site_packages: str
    externally_managed: bool

    def installation(self, mtime: int) -> Installation:
        """Where distributions go; `mtime` in seconds since 1970 UTC."""
        return Installation(self.prefix, self.version, self.site_packages, mtime, program=self.program)


def find_base_python(files: Mapping[str, str]) -> BasePython | None:
    """The Python that `python3` starts, or else the only one there is.

    Args:
        files: Targets of symbolic links by their path in the image, empty for regular files.
    """
    for folder in _FOLDERS:
        found = _version_in(folder, files)
        if found is None:
            continue
        library = f"{folder.removesuffix('bin')}lib/python{found}"
        managed = f"{library}/EXTERNALLY-MANAGED" in files
        program = f"/{folder}/python{found}"
        if folder != "usr/local/bin" and any(path.startswith(f"{_DEBIAN}/") for path in files):
            # Debian's own is for its packages alone.
            return BasePython(program, found, "/usr/local", f"lib/python{found}/dist-packages", managed)
        prefix = "/usr/local" if folder == "usr/local/bin" else "/usr"
        return BasePython(program, found, prefix, f"lib/python{found}/site-packages", managed)
    return None


def _version_in(folder: str, files: Mapping[str, str]) -> str | None:
    default = _PROGRAM.search(files.get(f"{folder}/python3", ""))
    if default is not None:
        return default[1]
    names = (path.removeprefix(f"{folder}/") for path in files if path.startswith(f"{folder}/python3."))
    versions = {match[1] for name in names if (match := _PROGRAM.match(name))}
    return versions.pop() if len(versions) == 1 else None
