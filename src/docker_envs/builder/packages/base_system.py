"""What C library a base image has, found as cheaply as possible, and whether the packages can run on it.

Well-known bases say it in their config, which is read anyway. Otherwise the package database or the library itself is
looked for in the layers, lowest first: what a lower layer has, an upper one only replaces by something newer, so the
first answer is a lower bound, and a big base is never read to its end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.archive.reader import iter_entries
from docker_envs.errors import BuildError
from docker_envs.oci import media_types

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.conda.metadata import PackageMetadata
    from docker_envs.oci.config import ImageConfig
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer

#: Every maintained distribution with glibc has at least this one.
COMMON_GLIBC = (2, 17)

#: The largest package database or C library that is read, in bytes.
_MAX_FILE = 64 << 20

#: A base that is so small, in bytes, that reading it costs no more than asking about it.
_TINY_BASE = 64 << 10

_REQUIRED = re.compile(r"__glibc\s*>=\s*(\d+(?:\.\d+)*)")
_GLIBC_BANNER = re.compile(rb"GNU C Library [^\n\0]*?version (\d+\.\d+)")
# Where a program looks for its C library: not in the sysroot that a compiler brings.
_GLIBC_PLACE = re.compile(r"(?:usr/)?lib(?:32|64)?/(?:[^/]+-linux-[^/]+/)?(libc\.so\.6|libc-2\.[^/]+)\Z")
_GLIBC_FILE = re.compile(r"libc-(\d+\.\d+)\.so\Z")
_DPKG = re.compile(rb"^Package: libc6\n(?:(?!\n\n).)*?^Version: (?:\d+:)?(\d+\.\d+)", re.MULTILINE | re.DOTALL)
_APK_MUSL = re.compile(rb"^P:musl\nV:([\d.]+)", re.MULTILINE)
_MUSL_LOADER = re.compile(r"(?:usr/)?lib/ld-musl-[^/]+\.so\.1\Z")

# What histories and labels of official images say, and the glibc of those releases.
_DEBIAN = {"stretch": "2.24", "buster": "2.28", "bullseye": "2.31", "bookworm": "2.36", "trixie": "2.41"}
_UBUNTU = {"16.04": "2.23", "18.04": "2.27", "20.04": "2.31", "22.04": "2.35", "24.04": "2.39"}
_RED_HAT = {"7": "2.17", "8": "2.28", "9": "2.34", "10": "2.39"}
_DEBIAN_HISTORY = re.compile(r"debian\.sh\b.*'(\w+)'")
_ALPINE_HISTORY = re.compile(r"alpine-minirootfs-([\d.]+)")


@dataclass(frozen=True, slots=True)
class CLibrary:
    """The C library of a base.

    Attributes:
        name: `glibc` or `musl`.
        version: Its version, such as `2.36`; empty when only the name is known.
        evidence: Where that was found.
    """

    name: str
    version: str
    evidence: str

    @property
    def version_tuple(self) -> tuple[int, ...]:
        """The version for comparisons."""
        return tuple(int(part) for part in self.version.split(".") if part)


def required_glibc(packages: Iterable[PackageMetadata]) -> tuple[str, str] | None:
    """The newest glibc that a package asks for, as `(version, package)`; None when no package asks for any."""
    wanted = [
        (tuple(int(part) for part in found[1].split(".")), found[1], metadata.name)
        for metadata in packages
        for spec in metadata.depends
        if (found := _REQUIRED.search(spec))
    ]
    if not wanted:
        return None
    _, version, name = max(wanted, key=lambda item: (item[0], item[2]))
    return version, name


def library_of_config(config: ImageConfig) -> CLibrary | None:
    """What labels and history of a well-known base say."""
    labels = config.labels
    version = labels.get("org.opencontainers.image.version", labels.get("version", ""))
    if labels.get("org.opencontainers.image.ref.name") == "ubuntu" and version in _UBUNTU:
        return CLibrary("glibc", _UBUNTU[version], f"Ubuntu {version}, by its labels")
    if labels.get("vendor", "").startswith(("Red Hat", "CentOS")) and version.split(".")[0] in _RED_HAT:
        return CLibrary("glibc", _RED_HAT[version.split(".")[0]], f"{labels['vendor']} {version}, by its labels")
    for entry in config.history:
        text = f"{entry.get('created_by', '')} {entry.get('comment', '')}"
        if (debian := _DEBIAN_HISTORY.search(text)) and debian[1] in _DEBIAN:
            return CLibrary("glibc", _DEBIAN[debian[1]], f"Debian {debian[1]}, by its history")
        if alpine := _ALPINE_HISTORY.search(text):
            return CLibrary("musl", "", f"Alpine {alpine[1]}, by its history")
    return None


def library_of_layers(layers: Sequence[Layer]) -> CLibrary | None:
    """What the layers hold, lowest first, up to the first answer.

    Raises:
        VerificationError: A layer is not what its digest says.
        FormatError: A layer is no tar.
        TransportError: A layer cannot be had.

    Cost: reads the lowest layers up to the package database or C library.
    """
    for layer in layers:
        if media_types.is_foreign(layer.media_type):
            continue
        musl = None
        with layer.open_tar() as tar:
            for entry in iter_entries(tar, source=f"base layer {layer.digest.short}"):
                if found := _library_of_entry(entry):
                    return found
                if _MUSL_LOADER.match(entry.path):
                    # A system with glibc may have it as well, for programs of its own.
                    musl = CLibrary("musl", "", f"`/{entry.path}`")
        if musl is not None:
            return musl
    return None


def _library_of_entry(entry: Entry) -> CLibrary | None:
    path = entry.path
    if place := _GLIBC_PLACE.match(path):
        name = place[1]
        file = entry.link.rpartition("/")[2] if entry.kind is Kind.SYMLINK else name
        if by_name := _GLIBC_FILE.match(file):
            return CLibrary("glibc", by_name[1], f"`/{path}`")
        if name == "libc.so.6" and (banner := _search(entry, _GLIBC_BANNER)):
            return CLibrary("glibc", banner, f"`/{path}`")
    if path == "var/lib/dpkg/status" or path in ("var/lib/dpkg/status.d/libc6", "var/lib/dpkg/status.d/bGliYzY="):
        version = _search(entry, _DPKG)
        return CLibrary("glibc", version, f"`/{path}`") if version else None
    if path in ("lib/apk/db/installed", "usr/lib/apk/db/installed"):
        version = _search(entry, _APK_MUSL)
        return CLibrary("musl", version, f"`/{path}`") if version else None
    return None


def _search(entry: Entry, pattern: re.Pattern[bytes]) -> str | None:
    if entry.kind is not Kind.FILE or entry.size > _MAX_FILE:
        return None
    found = pattern.search(entry.read())
    return found[1].decode() if found else None


def check_library(found: CLibrary, wanted: tuple[str, str], *, base: str) -> None:
    """Check that packages can run on a base.

    Raises:
        BuildError: They cannot: it has musl, or a glibc that is too old.
    """
    version, package = wanted
    if found.name == "musl":
        raise BuildError(
            f"base image `{base}` has musl ({found.evidence}), but `{package}` and others need glibc",
            hint="choose a base with glibc, such as `debian:bookworm-slim`; `--force` builds all the same",
        )
    if found.version_tuple < tuple(int(part) for part in version.split(".")):
        raise BuildError(
            f"base image `{base}` has glibc {found.version} ({found.evidence}), but `{package}` needs {version}",
            hint=(
                f"choose a newer base, or older packages with `--virtual-package __glibc={found.version}`; "
                "`--force` builds all the same"
            ),
        )


def find_library(image: Image, wanted: tuple[str, str], *, reads_layers: bool) -> CLibrary | None:
    """The base's C library, if that can be known at a reasonable price.

    Layers are read when they are read anyway (`reads_layers`), when they are tiny, or when a package needs a glibc
    that not every base has. So a big base that is only referenced stays where it is.
    """
    if found := library_of_config(image.config):
        return found
    demanding = tuple(int(part) for part in wanted[0].split(".")) > COMMON_GLIBC
    if reads_layers or demanding or sum(layer.size for layer in image.layers) <= _TINY_BASE:
        return library_of_layers(image.layers)
    return None
