"""A package as an index describes it."""

from __future__ import annotations

import msgspec

#: Raised whenever what is kept of an index changes.
INDEX_FORMAT = 1

#: Fields of a stanza that are kept, in the order of the attributes of `IndexedPackage`.
FIELDS = (
    "Package",
    "Version",
    "Architecture",
    "Filename",
    "SHA256",
    "Size",
    "Source",
    "Section",
    "Priority",
    "Multi-Arch",
    "Essential",
    "Installed-Size",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Provides",
    "Conflicts",
    "Breaks",
)


class IndexedPackage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One stanza of an index: the fields as they stand, empty where missing.

    Spec: Debian Policy 4.7, section 5.6; "DebianRepository/Format", "Packages" indices.
    """

    name: str
    version: str
    architecture: str
    file_name: str
    sha256: str
    size: str
    source: str
    section: str
    priority: str
    multi_arch: str
    essential: str
    installed_size: str
    pre_depends: str
    depends: str
    recommends: str
    provides: str
    conflicts: str
    breaks: str


class PackageTable(msgspec.Struct, frozen=True, array_like=True):
    """An index in the form in which it is kept: only packages that are asked for are decoded.

    Attributes:
        packages: By name, encoded.
        providers: Names of packages by the virtual ones that they provide, sorted.
        essential: Names of essential packages, sorted.
        required: Names of packages of priority `required`, sorted.
    """

    packages: dict[str, msgspec.Raw]
    providers: dict[str, list[str]]
    essential: list[str]
    required: list[str]
