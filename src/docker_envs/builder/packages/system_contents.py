"""What the system of an image has, its base and Debian packages on top, as far as it concerns Python."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import msgspec

from docker_envs.archive.entry import Kind
from docker_envs.builder.caches.kept_documents import KeptDocuments
from docker_envs.builder.packages.base_files import APK_DATABASES, read_base_system
from docker_envs.builder.packages.base_system import CLibrary, library_of_config, library_of_layers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.environments.debian.plan_environment import DebianEnvironment
    from docker_envs.environments.debian.system.base import BaseSystem
    from docker_envs.oci.image import Image
    from docker_envs.report import Reporter

_APK_PACKAGE = re.compile(r"^P:(\S+)\nV:(\S+)", re.MULTILINE)
_PY_VERSION = re.compile(r'^#define\s+PY_VERSION\s+"([^"]+)"', re.MULTILINE)
#: What is kept of a base, for people.
_TITLE = "C library of a base"
_NUMBERS = re.compile(r"(?:\d+:)?(\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class SystemContents:
    """Files and packages of a system.

    Attributes:
        files: Targets of symbolic links by path, empty for other files.
        versions: Versions of packages by name, and of Python by the path of its header that tells it.
        library: The C library, where something but packages tells it.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    library: CLibrary | None = None

    @classmethod
    def of_base(cls, system: BaseSystem) -> Self:
        """What a base has.

        Raises:
            FormatError: The base's list of packages cannot be read.
        """
        versions = dict(system.versions)
        for path, content in system.contents.items():
            text = content.decode(errors="replace") if path.endswith(("/patchlevel.h", "/installed")) else ""
            if path in APK_DATABASES:
                versions.update(_APK_PACKAGE.findall(text))
            elif found := _PY_VERSION.search(text):
                versions[path] = found[1]
        return cls({entry.path: entry.link for entry in system.entries if entry.kind is not Kind.DIRECTORY}, versions)

    @classmethod
    def of_packages(cls, debian: DebianEnvironment) -> Self:
        """What Debian packages bring."""
        return cls(debian.links(), {each.name: each.metadata.control.version for each in debian.packages})

    def with_packages(self, other: SystemContents) -> SystemContents:
        """The same with packages on top."""
        return SystemContents({**self.files, **other.files}, {**self.versions, **other.versions}, self.library)

    def c_library(self) -> CLibrary | None:
        """The C library; None where nothing tells it."""
        for package, name in (("libc6", "glibc"), ("musl", "musl")):
            if found := _NUMBERS.match(self.versions.get(package, "")):
                return CLibrary(name, found[1], f"by the package `{package}`")
        return self.library


def contents_of(image: Image, cache: CacheDirectory, reporter: Reporter) -> SystemContents:
    """What a base has; its layers are read unless it was looked through before.

    Raises:
        FormatError: A layer is damaged, or there is too much in it.
        VerificationError: A layer is not what its digest says.
        TransportError: A layer cannot be had.

    Cost: see `read_base_system`.
    """
    found = SystemContents.of_base(read_base_system(image, cache, reporter))
    if library_of_config(image.config) is None and found.c_library() is None and image.layers:
        return SystemContents(found.files, found.versions, _library(image, cache))
    return found


class _Kept(msgspec.Struct, frozen=True):
    library: CLibrary | None


# Made here, for msgspec may crash when several threads are the first to use a type.
_DECODER = msgspec.msgpack.Decoder(_Kept)


def _library(image: Image, cache: CacheDirectory) -> CLibrary | None:
    documents = KeptDocuments(cache, "library-1")
    if (content := documents.get(image.digest.hex, _TITLE)) is not None:
        return _DECODER.decode(content).library
    library = library_of_layers(image.layers)
    documents.add(image.digest.hex, _TITLE, msgspec.msgpack.encode(_Kept(library)))
    return library
