"""Debian packages on their way into a layer: as they were read, and as they will be unpacked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from docker_envs.archive.entry import Kind
from docker_envs.environments.debian.archives.deb_archive import DebArchive
from docker_envs.environments.debian.archives.entries import DebLayer, iter_deb_entries
from docker_envs.environments.debian.relations import parse_clauses
from docker_envs.environments.planned import PlannedPackage
from docker_envs.records.record import DEB, RecordedPackage, qualified_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.debian.archives.metadata import DebianMetadata
    from docker_envs.environments.debian.archives.placement import Attributes
    from docker_envs.environments.debian.package import DebianPackage
    from docker_envs.environments.findings import Finding


@dataclass(frozen=True, slots=True)
class ReadDeb:
    """A package with what was read of it.

    Attributes:
        package: Where it came from.
        metadata: What it says about itself, and the list of its files.
        sha256: Of the archive, verified, as hexadecimal digits.
        size: Of the archive in bytes.
    """

    package: DebianPackage
    metadata: DebianMetadata
    sha256: str
    size: int


@dataclass(frozen=True)
class PlannedDeb(PlannedPackage):
    """A package that will be unpacked.

    Attributes:
        read: What was read of it.
        layer: Where its files go, and whether it is recorded in its own layer.
    """

    read: ReadDeb
    layer: DebLayer
    kind: ClassVar[str] = DEB

    @property
    def locked(self) -> DebianPackage:
        """What its archive is, and where."""
        return self.read.package

    @property
    def metadata(self) -> DebianMetadata:
        """What it says about itself."""
        return self.read.metadata

    @property
    def sha256(self) -> str:
        """Of the archive, verified, as hexadecimal digits."""
        return self.read.sha256

    @property
    def size(self) -> int:
        """Of the archive in bytes."""
        return self.read.size

    @property
    def name(self) -> str:
        """Its name."""
        return self.metadata.name

    @cached_property
    def built(self) -> int:
        """When it was built, in milliseconds since 1970 UTC: no file of a package is newer than its changelog's date.

        Spec: reproducible-builds.org, "SOURCE_DATE_EPOCH", as dpkg-deb and debhelper apply it.
        """
        return max((entry.mtime for entry in self.metadata.files), default=0) * 1000

    @property
    def needs(self) -> tuple[str, ...]:
        """Qualified names of packages that it names as alternatives of what it depends on."""
        control = self.metadata.control
        clauses = (*parse_clauses(control.get("pre-depends")), *parse_clauses(control.get("depends")))
        names = (relation.name for clause in clauses for relation in clause.alternatives)
        return tuple(dict.fromkeys(qualified_name(DEB, name) for name in names))

    @property
    def facts(self) -> dict[str, Any]:
        """All that the bytes of its entries depend on."""
        placement = self.layer.placement
        return {
            "kind": self.kind,
            "sha256": self.sha256,
            "links": dict(sorted(placement.links.items())),
            "diverted": dict(sorted(placement.diversions.items())),
            "attributes": {path: _fact(each) for path, each in sorted(placement.attributes.items())},
            "dropped": sorted(placement.left_out),
            "status": self.layer.has_status,
            "set_id": self.layer.keeps_set_id,
            "mtime": self.layer.mtime,
        }

    def placed(self) -> Iterator[tuple[str, Entry]]:
        """Its files and links, as the archive has them, with their paths in the image."""
        for entry in self.metadata.files:
            path = self.layer.placement.place(entry) if entry.kind is not Kind.DIRECTORY else None
            if path is not None:
                yield path, entry

    def files(self) -> Iterator[str]:
        """Paths in the image of its files and links."""
        return (path for path, _ in self.placed())

    def estimated_size(self, ratio: float) -> int:
        """About how many bytes it takes in a layer, from the sizes of its files."""
        return int(ratio * sum(entry.size for _, entry in self.placed()))

    def iter_entries(self, host_path: Path, findings: list[Finding]) -> Iterator[Entry]:
        """Its entries, in the order of its archive; see `iter_deb_entries`."""
        return iter_deb_entries(DebArchive(host_path), self.metadata, self.layer)

    def recorded(self, present: Collection[str]) -> RecordedPackage:
        """What the record of its environment says of it."""
        control, package = self.metadata.control, self.locked
        source, source_version = _source(control.get("source"), control.version)
        return RecordedPackage(
            kind=self.kind,
            name=self.name,
            version=control.version,
            subdir=control.architecture,
            url=package.public_url,
            sha256=self.sha256,
            size=self.size,
            depends=tuple(sorted(set(self.needs).intersection(present))),
            requested=package.requested,
            source=source,
            source_version=source_version,
        )


def _fact(attributes: Attributes) -> list[Any]:
    """Attributes as a fact; one without capabilities is what it was before there were any."""
    mode, uid, gid, capability = attributes
    return [mode, uid, gid, *([capability.hex()] if capability else [])]


def _source(field: str, version: str) -> tuple[str, str]:
    """Name and version of the source package, each empty where it is that of the package."""
    name, _, rest = field.partition(" ")
    other = rest.strip("() ")
    return name, other if other != version else ""
