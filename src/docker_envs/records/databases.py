"""Package databases in images: which files are one, and what each says of the packages that are installed.

conda: `conda-meta/*.json` of a prefix. Python: `*.dist-info` and `*.egg-info` in a directory of modules. Debian and its
children: `/var/lib/dpkg/status`, or a file for each package in `status.d`, as distroless images have it. Alpine:
`/lib/apk/db/installed`. Databases of rpm are binary, and not read.

Spec: PyPA "Recording installed projects" and "Core metadata"; deb-control(5); apk-package(5) for the fields of apk.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.entry import Kind
from docker_envs.errors import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker_envs.archive.entry import Entry

#: The largest database file that is read, in bytes.
_MAX_SIZE = 64 << 20
#: The largest that is decoded as a whole, in bytes.
_MAX_DECODED = 16 << 20
#: The most packages that one database may have.
_MAX_PACKAGES = 100_000
#: Of a distribution's metadata, no more than this is read, in bytes: the fields come first.
_MAX_HEAD = 256 << 10
#: The longest text that is kept of a field, in characters.
_MAX_TEXT = 1000
#: The largest size that a field may say, in bytes: what programs that read JSON take for a whole number.
_MAX_NUMBER = 1 << 53

_SITE = r"(?:site|dist)-packages"
_METADATA = re.compile(rf"(?:.*/)?{_SITE}/[^/]+(?:\.dist-info/METADATA|\.egg-info/PKG-INFO)\Z")
_RECORD = re.compile(rf"(?:.*/)?{_SITE}/[^/]+\.dist-info/RECORD\Z")
# Unpacked archives that conda keeps.
_CONDA_CACHE = re.compile(rf"(?:.*/)?pkgs/[^/]+/(?:lib/python[^/]*/)?{_SITE}/")
_CONDA = re.compile(r"(?:.*/)?conda-meta/[^/]+\.json\Z")
_DPKG = re.compile(r"var/lib/dpkg/(?:status|status\.d/[^/]+(?<!\.md5sums))\Z")
_DPKG_FILES = re.compile(r"var/lib/dpkg/info/[^/]+\.list\Z")
_APK = re.compile(r"(?:usr/)?lib/apk/db/installed\Z")
_NAMED_DIRECTORY = re.compile(r"([^/-]+)-([^/-]+)(?:-[^/]*)?\.(?:dist|egg)-info/[^/]+\Z")


class InstalledPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package in an image.

    Attributes:
        kind: `conda`, `pypi`, `deb` or `apk`.
        name: Name.
        version: Version.
        build: conda's build string, else empty.
        architecture: The part of a channel that it is from (`linux-64`), or the architecture that it is for.
        layer: Number of its layer, the base's first is 0.
        place: Where it is installed: a prefix, a directory of modules, or `/`.
        size: Of its archive, in bytes.
        installed_size: Of its files, in bytes.
        license: As the package says it.
        url: Where its archive is, without credentials.
        sha256: Of its archive, as hexadecimal digits.
        depends: Names of packages that it needs, if its record says so.
        source: What says that it is there: `record`, or the path of a database.
    """

    kind: str
    name: str
    version: str
    build: str = ""
    architecture: str = ""
    layer: int = 0
    place: str = "/"
    size: int | None = None
    installed_size: int | None = None
    license: str = ""
    url: str = ""
    sha256: str = ""
    depends: tuple[str, ...] = ()
    source: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes it this package, wherever it is."""
        return self.kind, self.name, self.version, self.build, self.architecture, self.sha256


@dataclass(frozen=True, slots=True)
class Database:
    """What one file says.

    Attributes:
        packages: Packages that are installed.
        owned: Metadata of distributions that belong to these packages, as paths in the image.
        installed_size: Of the files of the distribution beside it, in bytes.
    """

    packages: tuple[InstalledPackage, ...] = ()
    owned: frozenset[str] = frozenset()
    installed_size: int | None = None

    @property
    def weight(self) -> int:
        """How much there is to keep."""
        return 1 + len(self.packages) + len(self.owned)


class _SizedPath(msgspec.Struct):
    size_in_bytes: int | None = None


class _PathsData(msgspec.Struct):
    paths: list[_SizedPath] = []


class _CondaRecord(msgspec.Struct):
    name: str
    version: str
    build: str = ""
    subdir: str | None = None
    size: int | None = None
    license: str | None = None
    url: str | None = None
    sha256: str | None = None
    files: list[str] = []
    paths_data: _PathsData | None = None


# Made here, for msgspec may crash when several threads are the first to use a type.
_CONDA_DECODER = msgspec.json.Decoder(_CondaRecord)


def reader_for(path: str) -> Callable[[Entry], Database] | None:
    """What reads the database at a path; None when there is none."""
    if path.endswith(".json"):
        return _read_conda if _CONDA.match(path) else None
    if path.endswith(("/METADATA", "/PKG-INFO")):
        return _read_distribution if _METADATA.match(path) and not _CONDA_CACHE.match(path) else None
    if path.endswith("/RECORD"):
        return _read_sizes if _RECORD.match(path) and not _CONDA_CACHE.match(path) else None
    if path.startswith("var/lib/dpkg/"):
        return _read_dpkg if _DPKG.match(path) else _read_dpkg_files if _DPKG_FILES.match(path) else None
    return _read_apk if _APK.match(path) else None


def read_database(entry: Entry) -> Database | None:
    """What an entry says of packages; None when it is no database.

    Raises:
        ValueError: It is one, and cannot be read; the text says why.
    """
    reader = reader_for(entry.path)
    if reader is None:
        return None
    if entry.kind is Kind.HARDLINK:
        named = _NAMED_DIRECTORY.search(entry.path) if reader is _read_distribution else None
        return Database((_distribution(entry.path, named[1], named[2]),)) if named else None
    if entry.kind is not Kind.FILE:
        return None
    limit = _MAX_DECODED if reader is _read_conda else _MAX_SIZE
    if entry.size > limit and reader is not _read_distribution:
        raise ValueError(f"{entry.size:,} bytes, more than {limit:,}")
    database = reader(entry)
    if len(database.packages) > _MAX_PACKAGES:
        raise ValueError(f"more than {_MAX_PACKAGES:,} packages")
    return database


def _read_conda(entry: Entry) -> Database:
    try:
        record = _CONDA_DECODER.decode(entry.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"no record of conda ({error})") from error
    prefix = entry.path.rpartition("conda-meta/")[0]
    paths = record.paths_data.paths if record.paths_data else []
    package = InstalledPackage(
        kind="conda",
        name=_text(record.name),
        version=_text(record.version),
        build=_text(record.build),
        architecture=_text(record.subdir),
        place="/" + prefix.rstrip("/"),
        size=_number(record.size),
        installed_size=_number(sum(path.size_in_bytes or 0 for path in paths)) if paths else None,
        license=_text(record.license),
        url=redact(_text(record.url)),
        sha256=_text(record.sha256),
        source="/" + entry.path,
    )
    return Database((package,), frozenset(prefix + file for file in record.files if _METADATA.match(prefix + file)))


def _read_distribution(entry: Entry) -> Database:
    fields: dict[str, str] = {}
    for line in _lines(_head(entry)):
        name, colon, value = line.partition(":")
        if not line.strip():
            break
        if colon and not line[0].isspace():
            fields.setdefault(name.lower(), value.strip())
    if not fields.get("name") or not fields.get("version"):
        raise ValueError("it names no distribution and version")
    license_text = fields.get("license-expression") or fields.get("license", "")
    return Database((_distribution(entry.path, fields["name"], fields["version"], license_text),))


def _distribution(path: str, name: str, version: str, license_text: str = "") -> InstalledPackage:
    place = "/" + path.rpartition("/")[0].rpartition("/")[0]
    return InstalledPackage(
        kind="pypi",
        name=_text(name),
        version=_text(version),
        license=_text(license_text if license_text != "UNKNOWN" else ""),
        place=place,
        source="/" + path,
    )


def _head(entry: Entry) -> bytes:
    head = b""
    for chunk in entry.content:
        head += chunk[: _MAX_HEAD - len(head)]
        if len(head) == _MAX_HEAD:
            break
    return head


def _read_sizes(entry: Entry) -> Database:
    try:
        total = sum(_number(row[2]) or 0 for row in csv.reader(_lines(entry.read())) if len(row) > 2)
    except csv.Error as error:
        raise ValueError(f"no list of files ({error})") from error
    return Database(installed_size=_number(total))


def _read_dpkg(entry: Entry) -> Database:
    packages = []
    for stanza in islice(_stanzas(entry.read()), _MAX_PACKAGES + 1):
        # In `status.d` there is no such field, and what is listed is installed.
        if "Package" in stanza and stanza.get("Status", "ok installed").endswith("ok installed"):
            kibibytes = _number(stanza.get("Installed-Size"))
            packages.append(
                InstalledPackage(
                    kind="deb",
                    name=_text(stanza["Package"]),
                    version=_text(stanza.get("Version")),
                    architecture=_text(stanza.get("Architecture")),
                    installed_size=None if kibibytes is None else kibibytes << 10,
                    source="/" + entry.path,
                )
            )
    return Database(tuple(packages))


def _read_dpkg_files(entry: Entry) -> Database:
    paths = (line.strip().lstrip("/") for line in _lines(entry.read()))
    return Database(owned=frozenset(path for path in paths if _METADATA.match(path)))


def _read_apk(entry: Entry) -> Database:
    content = entry.read()
    packages = tuple(
        InstalledPackage(
            kind="apk",
            name=_text(stanza["P"]),
            version=_text(stanza.get("V")),
            architecture=_text(stanza.get("A")),
            size=_number(stanza.get("S")),
            installed_size=_number(stanza.get("I")),
            license=_text(stanza.get("L")),
            source="/" + entry.path,
        )
        for stanza in islice(_stanzas(content), _MAX_PACKAGES + 1)
        if "P" in stanza
    )
    owned, directory = set[str](), ""
    for line in map(str.rstrip, _lines(content)):
        if line.startswith("F:"):
            directory = line[2:]
        elif line.startswith("R:") and _METADATA.match(path := f"{directory}/{line[2:]}"):
            owned.add(path)
    return Database(packages, frozenset(owned))


def _stanzas(content: bytes) -> Iterator[dict[str, str]]:
    """Paragraphs of `NAME: VALUE` lines; of a field with several lines, or that comes again, the first."""
    fields: dict[str, str] = {}
    for line in _lines(content):
        name, colon, value = line.partition(":")
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif colon and not line[0].isspace():
            fields.setdefault(name, value.strip())
    if fields:
        yield fields


def _lines(content: bytes) -> Iterator[str]:
    return (line.decode(errors="replace") for line in io.BytesIO(content))


def _text(value: str | None) -> str:
    return (value or "")[:_MAX_TEXT]


def _number(value: str | int | None) -> int | None:
    """A size in bytes; None for what is none."""
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None
    return value if value is not None and 0 <= value < _MAX_NUMBER else None
