"""The record of an environment: a file in its image that names each package, its layer, and how layers were made.

It is a lock: from it and the base, the image can be made again. It says nothing that the layers do not depend on, so
images of the same packages are the same, however these were declared; and nothing about the base, so the layers stay
when the base changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.archive.entry import DIRECTORY_MTIME, Entry, file_entry
from docker_envs.archive.reader import iter_entries
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.fields import canonical_json
from docker_envs.images.container import Healthcheck

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer

#: Where the record is, relative to the environment's prefix.
RECORD_PATH = "share/docker-envs/environment.json"
#: The label that names the diff_ids of the layers that have records, lowest first, separated by spaces.
RECORD_LABEL = "io.docker-envs.records"

#: The version of the format.
_VERSION = 1
#: The kind of packages of conda channels.
CONDA = "conda"
#: The kind of distributions of package indexes of Python.
PYPI = "pypi"
#: The kind of Debian packages.
DEB = "deb"
#: The largest record that is read, in bytes.
_MAX_SIZE = 32 << 20


def qualified_name(kind: str, name: str) -> str:
    """The name of a package among those of all kinds: of a conda package its name, of others `KIND:NAME`."""
    return name if kind == CONDA else f"{kind}:{name}"


class RecordedPackage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A package of an environment.

    Attributes:
        kind: `conda`, `deb` or `pypi`.
        name: Name.
        version: Version.
        build: Build string.
        subdir: The part of a channel that it is from: `linux-64`, `noarch`, …; of a Debian package its architecture.
        url: Where its archive is, without credentials.
        sha256: Of the archive, as hexadecimal digits.
        size: Of the archive, in bytes.
        license: As the package says it.
        depends: Qualified names of packages of this environment that it needs.
        metadata: Of a distribution, path of its `.dist-info` relative to the prefix.
        file_name: Of a distribution, name of its wheel where its URL does not end in that.
        requested: Of a distribution or Debian package, whether the declaration names it itself.
        direct: Of a distribution, whether the declaration names this very file.
        source: Of a Debian package, name of its source package where that is another.
        source_version: Of a Debian package, version of its source package where that is another.
    """

    kind: str
    name: str
    version: str
    build: str = ""
    subdir: str = ""
    url: str
    sha256: str
    size: int
    license: str = ""
    depends: tuple[str, ...] = ()
    metadata: str = ""
    file_name: str = ""
    requested: bool = False
    direct: bool = False
    source: str = ""
    source_version: str = ""

    @property
    def qualified_name(self) -> str:
        """Its name among packages of all kinds."""
        return qualified_name(self.kind, self.name)


class RecordedLayer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A layer that belongs to an environment.

    Attributes:
        diff_id: Digest of its uncompressed tar.
        packages: Qualified names of its packages, in the order they are in it; none when it holds other files.
        title: What it holds, for people; empty when that is its packages.
    """

    diff_id: str
    packages: tuple[str, ...] = ()
    title: str = ""


class RecordedSettings(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """How the layers were made; names and values are those of the options of `docker-envs build`.

    What an option had no effect on is as by default, so that it does not change the image: `compile` is `always` when
    something was compiled.
    """

    filters: tuple[str, ...] = ()
    compile: str = "never"
    keep_setuid: bool = False
    activation: str = "env"
    compression: str = "gzip:1"
    max_layers: int | None = None
    layers: str = "auto"
    groups: tuple[str, ...] = ()


class RecordedDistribution(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What Debian packages were chosen for: databases of vulnerabilities know them by it.

    Attributes:
        id: `ID` of its `os-release`: `debian`, `ubuntu`, …
        version: `VERSION_ID` there: `12`; empty for one without, such as Debian's unstable.

    Spec: os-release(5).
    """

    id: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.id}-{self.version}" if self.version else self.id


class RecordedPython(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The Python that distributions were installed for, where it is not one of the environment's own packages.

    Attributes:
        layout: `venv` for a virtual environment at the prefix, `base` for that Python's own place.
        program: Its absolute path.
        version: Major and minor.
        site_packages: Path relative to the prefix.
    """

    layout: str
    program: str
    version: str
    site_packages: str


class RecordedContainer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was asked for over the config of the base; None where nothing was.

    Attributes:
        env: What stands over the environment's activation; other variables are the environment's.
    """

    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    user: str | None = None
    workdir: str | None = None
    env: dict[str, str] = {}
    labels: dict[str, str] = {}
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str | None = None
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] | None = None


