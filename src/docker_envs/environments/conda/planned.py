"""Conda packages on their way into a layer: as they were read, and as they will be linked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from docker_envs.environments.conda.linking.link import history_path, iter_linked_entries
from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.environments.planned import PlannedPackage
from docker_envs.records.record import CONDA, RecordedPackage

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.conda.activating.packaged import PackagedFile
    from docker_envs.environments.conda.linking.link_plan import LinkPlan
    from docker_envs.environments.conda.metadata import PackageMetadata
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.environments.findings import Finding


@dataclass(frozen=True, slots=True)
class ReadPackage:
    """A package with what was read of it.

    Attributes:
        package: Where it came from.
        metadata: What it says about itself.
        sha256: Of the archive, verified, as hexadecimal digits.
        size: Of the archive in bytes.
        activation_files: What takes part in activation; None when only the archive tells.
    """

    package: CondaPackage
    metadata: PackageMetadata
    sha256: str
    size: int
    activation_files: tuple[PackagedFile, ...] | None = None


@dataclass(frozen=True, slots=True)
class PlannedCondaPackage(PlannedPackage):
    """A package that will be linked into the prefix.

    Attributes:
        read: What was read of it.
        link: What becomes of each file.
    """

    read: ReadPackage
    link: LinkPlan
    kind: ClassVar[str] = CONDA

    @property
    def locked(self) -> CondaPackage:
        """What its archive is, and where."""
        return self.read.package

    @property
    def metadata(self) -> PackageMetadata:
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
        """As the package writes it."""
        return self.metadata.name

    @property
    def built(self) -> int:
        """When it was built, in milliseconds since 1970 UTC; 0 when unknown."""
        return self.metadata.timestamp

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of packages that its match specs name, virtual packages included."""
        return tuple(self.metadata.needs)

    @property
    def facts(self) -> dict[str, Any]:
        """All that the bytes of its entries depend on, besides what all packages of a prefix have in common."""
        link = self.link
        return {
            "sha256": self.sha256,
            "url": self.locked.public_url,
            "python": [link.python.version, link.python.site_packages] if link.python else None,
            "dropped": link.omitted_paths(),
            "compiler": [link.interpreter.version, link.interpreter.cache_tag] if link.interpreter else None,
        }

    @property
    def layer_facts(self) -> dict[str, Any]:
        """The prefix, and how everything is linked there."""
        options = self.link.options
        return {"prefix": options.prefix, "keep_setuid": options.keep_setuid}

    @property
    def shared_paths(self) -> frozenset[str]:
        """The history of `conda-meta`."""
        return frozenset({history_path(self.link.prefix)})

    def files(self) -> Iterator[str]:
        """Paths in the image of its files and links, console scripts included."""
        root = self.link.prefix.removeprefix("/")
        return (f"{root}/{path}" for path in self.link.target_files() if path not in self.link.dropped)

    def estimated_size(self, ratio: float) -> int:
        """About how many bytes it takes in a layer, from what its files are said to have.

        Archives are compressed better than layers, so a layer is hardly smaller, unless files are left out.
        """
        omitted = set(self.link.omitted_paths())
        files = {self.link.target(entry): entry.size_in_bytes or 0 for entry in self.metadata.paths}
        installed = int(ratio * sum(size for path, size in files.items() if path not in omitted))
        return installed if omitted else max(self.size, installed)

    def iter_entries(self, host_path: Path, findings: list[Finding]) -> Iterator[Entry]:
        """Its files, console scripts and `conda-meta` record; see `iter_linked_entries`."""
        return iter_linked_entries(self.link, PackageArchive(host_path), sha256=self.sha256, findings=findings)

    def recorded(self, present: Collection[str]) -> RecordedPackage:
        """What the record of its environment says of it."""
        return RecordedPackage(
            kind=self.kind,
            name=self.name,
            version=self.metadata.version,
            build=self.metadata.build,
            subdir=self.locked.subdir,
            url=self.locked.public_url,
            sha256=self.sha256,
            size=self.size,
            license=str(self.metadata.index.get("license") or ""),
            depends=tuple(sorted(set(self.needs).intersection(present))),
        )
