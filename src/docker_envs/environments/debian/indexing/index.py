"""What archives offer for one architecture: packages by name, and who provides virtual ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from docker_envs.environments.debian.indexing.indexed_package import IndexedPackage
from docker_envs.environments.debian.package import DebianPackage
from docker_envs.environments.debian.version import version_key
from docker_envs.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docker_envs.environments.debian.indexing.indexed_package import PackageTable

_VERSIONS_DECODER = msgspec.msgpack.Decoder(list[IndexedPackage])
_NUMBER = re.compile(r"[0-9]{1,15}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PATH = re.compile(r"(?:(?!\.\.?/)[^/\\\0-\x20]+/)*(?!\.\.?/)[^/\\\0-\x20]+\.(?:deb|udeb)")
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")


@dataclass(frozen=True, slots=True)
class ReleasedTable:
    """The packages of one component of a release.

    Attributes:
        root: Address that paths of packages are relative to, with a slash at its end; may hold credentials.
        suites: Suite and codename of the release.
        automatic: Whether its packages are chosen without being asked for.
        table: The packages.
    """

    root: str
    suites: tuple[str, ...]
    automatic: bool
    table: PackageTable


@dataclass(frozen=True, slots=True)
class AvailablePackage:
    """One version of a package, and where it is."""

    indexed: IndexedPackage
    root: str
    suites: tuple[str, ...]
    automatic: bool

    def chosen(self) -> DebianPackage:
        """The package as it stands in a lock.

        Raises:
            FormatError: The index does not say what is needed to fetch it.
        """
        indexed = self.indexed
        label = f"package `{indexed.name}` in the index of `{self.suites[0]}`"
        if not _SHA256.fullmatch(indexed.sha256) or not _NUMBER.fullmatch(indexed.size):
            raise FormatError(label, "has no SHA-256 digest or no size")
        path = indexed.file_name.removeprefix("./")
        if not _PATH.fullmatch(path):
            raise FormatError(label, f"{indexed.file_name!r} is not the path of a package")
        source = _SOURCE.fullmatch(indexed.source)
        return DebianPackage(
            name=indexed.name,
            version=indexed.version,
            architecture=indexed.architecture,
            url=self.root + quote(path, safe="/+~:%"),
            sha256=indexed.sha256,
            size=int(indexed.size),
            source=source[1] if source else "",
            source_version=(source[2] or "") if source else "",
            depends=indexed.depends,
            pre_depends=indexed.pre_depends,
            section=indexed.section,
            priority=indexed.priority,
            multi_arch=indexed.multi_arch if indexed.multi_arch != "no" else "",
            essential=indexed.essential.lower() == "yes",
            installed_size=int(indexed.installed_size) if _NUMBER.fullmatch(indexed.installed_size) else 0,
        )


class PackageIndex:
    """All that some archives offer for one architecture.

    Args:
        architecture: As Debian calls it; packages for others are left out.
        tables: Those of the archives; of the same version in several, the first counts.
    """

    def __init__(self, architecture: str, tables: Sequence[ReleasedTable]) -> None:
        self.architecture = architecture
        self._tables = tuple(tables)
        self._versions: dict[str, tuple[AvailablePackage, ...]] = {}

    def versions(self, name: str) -> tuple[AvailablePackage, ...]:
        """The versions of a package, lowest first.

        Raises:
            FormatError: A version is malformed.
        """
        if name not in self._versions:
            self._versions[name] = self._find(name)
        return self._versions[name]

    def providers(self, name: str) -> tuple[str, ...]:
        """Names of the packages of which some version provides a virtual one, sorted."""
        return _union(table.table.providers.get(name, ()) for table in self._tables)

    @cached_property
    def essential(self) -> tuple[str, ...]:
        """Names of essential packages, sorted."""
        return _union(table.table.essential for table in self._tables)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Names of packages of priority `required`, sorted."""
        return _union(table.table.required for table in self._tables)

    @cached_property
    def names(self) -> frozenset[str]:
        """Names of all packages and virtual packages."""
        tables = [table.table for table in self._tables]
        return frozenset(name for table in tables for names in (table.packages, table.providers) for name in names)

    def _find(self, name: str) -> tuple[AvailablePackage, ...]:
        found: dict[object, AvailablePackage] = {}
        for released in self._tables:
            encoded = released.table.packages.get(name)
            for indexed in _VERSIONS_DECODER.decode(encoded) if encoded is not None else ():
                if indexed.architecture in (self.architecture, "all"):
                    package = AvailablePackage(indexed, released.root, released.suites, released.automatic)
                    found.setdefault(version_key(indexed.version), package)
        return tuple(sorted(found.values(), key=lambda package: version_key(package.indexed.version)))


def _union(names: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(sorted({name for each in names for name in each}))
