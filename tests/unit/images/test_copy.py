"""Images from place to place: what stays, and what each place makes of them."""

from __future__ import annotations

import io
import json
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import Compression, CompressionSetting
from docker_envs.errors import InvalidInputError, NotFoundError
from docker_envs.images.copy import copy_images
from docker_envs.images.delete import delete_image
from docker_envs.images.describe import describe
from docker_envs.images.location import Location, parse_location
from docker_envs.images.source import open_artifact, open_image
from docker_envs.images.transports import Transports
from docker_envs.oci import edit, media_types
from docker_envs.oci.artifact import Artifact, NamedArtifact
from docker_envs.oci.config import ImageConfig
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import write_archive
from docker_envs.transports.files.layout_writing import collect_garbage, write_layout
from docker_envs.validate import validate_image
from tests.images import AMD64, ARM64, make_image, make_layer, named, read_blob
from tests.packages.build import File, tar_bytes
from tests.simulators.registry import RegistrySimulator
from tests.unit.oci.test_artifact import attestation, index_of, signature
from tests.unit.transports.registry.helpers import Recorder, name, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.oci.image import Image

LAYER = make_layer({"a": b"a"})
ONE = make_image(LAYER, {"b": b"b"})
OTHER = make_image(LAYER, {"b": b"arm"}, platform=ARM64)
BOTH = NamedImage(ONE, (Reference.parse("example.org/app:1"),), (OTHER,))
DOCKER = make_image(LAYER, docker=True)


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    with simulator.running():
        yield simulator


@pytest.fixture
def reporter() -> Recorder:
    return Recorder()


@pytest.fixture
def transports(reporter: Recorder) -> Transports:
    return Transports(reporter=reporter)


def place(text: object) -> Location:
    return parse_location(str(text))


def test_an_index_passes_untouched_through_every_kind_of_place(
    tmp_path: Path, server: RegistrySimulator, transports: Transports
) -> None:
    whole = index_of(
        Artifact.of_image(ONE),
        attestation(ONE),
        Artifact.of_image(OTHER),
        signature(OTHER.digest),
        annotations={"a": "b"},
    )
    write_layout(tmp_path / "one", [NamedArtifact(whole, (Reference.parse("example.org/app:1"),))])
    places = [
        f"oci:{tmp_path}/one:1",
        f"{server.address}/app:1",
        f"docker-archive:{tmp_path}/two.tar",
        f"{server.address}/other/name:2",
        f"oci-archive:{tmp_path}/three.tar:3",
        f"oci:{tmp_path}/four:4",
    ]
    for source, destination in pairwise(places):
        (copied,) = copy_images(place(source), place(destination), transports)
        assert copied.digest == whole.digest
    found = open_artifact(place(places[-1]), transports)
    assert [each.descriptor for each in found.artifact.children] == [each.descriptor for each in whole.children]
    assert [each.raw for each in found.artifact.walk()] == [each.raw for each in whole.walk()]
    for each in found.artifact.images():
        validate_image(each.image())


def test_one_platform_of_an_index(server: RegistrySimulator, tmp_path: Path, transports: Transports) -> None:
    write_layout(tmp_path / "layout", [BOTH])
    (copied,) = copy_images(
        place(f"oci:{tmp_path}/layout"), place(f"{server.address}/app:1"), transports, platform=ARM64
    )
    assert copied.digest == OTHER.digest
    assert server.repository("app").manifests["1"][1] == OTHER.manifest.raw
    assert open_image(place(f"oci:{tmp_path}/layout"), transports, platform=ARM64).digest == OTHER.digest


def test_platforms_that_are_not_there(tmp_path: Path, server: RegistrySimulator, transports: Transports) -> None:
    write_layout(tmp_path / "layout", [named(ONE, "app:1")])
    store(server, ONE)
    for source in (f"oci:{tmp_path}/layout", f"{server.address}/app:1"):
        with pytest.raises(NotFoundError, match=r"no image for platform `linux/arm64/v8`, only for `linux/amd64`"):
            copy_images(place(source), place(tmp_path / "new.tar"), transports, platform=ARM64)
    assert not (tmp_path / "new.tar").exists()


def test_docker_format_in_files(tmp_path: Path, server: RegistrySimulator, transports: Transports) -> None:
    store(server, DOCKER)
    source = place(f"{server.address}/app:1")
    (converted,) = copy_images(source, place(f"oci:{tmp_path}/oci:1"), transports)
    assert converted.digest == edit.to_oci(DOCKER).digest
    (kept,) = copy_images(source, place(f"oci:{tmp_path}/kept:1"), transports, keep_types=True)
    assert kept.digest == DOCKER.digest == kept.source.digest
    again = open_artifact(place(f"oci:{tmp_path}/kept:1"), transports)
    assert again.artifact.media_type == media_types.DOCKER_MANIFEST
    assert again.artifact.image().digest == DOCKER.digest


