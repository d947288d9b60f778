"""All packages in an image, the layer of each, and how that is known.

Where an image has records of its environments, they answer for the layers that they name, which are not read. All other
layers are read from the base up, each once, and only when they are asked about: any layer may bring or remove packages.

dpkg's list is one file for all packages, and that of an upper layer has the packages of all lower ones. So packages of
a record take the place of those of their name in a list below; and a list above says which of them are still there.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from docker_envs.archive.entry import Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.archive.whiteout import OPAQUE, PREFIX
from docker_envs.errors import FormatError, redact
from docker_envs.images.local_layers import watched_layer
from docker_envs.oci import media_types
from docker_envs.paths import parent_paths
from docker_envs.records.databases import Database, InstalledPackage, read_database
from docker_envs.records.record import DEB, PYPI, read_records
from docker_envs.report import SILENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.records.record import FoundRecord, RecordedPackage
    from docker_envs.report import Reporter

#: Packages and databases that an image may have.
_MAX_FOUND = 100_000
#: Damaged databases that are listed.
_MAX_PROBLEMS = 100
_STATUS, _STATUS_DIRECTORY = "var/lib/dpkg/status", "var/lib/dpkg/status.d/"
#: The architecture of packages that are for all.
_ALL = "all"
#: What says that a package is there, where a record does.
_RECORD = "record"


@dataclass(frozen=True)
class Inventory:
    """What is in an image.

    Attributes:
        packages: By kind, name and place.
        records: The records of its environments, lowest first.
        unread: Numbers of the layers that nobody asked about, or that cannot be had; they may have more packages.
        problems: What could not be read, for people.
    """

    packages: tuple[InstalledPackage, ...]
    records: tuple[FoundRecord, ...] = ()
    unread: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()


def take_inventory(image: Image, *, everything: bool = False, reporter: Reporter = SILENT) -> Inventory:
    """Find the packages of an image.

    Args:
        image: Its layers are opened when they are read.
        everything: Of an image with records, whether the other layers are read as well, the base's among them.
        reporter: Hears of layers that are read.

    Raises:
        FormatError: A layer or record is damaged, or has more than 100,000 packages.
        VerificationError: A layer is not what its digest says.
        TransportError: A layer cannot be read.

    Cost: one read of each layer that is read; memory for packages, and for one database at a time (64 MiB at most).
    """
    records = tuple(read_records(image))
    tree = _Tree()
    known = _recorded(image, records, tree)
    unread = []
    for number, layer in enumerate(image.layers):
        if number in known:
            tree.apply(number, known[number])
        elif media_types.is_foreign(layer.media_type) or (records and not everything):
            unread.append(number)
        else:
            tree.apply(number, _read(layer, tree, reporter))
    return Inventory(tree.packages(), records, tuple(unread), tuple(tree.problems))


@dataclass(slots=True)
class _Changes:
    """What one layer does to the databases below it."""

    found: dict[str, Database] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)
    count: int = 0

    def add(self, path: str, database: Database, source: str) -> None:
        """Note a database.

        Raises:
            FormatError: There are too many packages.
        """
        self.count += database.weight
        if self.count > _MAX_FOUND:
            raise FormatError(source, f"it has more than {_MAX_FOUND:,} packages and files about them")
        self.found[path] = database


class _Tree:
    """The databases that layers show so far, and which of the directories above them they need."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._databases: dict[str, Database] = {}
        self._below: dict[str, set[str]] = defaultdict(set)
        self._count = 0

    def holds(self, path: str) -> bool:
        """Whether a database is at a path or below it."""
        return path in self._databases or path in self._below

    def has_file(self, path: str) -> bool:
        """Whether a path is that of a database."""
        return path in self._databases

    def apply(self, number: int, changes: _Changes) -> None:
        """Put a layer on top."""
        before = {path: self._databases[path] for path in changes.found.keys() & self._databases.keys()}
        for path in changes.opaque:
            self._remove_below(path)
        for path in changes.removed:
            self._remove_below(path)
            self._remove(path)
        for path, database in changes.found.items():
            self._remove(path)
            self._count += database.weight
            if self._count > _MAX_FOUND:
                raise FormatError("image", f"it has more than {_MAX_FOUND:,} packages and files about them")
            layers = {package.identity: package.layer for package in before.get(path, Database()).packages}
            packages = tuple(
                replace(package, layer=layers.get(package.identity, number)) for package in database.packages
            )
            self._databases[path] = Database(packages, database.owned, database.installed_size)
            for parent in ("", *parent_paths(path)):
                self._below[parent].add(path)
        self._settle_debian_packages(changes)

    def _settle_debian_packages(self, changes: _Changes) -> None:
        """Have each Debian package once: as a record says it, or the list of a layer above."""
        recorded = {
            path: package
            for path, database in self._databases.items()
            if path.startswith(_STATUS_DIRECTORY)
            for package in database.packages
            if package.source == _RECORD
        }
        if _STATUS in changes.found:
            known = {package.identity[:-1]: package for package in recorded.values()}
            self._change(_STATUS, lambda package: known.get(package.identity[:-1], package))
            for path in recorded:
                self._remove(path)
            return
        new = {package.name: package for path, package in recorded.items() if path in changes.found}
        if new:
            for path in [each for each in self._databases if each == _STATUS or each.startswith(_STATUS_DIRECTORY)]:
                self._change(path, lambda package: None if _replaces(new.get(package.name), package) else package)

    def _change(self, path: str, change: Callable[[InstalledPackage], InstalledPackage | None]) -> None:
        """Put other packages, or none, in the place of those of a database."""
        database = self._databases[path]
        packages = tuple(found for package in database.packages if (found := change(package)) is not None)
        self._count -= len(database.packages) - len(packages)
        self._databases[path] = Database(packages, database.owned, database.installed_size)

    def packages(self) -> tuple[InstalledPackage, ...]:
        """All packages; distributions that are a part of another package are left out."""
        owned = frozenset[str]().union(*(database.owned for database in self._databases.values()))
        found = []
        for path, database in self._databases.items():
            if path in owned:
                continue
            sizes = self._databases.get(f"{path.rpartition('/')[0]}/RECORD")
            for package in database.packages:
                own = package.kind == "pypi" and sizes is not None
                found.append(replace(package, installed_size=sizes.installed_size) if own and sizes else package)
        return tuple(sorted(found, key=_order))

    def add_problem(self, text: str) -> None:
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(text)

    def _remove_below(self, path: str) -> None:
        for each in list(self._below.get(path, ())):
            self._remove(each)

    def _remove(self, path: str) -> None:
        if database := self._databases.pop(path, None):
            self._count -= database.weight
            for parent in ("", *parent_paths(path)):
                self._below[parent].discard(path)
                if not self._below[parent]:
                    del self._below[parent]


