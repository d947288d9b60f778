from __future__ import annotations

import io
import json
import resource
import tarfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.archive.compression import CompressionSetting
from docker_envs.errors import DockerEnvsError, NotFoundError, StorageError
from docker_envs.errors import VerificationError as NotVerifiedError
from docker_envs.oci import edit
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import read_archive, write_archive
from docker_envs.validate import validate_image
from tests.images import (
    ARM64,
    URL,
    archive,
    flattened,
    foreign,
    make_image,
    make_layer,
    members,
    named,
    read_blob,
    reread,
)
from tests.packages.build import File, tar_bytes

HELLO_WORLD = Path(__file__).parents[5] / "shared/images/hello-world.tar"
FIRST = {"etc/layer": b"first\n", "etc/first": b"1"}
SECOND = {"etc/layer": b"second\n", "etc/second": b"2"}


# --- written, and read again ---------------------------------------------------------------------------------------

FILES = st.dictionaries(st.sampled_from(["a", "b/c", "b/d", "é"]), st.binary(max_size=40), min_size=1)
CODECS = st.sampled_from(["none", "gzip", "zstd"]).map(CompressionSetting.parse)
LAYERS = st.lists(st.builds(make_layer, FILES, CODECS), max_size=4)
NAMES = st.lists(
    st.sampled_from(["app:1", "app:2", "127.0.0.1:5000/team/app:x", "ghcr.io/o/r"]), max_size=3, unique=True
)


@given(st.lists(st.tuples(LAYERS, NAMES, st.booleans()), max_size=3))
def test_reading_gives_what_was_written(images: list[tuple[Any, list[str], bool]]) -> None:
    written: dict[str, NamedImage] = {}
    for layers, names, docker in images:
        # Docker's manifests become OCI's.
        image = edit.to_oci(make_image(*layers, docker=docker))
        known = written[image.digest].references if image.digest in written else ()
        written[image.digest] = NamedImage(image, tuple(dict.fromkeys((*known, *named(image, *names).references))))
    if not written:
        with pytest.raises(NotFoundError):
            reread()
        return
    found = reread(*(named(make_image(*layers, docker=docker), *names) for layers, names, docker in images))
    assert [each.image.digest for each in found] == list(written)
    for each in found:
        expected = written[each.image.digest]
        if expected.references:
            assert each.references == expected.references
        assert each.image.manifest.raw == expected.image.manifest.raw
        assert each.image.config.raw == expected.image.config.raw
        assert list(map(read_blob, each.image.layers)) == list(map(read_blob, expected.image.layers))
        validate_image(each.image)


def test_same_images_same_bytes() -> None:
    image = named(make_image(FIRST, SECOND), "app:1")
    assert archive(image) == archive(image)


def test_an_archive_that_is_read_and_written_stays_the_same() -> None:
    content = archive(named(make_image(FIRST, SECOND), "app:1", "app:2"), named(make_image(SECOND, platform=ARM64)))
    assert archive(*read_archive(io.BytesIO(content))) == content