def test_archives_of_several_images(tmp_path: Path, transports: Transports, server: RegistrySimulator) -> None:
    write_archive([named(ONE, "a:1", "a:2"), named(OTHER, "b:3")], tmp_path / "both.tar")
    copied = copy_images(place(f"docker-archive:{tmp_path}/both.tar"), place(f"oci:{tmp_path}/layout"), transports)
    assert [each.digest for each in copied] == [ONE.digest, OTHER.digest]
    with pytest.raises(InvalidInputError, match="has 2 images") as caught:
        copy_images(place(f"docker-archive:{tmp_path}/both.tar"), place(f"{server.address}/x:1"), transports)
    assert caught.value.hint is not None
    assert f"`docker-archive:{tmp_path}/both.tar:b:3`" in caught.value.hint
    (one,) = copy_images(place(f"docker-archive:{tmp_path}/both.tar:b:3"), place(f"{server.address}/x:1"), transports)
    assert one.digest == OTHER.digest


def test_what_an_index_lacks_is_left_out_for_registries(
    tmp_path: Path, server: RegistrySimulator, transports: Transports, reporter: Recorder
) -> None:
    write_layout(tmp_path / "layout", [BOTH])
    (tmp_path / "layout/blobs/sha256" / OTHER.digest.hex).unlink()
    (copied,) = copy_images(place(f"oci:{tmp_path}/layout"), place(f"{server.address}/app:1"), transports)
    pushed = json.loads(server.repository("app").manifests["1"][1])
    assert [entry["digest"] for entry in pushed["manifests"]] == [ONE.digest]
    assert copied.digest != copied.source.digest
    assert "left out 1 manifest" in reporter.warnings[0]


def test_names_in_files(tmp_path: Path, transports: Transports, server: RegistrySimulator) -> None:
    store(server, ONE)
    source = place(f"{server.address}/app:1")
    copy_images(source, place(f"oci:{tmp_path}/layout:new"), transports)
    copy_images(source, place(f"docker-archive:{tmp_path}/a.tar:example.org/b:2"), transports)
    write_layout(tmp_path / "nameless", [NamedImage(ONE)])
    copy_images(place(f"oci:{tmp_path}/nameless"), place(f"oci:{tmp_path}/layout:bare"), transports)
    copy_images(place(f"oci:{tmp_path}/layout:bare"), place(f"oci:{tmp_path}/other"), transports)
    assert str(open_artifact(place(f"oci:{tmp_path}/layout:new"), transports).references[0]) == str(
        name(server, "app:new")
    )
    assert str(open_artifact(place(f"{tmp_path}/a.tar"), transports).references[0]) == "example.org/b:2"
    assert open_artifact(place(f"oci:{tmp_path}/other:bare"), transports).artifact.digest == ONE.digest


def test_destinations_that_cannot_be(tmp_path: Path, transports: Transports) -> None:
    write_layout(tmp_path / "layout", [BOTH])
    (tmp_path / "file").touch()
    source = place(f"oci:{tmp_path}/layout")
    for destination, message in (
        (f"docker-archive:{tmp_path}", "it is a directory"),
        (f"oci:{tmp_path}/file", "it is no directory"),
        ("oci:-", "cannot write a layout to standard output"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            copy_images(source, place(destination), transports)
    with pytest.raises(InvalidInputError, match="`--all` and `--platform` exclude each other"):
        copy_images(source, place(tmp_path / "a.tar"), transports, platform=AMD64, all_platforms=True)
    with pytest.raises(InvalidInputError, match="an engine holds one platform's image"):
        copy_images(source, place("docker-daemon:a:1"), transports, all_platforms=True)


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_archives_are_not_written_to_terminals(
    tmp_path: Path, transports: Transports, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_layout(tmp_path / "layout", [BOTH])
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(out))
    with pytest.raises(InvalidInputError, match="not written to a terminal"):
        copy_images(place(f"oci:{tmp_path}/layout"), place("-"), transports)
    assert not out.getvalue()


def test_standard_streams(tmp_path: Path, transports: Transports, monkeypatch: pytest.MonkeyPatch) -> None:
    write_layout(tmp_path / "layout", [BOTH])
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out))
    copy_images(place(f"oci:{tmp_path}/layout"), place("-"), transports)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out.getvalue())))
    (copied,) = copy_images(place("-"), place(f"oci:{tmp_path}/new"), transports)
    assert copied.digest == BOTH.descriptor.digest


def test_descriptions() -> None:
    image = describe(NamedArtifact.of(named(ONE, "app:1")))
    assert image["names"] == ["docker.io/library/app:1"]
    assert image["platform"] == "linux/amd64"
    assert [layer["created_by"] for layer in image["layers"]] == ["layer 0", "layer 1"]
    assert image["size"] == sum(layer.size for layer in ONE.layers) + len(ONE.config.raw)
    assert image["config"]["config"]["Env"] == ["A=b c"]
    whole = describe(NamedArtifact(index_of(Artifact.of_image(ONE), Artifact.of_image(OTHER), annotations={"a": "b"})))
    assert [child["platform"] for child in whole["manifests"]] == ["linux/amd64", "linux/arm64/v8"]
    assert whole["annotations"] == {"a": "b"}
    other = describe(NamedArtifact(signature(ONE.digest)))
    assert other["artifact_type"] == "application/vnd.example.signature.v1"
    assert [blob["size"] for blob in other["blobs"]] == [2, 6]
    json.dumps([image, whole, other])


