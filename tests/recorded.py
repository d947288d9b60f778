"""Records of environments that never were built, for what is written from records alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.oci.edit import append_layer, with_annotations, with_config
from docker_envs.oci.image import Image, scratch
from docker_envs.records.record import (
    Record,
    RecordedLayer,
    RecordedPackage,
    make_record,
    record_entries,
    record_label,
)
from tests.images import AMD64, make_image, make_layer

if TYPE_CHECKING:
    from docker_envs.oci.descriptor import Platform

CHANNEL = "https://conda.anaconda.org/conda-forge"
BASE_DIGEST = "sha256:" + "b" * 64


def package(name: str = "zlib", channel: str = CHANNEL, **fields: Any) -> RecordedPackage:
    """A conda package; its sha256 depends on its name."""
    facts: dict[str, Any] = {"version": "1.3.1", "build": "h_0", "subdir": "linux-64", "license": "Zlib", **fields}
    stem = f"{name}-{facts['version']}-{facts['build']}"
    url = f"{channel}/{facts['subdir']}/{stem}.conda"
    sha256 = name.encode().hex()[:64].rjust(64, "0")
    return RecordedPackage(**{"kind": "conda", "name": name, "url": url, "sha256": sha256, "size": 100, **facts})


def debian_package(name: str = "libc6", version: str = "2.36-9+deb12u9", **fields: Any) -> RecordedPackage:
    """A Debian package."""
    facts: dict[str, Any] = {
        "subdir": "amd64",
        "size": 200,
        "sha256": name.encode().hex()[:64].rjust(64, "1"),
        **fields,
    }
    url = f"http://deb.debian.org/debian/pool/main/{name}_{version.rpartition(':')[2]}_{facts['subdir']}.deb"
    return RecordedPackage(**{"kind": "deb", "name": name, "version": version, "url": url, **facts})


def record(*packages: RecordedPackage, **fields: Any) -> Record:
    """A record with a layer for each package."""
    layers = tuple(
        RecordedLayer(diff_id=f"sha256:{number:064x}", packages=(each.qualified_name,))
        for number, each in enumerate(packages)
    )
    facts = {"digest_format": 2, "platform": "linux/amd64", "prefix": "/opt/conda", "layers": layers, **fields}
    return make_record(packages=packages, **facts)


def image(*, created: str | None = "2024-05-06T07:08:09.123456789+02:00", **annotations: str) -> Image:
    """An image without layers; underscores in names of annotations stand for dots."""
    made = scratch(AMD64)
    if created is not None:
        made = with_config(made, made.config.with_created(created))
    notes = {f"org.opencontainers.image.{name.replace('_', '.')}": value for name, value in annotations.items()}
    return with_annotations(made, notes)


def image_on_base() -> Image:
    """One whose base is known."""
    return image(base_name="docker.io/library/debian:12", base_digest=BASE_DIGEST)


def recorded_image(*records: Record, platform: Platform = AMD64) -> Image:
    """An image with a layer of files, and one for each record."""
    made = make_image({"etc/motd": b"hello\n"}, platform=platform)
    for each in records:
        (entry,) = record_entries(each)
        layer = make_layer({entry.path: each.to_bytes()})
        labels = record_label(made, layer)
        made = append_layer(made, layer, history={"created_by": "record"})
        made = with_config(made, made.config.with_labels(labels))
    return made