class Record(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An environment in an image.

    Attributes:
        version: Of the format.
        digest_format: Of the bytes of layers, see `docker_envs.version`.
        platform: What it runs on, as `linux/amd64`.
        prefix: Absolute path of the environment in the image.
        packages: All packages, by kind and name.
        layers: All layers but the record's own, lowest first.
        settings: How they were made.
        python: What distributions are for; None when that is a package here, or there are none.
        variables: Variables that a declaration or option sets.
        requires: What the packages need of the base: `glibc` with its lowest version.
        container: What was asked for over the base's config.
        system_files: Contents of files by path that go with the Debian packages and are not made of them.
        distribution: Of the Debian packages; None where there are none, or the system does not say.
    """

    version: int
    digest_format: int
    platform: str
    prefix: str
    packages: tuple[RecordedPackage, ...] = ()
    layers: tuple[RecordedLayer, ...] = ()
    settings: RecordedSettings = RecordedSettings()
    python: RecordedPython | None = None
    variables: dict[str, str] = {}
    requires: dict[str, str] = {}
    container: RecordedContainer = RecordedContainer()
    system_files: dict[str, bytes] = {}
    distribution: RecordedDistribution | None = None

    def to_bytes(self) -> bytes:
        """The record as it is in the image; the same record always gives the same bytes."""
        return canonical_json(msgspec.to_builtins(self))

    @property
    def by_name(self) -> dict[str, RecordedPackage]:
        """Packages by qualified name."""
        return {package.qualified_name: package for package in self.packages}

    def to_json(self) -> dict[str, Any]:
        """The record as data."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return document


# Made here, for msgspec may crash when several threads are the first to use a type.
_DECODER = msgspec.json.Decoder(Record)


def make_record(**fields: Any) -> Record:
    """A record of the current format; arguments are its other attributes."""
    return Record(version=_VERSION, **fields)


def parse_record(content: bytes, *, source: str) -> Record:
    """Decode a record.

    Raises:
        FormatError: It is none, or one of a later format.
    """
    try:
        record = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, InvalidInputError) as error:
        raise FormatError(source, f"no record of an environment ({error})") from error
    if record.version != _VERSION:
        raise FormatError(
            source,
            f"the record has version {record.version}, only {_VERSION} is known",
            hint="a newer release of docker-envs may know it",
        )
    return record


def record_entries(record: Record) -> list[Entry]:
    """The record as an entry of a layer."""
    return [file_entry(f"{record.prefix[1:]}/{RECORD_PATH}".lstrip("/"), record.to_bytes(), mtime=DIRECTORY_MTIME)]


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record in an image.

    Attributes:
        record: The record.
        layer: The layer that has it.
    """

    record: Record
    layer: Layer


def read_records(image: Image) -> list[FoundRecord]:
    """The records of all environments in an image, lowest first; only the layers that have them are read.

    Raises:
        FormatError: A record is damaged.
        VerificationError: A layer is not what its digest says.
        TransportError: A layer cannot be read.
    """
    wanted = set(image.config.labels.get(RECORD_LABEL, "").split())
    return [FoundRecord(_read(layer), layer) for layer in image.layers if layer.diff_id in wanted]


def record_label(image: Image, layer: Layer) -> dict[str, str]:
    """The label of an image that gets one more layer with a record."""
    return {RECORD_LABEL: " ".join([*image.config.labels.get(RECORD_LABEL, "").split(), layer.diff_id])}


def _read(layer: Layer) -> Record:
    source = f"layer {layer.digest.short}"
    content = None
    with layer.open_tar() as stream:
        # Read to its end, where the digests are compared.
        for entry in iter_entries(stream, source=source):
            if entry.path.endswith(RECORD_PATH):
                if entry.size > _MAX_SIZE:
                    raise FormatError(source, f"the record has {entry.size:,} bytes, more than {_MAX_SIZE:,}")
                content = entry.read()
    if content is None:
        raise FormatError(source, "it has no record of an environment, though the image's label says so")
    return parse_record(content, source=f"{source}: {RECORD_PATH}")