def test_histories_that_speak_of_other_layers_describe_none() -> None:
    config = ImageConfig.make({**ONE.config.document, "history": [{"created_by": "who knows"}]})
    described = describe(NamedArtifact.of(NamedImage(edit.with_config(ONE, config))))
    assert [layer["created_by"] for layer in described["layers"]] == [None, None]


def test_entries_of_layouts_are_deleted_and_collected(tmp_path: Path, transports: Transports) -> None:
    layout = tmp_path / "layout"
    write_layout(layout, [named(ONE, "app:1"), named(OTHER, "app:2")])
    (layout / "blobs/sha256/.x.part").write_bytes(b"abandoned")
    (layout / "README").write_text("of somebody")
    assert delete_image(place(f"oci:{layout}:1"), transports, dry_run=True) == f"`oci:{layout}:1`"
    assert collect_garbage(layout).size == len(b"abandoned")
    delete_image(place(f"oci:{layout}:1"), transports)
    with pytest.raises(NotFoundError, match="no image `1`"):
        delete_image(place(f"oci:{layout}:1"), transports)
    planned = collect_garbage(layout, dry_run=True)
    assert {path.name for path in planned.files} == {ONE.digest.hex, ONE.config.digest.hex, ONE.layers[1].digest.hex}
    assert collect_garbage(layout) == planned
    assert collect_garbage(layout).files == ()
    assert (layout / "README").exists()
    validate_image(open_image(place(f"oci:{layout}:2"), transports, platform=ARM64))
    delete_image(place(f"oci:{layout}:2"), transports)
    collect_garbage(layout)
    assert not list((layout / "blobs/sha256").iterdir())


@pytest.mark.parametrize("text", ["docker-archive:a.tar", "docker-daemon:app:1", "oci-archive:a.tar:1", "oci:-"])
def test_where_nothing_can_be_deleted(text: str, transports: Transports) -> None:
    with pytest.raises(InvalidInputError, match="nothing can be deleted"):
        delete_image(place(text), transports)


def test_a_layout_needs_a_name_to_delete(tmp_path: Path, transports: Transports) -> None:
    write_layout(tmp_path / "layout", [named(ONE, "app:1")])
    with pytest.raises(InvalidInputError, match="names no image"):
        delete_image(place(f"oci:{tmp_path}/layout"), transports)


def test_layers_that_came_uncompressed_are_compressed_for_registries(
    tmp_path: Path, server: RegistrySimulator, transports: Transports
) -> None:
    plain = make_layer({"big": b"a" * 100_000}, CompressionSetting(Compression.NONE))
    image = make_image(plain, plain)
    archive = legacy_archive(image)
    (tmp_path / "save.tar").write_bytes(archive)
    copy_images(place(f"docker-archive:{tmp_path}/save.tar"), place(f"{server.address}/app:1"), transports)
    pushed = open_image(place(f"{server.address}/app:1"), transports, platform=AMD64)
    assert [layer.media_type for layer in pushed.layers] == [media_types.OCI_LAYER_GZIP] * 2
    assert [layer.diff_id for layer in pushed.layers] == [layer.diff_id for layer in image.layers]
    assert pushed.config.raw == image.config.raw
    validate_image(pushed)
    none = CompressionSetting(Compression.NONE)
    source, layout = place(f"docker-archive:{tmp_path}/save.tar"), place(f"oci:{tmp_path}/layout:1")
    copy_images(source, layout, transports, compression=none)
    assert open_image(layout, transports, platform=AMD64).layers[0].digest == plain.digest
    copy_images(source, place(f"docker-archive:{tmp_path}/again.tar"), transports)
    assert open_image(place(f"{tmp_path}/again.tar"), transports, platform=AMD64).layers[0].digest == plain.digest


def test_uncompressed_layers_of_a_manifest_stay(
    tmp_path: Path, server: RegistrySimulator, transports: Transports
) -> None:
    image = make_image(make_layer({"a": b"a"}, CompressionSetting(Compression.NONE)))
    write_layout(tmp_path / "layout", [named(image, "app:1")])
    (copied,) = copy_images(place(f"oci:{tmp_path}/layout"), place(f"{server.address}/app:1"), transports)
    assert copied.digest == image.digest


def legacy_archive(image: Image) -> bytes:
    """As Docker 24 and older save an image."""
    names = [f"{number}/layer.tar" for number in range(len(image.layers))]
    config = f"{image.config.digest.hex}.json"
    listed = [{"Config": config, "RepoTags": ["app:1"], "Layers": names}]
    files = [(name, File(read_blob(layer))) for name, layer in zip(names, image.layers, strict=True)]
    return tar_bytes([*files, (config, File(image.config.raw)), ("manifest.json", File(json.dumps(listed).encode()))])
