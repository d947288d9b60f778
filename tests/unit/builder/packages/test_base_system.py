"""Which C library a base has, how little is read to find out, and what packages want of it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Entry, Kind, file_entry
from docker_envs.builder.packages.base_system import (
    CLibrary,
    check_library,
    find_library,
    library_of_config,
    library_of_layers,
    required_glibc,
)
from docker_envs.environments.conda.metadata import PackageMetadata
from docker_envs.errors import BuildError, VerificationError
from docker_envs.oci.config import ImageConfig
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.edit import with_config
from tests import images
from tests.unit.images import make_image, make_layer

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.streams import ByteSource

WANTED = ("2.17", "tool")
DEMANDING = ("2.28", "tool")

# As `skopeo inspect --config` shows those of the official images.
DEBIAN = "# debian.sh --arch 'amd64' out/ 'bookworm' '@1733097600'"
ALPINE = "ADD alpine-minirootfs-3.20.3-x86_64.tar.gz / # buildkit"
UBUNTU = {"org.opencontainers.image.ref.name": "ubuntu", "org.opencontainers.image.version": "22.04"}
UBI = {"name": "ubi9/ubi-minimal", "vendor": "Red Hat, Inc.", "version": "9.4"}
CENTOS = {"org.label-schema.vendor": "CentOS", "vendor": "CentOS", "version": "7"}


def config(*history: dict[str, object], labels: dict[str, str] | None = None) -> ImageConfig:
    document = {**images.make_image().config.document, "history": list(history)}
    return ImageConfig.make(document).with_labels(labels or {})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (config(labels=UBUNTU), ("glibc", "2.35")),
        (config(labels={**UBUNTU, "org.opencontainers.image.version": "24.04"}), ("glibc", "2.39")),
        (config(labels={**UBUNTU, "org.opencontainers.image.version": "99.04"}), None),
        (config(labels={**UBUNTU, "org.opencontainers.image.ref.name": "mine"}), None),
        (config(labels=UBI), ("glibc", "2.34")),
        (config(labels={**UBI, "version": "8.10"}), ("glibc", "2.28")),
        (config(labels={**UBI, "vendor": "Someone"}), None),
        (config(labels=CENTOS), ("glibc", "2.17")),
        (config({"created_by": DEBIAN, "comment": "debuerreotype 0.15"}), ("glibc", "2.36")),
        (config({"created_by": DEBIAN.replace("bookworm", "buster")}), ("glibc", "2.28")),
        (config({"created_by": DEBIAN.replace("bookworm", "unheard")}), None),
        (config({"created_by": "ENV A=1", "empty_layer": True}, {"created_by": DEBIAN}), ("glibc", "2.36")),
        (config({"created_by": ALPINE}), ("musl", "")),
        (config({"created_by": "RUN apt-get install 'bookworm'"}), None),
        (config({}), None),
        (config(), None),
    ],
)
def test_what_configs_of_well_known_bases_say(found: ImageConfig, expected: tuple[str, str] | None) -> None:
    library = library_of_config(found)
    assert (library and (library.name, library.version)) == expected


def test_the_evidence_in_a_config_is_told() -> None:
    for found, evidence in (
        (config(labels=UBUNTU), "Ubuntu 22.04, by its labels"),
        (config(labels=UBI), "Red Hat, Inc. 9.4, by its labels"),
        (config({"created_by": DEBIAN}), "Debian bookworm, by its history"),
        (config({"created_by": ALPINE}), "Alpine 3.20.3, by its history"),
    ):
        library = library_of_config(found)
        assert library is not None
        assert library.evidence == evidence


def dpkg(version: str, name: str = "libc6") -> str:
    """A stanza of a package database of Debian."""
    return (
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nSource: glibc\n"
        f"Version: {version}\nDescription: GNU C Library\n more of it\n"
    )


STATUS = "\n".join([dpkg("1.0-1", "libabc"), dpkg("2.36-9+deb12u9"), dpkg("9.9", "libc6-dev"), dpkg("3.0", "zlib1g")])
BANNER = b"\0\x7fELF\0GNU C Library (Ubuntu GLIBC 2.35-0ubuntu3.8) stable release version 2.35.\nCopyright"
APK = "C:Q1abc=\nP:alpine-baselayout\nV:3.6.5-r0\nA:x86_64\n\nC:Q1def=\nP:musl\nV:1.2.5-r0\nA:x86_64\n"
LOADER = "lib/ld-musl-x86_64.so.1"


def file(path: str, content: str | bytes) -> Entry:
    return file_entry(path, content if isinstance(content, bytes) else content.encode(), mtime=0)


def link(path: str, target: str) -> Entry:
    return Entry(path, Kind.SYMLINK, 0o777, 0, link=target)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([file("var/lib/dpkg/status", STATUS)], ("glibc", "2.36")),
        ([file("var/lib/dpkg/status", dpkg("2:2.31-13+deb11u7"))], ("glibc", "2.31")),
        ([file("var/lib/dpkg/status", dpkg("9.9", "libc6-dev"))], None),
        ([file("var/lib/dpkg/status", "Package: libc6\nStatus: x\n\n" + dpkg("3.1", "other"))], None),
        ([file("var/lib/dpkg/status.d/libc6", dpkg("2.36-9+deb12u9"))], ("glibc", "2.36")),
        ([file("var/lib/dpkg/status.d/bGliYzY=", dpkg("2.41-12"))], ("glibc", "2.41")),
        ([file("var/lib/dpkg/status.d/libc6.md5sums", dpkg("2.41-12"))], None),
        ([file("lib/apk/db/installed", APK)], ("musl", "1.2.5")),
        ([file("usr/lib/apk/db/installed", APK)], ("musl", "1.2.5")),
        ([file("lib/apk/db/installed", APK.replace("P:musl", "P:musl-utils"))], None),
        ([file("lib/x86_64-linux-gnu/libc.so.6", BANNER)], ("glibc", "2.35")),
        ([file("usr/lib64/libc.so.6", BANNER)], ("glibc", "2.35")),
        ([file("lib64/libc-2.17.so", b"elf"), link("lib64/libc.so.6", "libc-2.17.so")], ("glibc", "2.17")),
        ([link("lib64/libc.so.6", "/usr/lib64/libc-2.17.so")], ("glibc", "2.17")),
        ([link("lib/libc.so.6", "libgcompat.so.0")], None),
        ([file("lib64/libc.so.6", b"no banner")], None),
        ([file(LOADER, b"elf")], ("musl", "")),
        ([link(LOADER, "libc.so")], ("musl", "")),
        ([file("etc/os-release", "ID=debian\n")], None),
        ([], None),
    ],
)
def test_what_files_of_a_base_say(entries: list[Entry], expected: tuple[str, str] | None) -> None:
    library = library_of_layers([make_layer(*entries)])
    assert (library and (library.name, library.version)) == expected


@pytest.mark.parametrize(
    "path",
    [
        "opt/conda/x86_64-conda-linux-gnu/sysroot/lib64/libc-2.17.so",
        "opt/conda/x86_64-conda-linux-gnu/sysroot/usr/lib64/libc.so.6",
        "root/old/lib/libc-2.5.so",
        "home/me/lib/ld-musl-x86_64.so.1",
    ],
)
def test_libraries_of_others_are_not_the_base_s(path: str) -> None:
    """Compilers bring C libraries that no program of the container runs with."""
    layer = make_layer(file(path, BANNER.replace(b"2.35", b"2.05")), file("var/lib/dpkg/status", STATUS))
    library = library_of_layers([layer])
    assert library is not None
    assert (library.version, library.evidence) == ("2.36", "`/var/lib/dpkg/status`")


def test_a_base_with_both_runs_glibc() -> None:
    """Debian's `musl` puts a loader beside the system's own library."""
    library = library_of_layers([make_layer(file(LOADER, b"elf"), file("var/lib/dpkg/status", STATUS))])
    assert library is not None
    assert library.name == "glibc"


def unreadable() -> ByteSource:
    raise AssertionError("a layer was read")


def closed(layer: Layer) -> Layer:
    """The layer, but whoever reads it fails."""
    return replace(layer, opener=unreadable)


def big(layer: Layer) -> Layer:
    """The layer, said to have 300 MB."""
    return replace(layer, descriptor=Descriptor(layer.media_type, layer.digest, 300 << 20))


DEBIAN_LAYER = make_layer(file("var/lib/dpkg/status", STATUS))
OTHER_LAYER = make_layer(file("srv/data", "data"))


def test_layers_above_the_answer_are_not_read() -> None:
    library = library_of_layers([OTHER_LAYER, DEBIAN_LAYER, closed(OTHER_LAYER)])
    assert library == CLibrary("glibc", "2.36", "`/var/lib/dpkg/status`")


def test_the_lowest_layer_decides() -> None:
    upgraded = make_layer(file("var/lib/dpkg/status", dpkg("2.41-1")))
    library = library_of_layers([DEBIAN_LAYER, upgraded])
    assert library is not None
    assert library.version == "2.36"


def test_foreign_layers_are_passed_over() -> None:
    assert library_of_layers([images.foreign(closed(OTHER_LAYER)), DEBIAN_LAYER]) is not None


def base(*layers: Layer, history: str = "") -> Image:
    image = make_image(*layers)
    document = {**image.config.document, "history": [{"created_by": history} for _ in layers]}
    return with_config(image, ImageConfig.make(document))


def test_a_base_that_tells_by_its_config_is_never_read() -> None:
    library = find_library(base(closed(OTHER_LAYER), history=DEBIAN), DEMANDING, reads_layers=True)
    assert library is not None
    assert library.version == "2.36"


def test_a_big_base_is_read_only_if_needed() -> None:
    image = base(closed(big(OTHER_LAYER)))
    assert find_library(image, WANTED, reads_layers=False) is None
    with pytest.raises(AssertionError, match="a layer was read"):
        find_library(image, DEMANDING, reads_layers=False)
    with pytest.raises(AssertionError, match="a layer was read"):
        find_library(image, WANTED, reads_layers=True)


def test_a_tiny_base_is_read() -> None:
    library = find_library(base(DEBIAN_LAYER), WANTED, reads_layers=False)
    assert library is not None
    assert library.version == "2.36"


def metadata(name: str, *depends: str) -> PackageMetadata:
    index = {"name": name, "version": "1", "build": "0", "depends": list(depends)}
    return PackageMetadata(f"{name}.conda", index, (), ())


@pytest.mark.parametrize(
    ("depends", "expected"),
    [
        ([], None),
        (["zlib >=1.2", "libglibc-tools >=2.99"], None),
        (["__glibc >=2.17,<3.0.a0"], ("2.17", "p0")),
        (["__glibc >= 2.17"], ("2.17", "p0")),
        (["__glibc>=2.28"], ("2.28", "p0")),
        (["__glibc >=2.9", "__glibc >=2.17", "__glibc >=2.28"], ("2.28", "p2")),
        (["__glibc >=2.17", "__glibc >=2.9"], ("2.17", "p0")),
        (["__glibc >=2.17.1", "__glibc >=2.17"], ("2.17.1", "p0")),
        (["__glibc", "__linux >=5"], None),
    ],
)
def test_the_highest_version_wins_by_number(depends: list[str], expected: tuple[str, str] | None) -> None:
    packages = [metadata(f"p{number}", "python", spec) for number, spec in enumerate(depends)]
    assert required_glibc(packages) == expected
    assert required_glibc(reversed(packages)) == expected


def test_a_base_that_is_too_old() -> None:
    with pytest.raises(BuildError) as caught:
        check_library(CLibrary("glibc", "2.9", "`/lib/libc-2.9.so`"), WANTED, base="docker.io/library/old:1")
    assert str(caught.value) == (
        "base image `docker.io/library/old:1` has glibc 2.9 (`/lib/libc-2.9.so`), but `tool` needs 2.17"
    )
    assert caught.value.hint == (
        "choose a newer base, or older packages with `--virtual-package __glibc=2.9`; `--force` builds all the same"
    )


@pytest.mark.parametrize("version", ["", "1.2.5"])
def test_a_base_with_musl(version: str) -> None:
    with pytest.raises(BuildError) as caught:
        check_library(CLibrary("musl", version, "Alpine 3.20.3, by its history"), WANTED, base="alpine")
    assert str(caught.value) == (
        "base image `alpine` has musl (Alpine 3.20.3, by its history), but `tool` and others need glibc"
    )
    assert caught.value.hint == (
        "choose a base with glibc, such as `debian:bookworm-slim`; `--force` builds all the same"
    )


@pytest.mark.parametrize(("has", "wanted"), [("2.17", "2.17"), ("2.36", "2.9"), ("2.28", "2.17"), ("3.0", "2.99")])
def test_a_base_that_will_do(has: str, wanted: str) -> None:
    check_library(CLibrary("glibc", has, "x"), (wanted, "tool"), base="b")


def test_a_damaged_layer_is_an_error() -> None:
    broken = replace(OTHER_LAYER, opener=lambda: io.BytesIO(b"not gzip"))
    with pytest.raises(VerificationError, match="layer"):
        library_of_layers([broken])
