"""Wheels on their way into a layer: as they were read, and as they will be installed."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from docker_envs.environments.bytecode import Compiler
from docker_envs.environments.planned import PlannedPackage
from docker_envs.environments.pypi.bytecode import with_bytecode
from docker_envs.environments.pypi.needed_libraries import with_needs
from docker_envs.environments.pypi.wheel import Wheel
from docker_envs.records.record import PYPI, RecordedPackage, qualified_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from email.message import Message
    from pathlib import Path

    from packaging.markers import Environment, Marker

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.bytecode import Interpreter
    from docker_envs.environments.filters import Filter
    from docker_envs.environments.findings import Finding
    from docker_envs.environments.pypi.installation import Installation
    from docker_envs.environments.pypi.package import PypiPackage


@dataclass(frozen=True, slots=True)
class ReadWheel:
    """A wheel with what was read of it, for one place to install it in.

    Attributes:
        package: Where it came from.
        sha256: Of the archive, verified, as hexadecimal digits.
        size: Of the archive in bytes.
        installation: Where it goes.
        files: Sizes in bytes of all files that it installs, by path in the image; `RECORD` counts for nothing.
        metadata_folder: Path of its `.dist-info` relative to the prefix.
        license: As it says it.
        requires: Normalised names of distributions that it needs there, those of its extras included.
        conditions: The requirements among these that hold without extras, as it says them.
    """

    package: PypiPackage
    sha256: str
    size: int
    installation: Installation
    files: Mapping[str, int]
    metadata_folder: str
    license: str = ""
    requires: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()


def read_wheel(
    host_path: Path,
    package: PypiPackage,
    installation: Installation,
    *,
    sha256: str,
    size: int,
    environment: Environment,
) -> ReadWheel:
    """Read what a plan needs to know of a wheel.

    Args:
        host_path: The archive, verified.
        package: Where it came from.
        installation: Where it will go.
        sha256: Of the archive.
        size: Of the archive in bytes.
        environment: Values of markers there.

    Raises:
        FormatError: It is no wheel, damaged, or holds unsafe names.
    """
    with Wheel(host_path) as wheel:
        entries = wheel.entries(installation, requested=package.requested, direct_url=package.direct_url())
        return ReadWheel(
            package,
            sha256,
            size,
            installation,
            {entry.path: 0 if entry.path.endswith(".dist-info/RECORD") else entry.size for entry in entries},
            f"{installation.site_packages}/{wheel.metadata_folder}",
            _license(wheel.metadata),
            tuple(_requires(wheel.metadata, environment)),
            tuple(map(str, _requirements(wheel.metadata, environment, extras=[""]))),
        )


def _license(metadata: Message) -> str:
    """As scanners read it; texts of whole licences, which some put there, are none."""
    text = str(metadata.get("License-Expression") or metadata.get("License") or "").strip()
    return "" if text == "UNKNOWN" or "\n" in text else text


def _requires(metadata: Message, environment: Environment) -> list[str]:
    extras = ["", *map(str, metadata.get_all("Provides-Extra", []))]
    return sorted({canonicalize_name(each.name) for each in _requirements(metadata, environment, extras)})


def _requirements(metadata: Message, environment: Environment, extras: Sequence[str]) -> Iterator[Requirement]:
    for text in metadata.get_all("Requires-Dist", []):
        try:
            requirement = Requirement(str(text))
        except InvalidRequirement:
            continue
        if requirement.marker is None or any(_holds(requirement.marker, environment, extra) for extra in extras):
            yield requirement


def _holds(marker: Marker, environment: Environment, extra: str) -> bool:
    values = {**{name: str(value) for name, value in environment.items()}, "extra": extra}
    try:
        return marker.evaluate(values)
    except (UndefinedComparison, UndefinedEnvironmentName):
        # As with a requirement that cannot be parsed.
        return False


@dataclass(frozen=True, slots=True)
class PlannedWheel(PlannedPackage):
    """A wheel that will be installed.

    Attributes:
        read: What was read of it.
        owners: Qualified names of packages of other kinds that bring distributions, by the distributions' names.
        filtered: Paths in the image that filters leave out, and which filter does.
        dropped: Paths in the image that are left out, since another wheel's file is there.
        interpreter: What compiles its modules; None when nothing does.
    """

    read: ReadWheel
    owners: Mapping[str, str] = field(default_factory=dict)
    filtered: Mapping[str, Filter] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    interpreter: Interpreter | None = None
    kind: ClassVar[str] = PYPI

    @property
    def locked(self) -> PypiPackage:
        """What its archive is, and where."""
        return self.read.package

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
        """Normalised name of the distribution."""
        return self.locked.name

    @property
    def built(self) -> int:
        """Unknown: the times in a wheel are often those of no build."""
        return 0

    @property
    def needs(self) -> tuple[str, ...]:
        """What it requires, as another wheel or the package that brings it, and Python."""
        return ("python", *(self.owners.get(name) or qualified_name(PYPI, name) for name in self.read.requires))

    @property
    def omitted(self) -> frozenset[str]:
        """Paths in the image that are left out."""
        return frozenset({*self.filtered, *self.dropped})

    @property
    def facts(self) -> dict[str, Any]:
        """All that the bytes of its entries depend on."""
        place = self.read.installation
        direct_url = self.locked.direct_url()
        compiler = self.interpreter
        return {
            "kind": self.kind,
            "sha256": self.sha256,
            "file": self.locked.file_name,
            "prefix": place.prefix,
            "python": [place.version, place.site_packages],
            "mtime": place.mtime,
            "interpreter": place.interpreter,
            "headers": place.headers,
            "requested": self.locked.requested,
            "direct_url": direct_url.decode() if direct_url else None,
            "dropped": sorted(self.omitted),
            **({"compiler": [compiler.version, compiler.cache_tag]} if compiler is not None else {}),
        }

    def files(self) -> Iterator[str]:
        """Paths in the image of all that it installs."""
        omitted = self.omitted
        return (path for path in self.read.files if path not in omitted)

    def estimated_size(self, ratio: float) -> int:
        """About how many bytes it takes in a layer, from the sizes of its files."""
        return int(ratio * sum(self.read.files[path] for path in self.files()))

    def iter_entries(self, host_path: Path, findings: list[Finding]) -> Iterator[Entry]:
        """Its files as an installer would put them, see `Wheel.entries`, and their bytecode."""
        place = self.read.installation
        with Wheel(host_path) as wheel:
            installed = wheel.entries(
                place,
                requested=self.locked.requested,
                direct_url=self.locked.direct_url(),
                omitted=self.omitted,
            )
            entries = with_needs(installed, package=self.name, findings=findings)
            if self.interpreter is None:
                yield from entries
                return
            with closing(Compiler(self.interpreter)) as compiler:
                yield from with_bytecode(entries, place, compiler, package=self.name, findings=findings)

    def recorded(self, present: Collection[str]) -> RecordedPackage:
        """What the record of its environment says of it."""
        return RecordedPackage(
            kind=self.kind,
            name=self.name,
            version=self.locked.version,
            url=self.locked.public_url,
            sha256=self.sha256,
            size=self.size,
            license=self.read.license,
            depends=tuple(sorted(set(self.needs).intersection(present))),
            metadata=self.read.metadata_folder,
            file_name="" if self.locked.public_url.endswith(f"/{self.locked.file_name}") else self.locked.file_name,
            requested=self.locked.requested,
            direct=self.locked.direct,
        )
