"""`noarch: python` packages: where their files go, and the console scripts that are made for them.

Spec: conda CEP 20 (abi3 and `python_site_packages_path`: CEP 17); conda docs, "Noarch Python packages", "link.json".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.environments.console_script import console_script
from docker_envs.errors import FormatError
from docker_envs.paths import image_path

if TYPE_CHECKING:
    from docker_envs.environments.conda.metadata import EntryPoint, PackageMetadata

#: Mode of the scripts, as rattler gives it.
SCRIPT_MODE = 0o775

_MAJOR_MINOR = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True)
class PythonInfo:
    """The Python of an environment.

    Attributes:
        version: Major and minor, such as `3.11`.
        site_packages: Path of site-packages relative to the prefix.
        implementation: `cpython` or `pypy`, as `sys.implementation.name` has it.
    """

    version: str
    site_packages: str
    implementation: str = "cpython"

    @classmethod
    def from_metadata(cls, metadata: PackageMetadata) -> PythonInfo:
        """From the package `python`, which for PyPy is one without files that depends on the real one.

        Free-threaded builds say where their site-packages are; for all others, and for PyPy, they are where CPython
        has them.

        Raises:
            FormatError: Its version or site-packages path makes no sense.
        """
        match = _MAJOR_MINOR.match(metadata.version)
        if match is None:
            raise FormatError(metadata.source, f"no Python version: {metadata.version!r}")
        version = f"{match[1]}.{match[2]}"
        path = metadata.index.get("python_site_packages_path")
        if path is not None and not isinstance(path, str):
            raise FormatError(metadata.source, f"python_site_packages_path: expected str, got {path!r}")
        default = f"lib/python{version}/site-packages"
        implementation = "pypy" if metadata.build.endswith("_pypy") else "cpython"
        return cls(version, image_path(path, source=metadata.source) if path else default, implementation)

    def target(self, path: str) -> str:
        """Where a file of a `noarch: python` package goes, relative to the prefix."""
        head, _, rest = path.partition("/")
        if rest and head == "site-packages":
            return f"{self.site_packages}/{rest}"
        if rest and head == "python-scripts":
            return f"bin/{rest}"
        return path

    def script(self, entry_point: EntryPoint, prefix: str) -> bytes:
        """The console script of an entry point."""
        return console_script(f"{prefix}/bin/python{self.version}", entry_point.module, entry_point.function)