def _order(package: InstalledPackage) -> tuple[str, ...]:
    return package.kind, package.name, package.place, package.architecture, package.version, package.source


def _replaces(new: InstalledPackage | None, old: InstalledPackage) -> bool:
    """Whether a package is installed in the place of another of its name; those for other architectures stay."""
    if new is None or old.source == _RECORD:
        return False
    return old.architecture in (new.architecture, _ALL, "") or new.architecture == _ALL


def _read(layer: Layer, tree: _Tree, reporter: Reporter) -> _Changes:
    changes = _Changes()
    source = f"layer {layer.digest.short}"
    task = reporter.start("read", source, layer.size)
    with watched_layer(layer, task).open_tar() as stream:
        for entry in iter_entries(stream, source=source):
            path = entry.path
            directory, _, name = path.rpartition("/")
            if name == OPAQUE:
                if tree.holds(directory):
                    changes.opaque.add(directory)
            elif name.startswith(PREFIX):
                removed = f"{directory}/{name.removeprefix(PREFIX)}".lstrip("/")
                if tree.holds(removed):
                    changes.removed.add(removed)
            elif entry.kind is Kind.DIRECTORY:
                if tree.has_file(path):
                    changes.removed.add(path)
            else:
                if tree.holds(path):
                    changes.removed.add(path)
                try:
                    database = read_database(entry)
                except ValueError as error:
                    tree.add_problem(f"{source}: `/{path}`: {error}")
                    continue
                if database is not None:
                    changes.add(path, database, source)
    task.finish()
    return changes


def _recorded(image: Image, records: tuple[FoundRecord, ...], tree: _Tree) -> dict[int, _Changes]:
    """What records say of their layers, by number; those of the records themselves hold nothing else."""
    numbers: dict[str, int] = {}
    for number, layer in enumerate(image.layers):
        numbers.setdefault(layer.diff_id, number)
    known: dict[int, _Changes] = {}
    for found in records:
        record, packages = found.record, found.record.by_name
        known.setdefault(numbers[found.layer.diff_id], _Changes())
        for recorded in record.layers:
            place = numbers.get(recorded.diff_id)
            if place is None:
                tree.add_problem(f"`{record.prefix}`: the image lacks layer `{recorded.diff_id}` of the record")
                continue
            changes = known.setdefault(place, _Changes())
            for name in recorded.packages:
                if name not in packages:
                    tree.add_problem(f"`{record.prefix}`: the record says nothing of `{name}`, which it names")
                    continue
                package = _installed(packages[name], record.prefix, place)
                path = _place_of(packages[name], record.prefix)
                changes.add(path.lstrip("/"), Database((package,)), record.prefix)
    return known


def _place_of(package: RecordedPackage, prefix: str) -> str:
    """The file in the image that says that a package is there."""
    if package.kind == PYPI:
        return f"{prefix}/{package.metadata}/METADATA"
    if package.kind == DEB:
        return _STATUS_DIRECTORY + package.name
    return f"{prefix}/conda-meta/{package.name}-{package.version}-{package.build}.json"


def _installed(package: RecordedPackage, prefix: str, number: int) -> InstalledPackage:
    return InstalledPackage(
        kind=package.kind,
        name=package.name,
        version=package.version,
        build=package.build,
        architecture=package.subdir,
        layer=number,
        place=_directory_of(package, prefix),
        size=package.size,
        license=package.license,
        url=redact(package.url),
        sha256=package.sha256,
        depends=package.depends,
        source=_RECORD,
    )


def _directory_of(package: RecordedPackage, prefix: str) -> str:
    if package.kind == PYPI:
        return f"{prefix}/{package.metadata}".rpartition("/")[0]
    return "/" if package.kind == DEB else prefix
