"""Where distributions go: the schemes of an environment in the image.

Spec: PyPA specifications, "Binary distribution format", "The .data directory"; Python docs, `sysconfig`,
"Installation paths".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Installation:
    """Where distributions go.

    Attributes:
        prefix: Absolute path of the environment in the image.
        version: Major and minor of its Python, such as `3.11`.
        site_packages: Path of site-packages relative to the prefix.
        mtime: Of all entries, in seconds since 1970 UTC; the times in a wheel are those of its build.
        program: Absolute path of Python, where it is not in the prefix's `bin`.
        include: Path relative to the prefix below which distributions put their headers, where it is not Python's own.
    """

    prefix: str
    version: str
    site_packages: str
    mtime: int
    program: str = ""
    include: str = ""

    @property
    def implementation(self) -> str:
        """As `sys.implementation.name` has it."""
        return "cpython"

    @property
    def interpreter(self) -> str:
        """The program that scripts are run by."""
        return self.program or f"{self.prefix}/bin/python{self.version}"

    @property
    def site_packages_path(self) -> str:
        """Path of site-packages in the image."""
        return f"{self.prefix[1:]}/{self.site_packages}"

    @property
    def headers(self) -> str:
        """Path relative to the prefix below which distributions put their headers."""
        return self.include or f"include/python{self.version}"
