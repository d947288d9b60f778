"""Entries of a remote cache at the limits of what registries take."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from docker_envs.archive.compression import Compression
from docker_envs.archive.layer_writer import LayerFacts
from docker_envs.builder.caches.cache_entries import (
    METADATA_MEDIA_TYPE,
    METADATA_TYPE,
    KnownLayer,
    layer_entry,
    metadata_entry,
    read_layer_entry,
    read_metadata_entry,
)
from docker_envs.builder.caches.metadata_store import KeptMetadata
from docker_envs.digest import Digest
from docker_envs.environments.conda.metadata import EntryPoint, PackageMetadata, PathsEntry
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.findings import Finding, FindingKind
from docker_envs.errors import FormatError
from docker_envs.oci import media_types
from docker_envs.oci.artifact_manifest import embedded_blob, make_artifact
from docker_envs.oci.blob import Blob

if TYPE_CHECKING:
    from docker_envs.environments.conda.activating.packaged import PackagedFile

KEY = Digest.of(b"key")
PACKAGE = CondaPackage.from_url("https://example.org/c/linux-64/many-1-0.conda", sha256="0" * 64)


def known(*findings: Finding) -> KnownLayer:
    blob = Blob.of_bytes(b"blob", media_types.OCI_LAYER_GZIP)
    return KnownLayer(blob, LayerFacts(blob.digest, blob.size, Digest.of(b"tar"), 1024), findings, "some packages")


def kept(paths: int) -> KeptMetadata:
    """Metadata whose digests do not compress, from a generator with a seed."""
    numbers = random.Random(1)
    entries = tuple(PathsEntry(f"share/{n}", sha256=f"{numbers.getrandbits(256):064x}") for n in range(paths))
    index = {"name": "many", "version": "1", "build": "0", "depends": []}
    files: tuple[PackagedFile, ...] = ()
    return KeptMetadata(7, PackageMetadata(PACKAGE.file_name, index, entries, ()), files)


def test_a_layer_is_what_was_written() -> None:
    layer = known(Finding(FindingKind.CAPABILITY, "ping", "bin/ping", "has capabilities"))
    entry = layer_entry(KEY, layer)
    assert entry is not None
    assert read_layer_entry(entry, KEY, Compression.GZIP) == layer
    for key, compression in ((Digest.of(b"other"), Compression.GZIP), (KEY, Compression.ZSTD)):
        with pytest.raises(FormatError):
            read_layer_entry(entry, key, compression)


def test_a_layer_with_too_many_findings_has_no_entry() -> None:
    text = "is not compiled: " + "x" * 100
    findings = [Finding(FindingKind.NOT_COMPILED, "p", f"lib/{n:04}.py", text) for n in range(9000)]
    assert layer_entry(KEY, known(*findings)) is None
    assert layer_entry(KEY, known(*findings[:1000])) is not None


@pytest.mark.parametrize(("paths", "embedded"), [(0, True), (1_000, True), (30_000, False)])
def test_metadata_are_in_the_manifest_unless_they_are_large(paths: int, embedded: bool) -> None:
    entry = metadata_entry(kept(paths))
    assert entry is not None
    assert len(entry.raw) < 1 << 20
    assert ("data" in entry.blobs[1].descriptor.extra) is embedded
    assert read_metadata_entry(entry, PACKAGE) == kept(paths)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x28\xb5\x2f\xfd", b"[" * 5000, b'{"size": 1, "metadata": {}}'])
def test_metadata_that_are_none(content: bytes) -> None:
    entry = make_artifact(METADATA_TYPE, [embedded_blob(content, METADATA_MEDIA_TYPE)], {})
    with pytest.raises(FormatError, match="many-1-0"):
        read_metadata_entry(entry, PACKAGE)


def test_other_artifacts_are_no_entries() -> None:
    layer, metadata = layer_entry(KEY, known()), metadata_entry(kept(1))
    assert layer is not None
    assert metadata is not None
    with pytest.raises(FormatError, match="artifactType"):
        read_layer_entry(metadata, KEY, Compression.GZIP)
    with pytest.raises(FormatError, match="artifactType"):
        read_metadata_entry(layer, PACKAGE)


def nested(depth: int) -> dict[str, object]:
    return {"x": nested(depth - 1)} if depth else {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"index": {"name": "many", "version": "1"}}, "build: missing"),
        ({"index": {"name": "many", "version": "1/2", "build": "0"}}, "must not hold a slash"),
        ({"index": {"name": "many", "version": "1", "build": "0", **nested(200)}}, "nested too deeply"),
        ({"paths": (PathsEntry("a"), PathsEntry("a"))}, "is listed twice"),
        ({"paths": (PathsEntry("../a"),)}, "outside of the root"),
        ({"paths": (PathsEntry("a", path_type="device"),)}, "unknown path type"),
        ({"entry_points": (EntryPoint("a/b", "m", "f"),)}, "unreadable entry point"),
        ({"entry_points": (EntryPoint("a", "import os; m", "f"),)}, "unreadable entry point"),
    ],
)
def test_metadata_are_checked_like_those_of_an_archive(change: dict[str, Any], message: str) -> None:
    good = kept(1)
    content = msgspec.json.encode(KeptMetadata(7, replace(good.metadata, **change), ()))
    entry = make_artifact(METADATA_TYPE, [embedded_blob(content, METADATA_MEDIA_TYPE)], {})
    with pytest.raises(FormatError, match=message):
        read_metadata_entry(entry, PACKAGE)