def test_members_are_those_of_both_worlds() -> None:
    image = make_image(FIRST, SECOND)
    content = archive(named(image, "app:1", "127.0.0.1:5000/team/app:x"))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        infos = tar.getmembers()
    blobs = sorted([image.digest.hex, image.config.digest.hex, *(layer.digest.hex for layer in image.layers)])
    assert [info.name for info in infos] == [
        *("oci-layout", "index.json", "manifest.json", "blobs", "blobs/sha256"),
        *(f"blobs/sha256/{blob}" for blob in blobs),
    ]
    assert {(info.mtime, info.uid, info.gid, info.uname) for info in infos} == {(315532800, 0, 0, "")}
    found = members(content)
    assert json.loads(found["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads(found["manifest.json"]) == [
        {
            "Config": f"blobs/sha256/{image.config.digest.hex}",
            "RepoTags": ["docker.io/library/app:1", "127.0.0.1:5000/team/app:x"],
            "Layers": [f"blobs/sha256/{layer.digest.hex}" for layer in image.layers],
        }
    ]
    entries = json.loads(found["index.json"])["manifests"]
    assert [entry["annotations"] for entry in entries] == [
        {"io.containerd.image.name": "docker.io/library/app:1", "org.opencontainers.image.ref.name": "1"},
        {"io.containerd.image.name": "127.0.0.1:5000/team/app:x", "org.opencontainers.image.ref.name": "x"},
    ]
    assert {entry["digest"] for entry in entries} == {image.digest}
    assert entries[0]["platform"] == {"architecture": "amd64", "os": "linux"}


def test_a_reference_without_tag_is_no_repo_tag() -> None:
    image = make_image(FIRST)
    reference = Reference.parse(f"app@{image.digest}")
    content = archive(NamedImage(image, (reference,)))
    assert json.loads(members(content)["manifest.json"])[0]["RepoTags"] == []
    assert read_archive(io.BytesIO(content))[0].references == (reference,)


def test_layers_shared_and_repeated_are_written_once() -> None:
    base = make_layer(FIRST)
    images = [make_image(base, SECOND, base), make_image(base)]
    content = archive(*map(named, images))
    assert content.count(read_blob(base)) == 1
    found = [each.image for each in read_archive(io.BytesIO(content))]
    assert [len(image.layers) for image in found] == [3, 1]
    assert flattened(found[0]) == SECOND | FIRST


def test_foreign_layers_keep_their_descriptor_without_their_blob() -> None:
    def refuse() -> io.BytesIO:
        raise NotFoundError("not distributed")

    layer = replace(foreign(make_layer(FIRST)), opener=refuse)
    image = make_image(layer, SECOND)
    content = archive(named(image, "app:1"))
    found = members(content)
    assert f"blobs/sha256/{layer.digest.hex}" not in found
    sources = json.loads(found["manifest.json"])[0]["LayerSources"]
    assert sources == {layer.diff_id: layer.descriptor.to_json()}
    for part in (content, only_manifest_json(found)):
        lowest = read_archive(io.BytesIO(part))[0].image.layers[0]
        assert (lowest.descriptor, lowest.diff_id) == (layer.descriptor, layer.diff_id)
        with pytest.raises(NotFoundError, match="is not included") as refused:
            lowest.open_blob()
        assert refused.value.hint == f"it may be had from {URL}"


def test_foreign_layers_that_can_be_had_are_included() -> None:
    layer = foreign(make_layer(FIRST))
    found = reread(named(make_image(layer)))[0].image.layers[0]
    assert read_blob(found) == read_blob(layer)


def only_manifest_json(found: dict[str, bytes]) -> bytes:
    return tar_bytes(
        (name, File(content)) for name, content in found.items() if name not in ("oci-layout", "index.json")
    )


# --- nothing half-written ------------------------------------------------------------------------------------------


def test_a_written_file_appears_whole(tmp_path: Path) -> None:
    image = named(make_image(FIRST), "app:1")
    write_archive([image], tmp_path / "new/app.tar")
    assert (tmp_path / "new/app.tar").read_bytes() == archive(image)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["app.tar"]


@pytest.mark.parametrize("damage", ["other", "shorter", "longer"])
def test_a_damaged_layer_leaves_the_old_file(tmp_path: Path, damage: str) -> None:
    layer = make_layer(FIRST)
    blob = read_blob(layer)
    wrong = {"other": b"x" + blob[1:], "shorter": blob[:-1], "longer": blob + b"x"}[damage]
    image = make_image(SECOND, replace(layer, opener=partial(io.BytesIO, wrong)))
    path = tmp_path / "app.tar"
    path.write_bytes(b"old")
    with pytest.raises(NotVerifiedError, match=layer.digest.short):
        write_archive([named(image)], path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    # The kernel refuses to write beyond this length as it would on a full disk.
    image = make_image(make_layer({"big": bytes(range(256)) * 1000}, CompressionSetting.parse("none")))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*app\.tar") as refused:
            write_archive([named(image)], tmp_path / "app.tar")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.hint
    assert "free some space" in refused.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_archive_may_be_replaced_by_what_was_read_from_it(tmp_path: Path) -> None:
    path = tmp_path / "app.tar"
    write_archive([named(make_image(FIRST), "app:1")], path)
    before = path.read_bytes()
    write_archive(read_archive(path), path)
    assert path.read_bytes() == before


def test_manifest_json_tells_names_that_the_layout_lacks() -> None:
    image = make_image(FIRST)
    found = members(archive(named(image, "app:1")))
    index = json.loads(found["index.json"])
    del index["manifests"][0]["annotations"]
    found["index.json"] = json.dumps(index).encode()
    (only,) = read_archive(io.BytesIO(tar_bytes((name, File(content)) for name, content in found.items())))
    assert only.references == (Reference.parse("app:1"),)
    assert only.image.digest == image.digest


@given(st.binary(max_size=300), st.integers(0, 12_000))
def test_damage_never_raises_anything_else(noise: bytes, position: int) -> None:
    content = bytearray(archive(named(make_image(FIRST, SECOND), "app:1")))
    content[position : position + len(noise)] = noise
    try:
        for each in read_archive(io.BytesIO(content)):
            validate_image(each.image)
    except DockerEnvsError:
        pass
