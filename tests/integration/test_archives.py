"""What skopeo, umoci and the engine say about archives and layouts that we wrote, and we about theirs."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.oci import edit, media_types
from docker_envs.oci.reference import Reference
from docker_envs.transports.engine.client import Engine as EngineClient
from docker_envs.transports.files.docker_archive import read_archive, write_archive
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.base_image import CMD, ENV, LABELS
from tests.images import flattened, make_layer, named
from tests.oracle import read_tree
from tests.services import require_programs

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.image import Image, NamedImage
    from tests.base_image import BaseImage
    from tests.services import Engine

ADDED = {"etc/layer": b"added\n", "srv/added.txt": b"added\n"}
NAME = "127.0.0.1:5000/team/app:1"


def skopeo(*arguments: str | Path) -> bytes:
    require_programs("skopeo")
    command = ["skopeo", "--insecure-policy", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def extended(base_layout: Path, compression: str = "gzip") -> Image:
    (base,) = read_layout(base_layout, reference="single")
    layer = make_layer(ADDED, CompressionSetting.parse(compression) if compression != "gzip" else None)
    return edit.append_layer(base.image, layer, history={"created_by": "the test"})


@pytest.fixture
def written(base_layout: Path, tmp_path: Path) -> Path:
    write_archive([named(extended(base_layout), NAME)], tmp_path / "app.tar")
    return tmp_path / "app.tar"


@pytest.mark.parametrize("source", ["docker-archive", "oci-archive"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_skopeo_copies_our_archives(base_layout: Path, tmp_path: Path, source: str, compression: str) -> None:
    image = extended(base_layout, compression)
    write_archive([named(image, NAME)], tmp_path / "app.tar")
    suffix = {"docker-archive": NAME, "oci-archive": "1"}[source]
    skopeo("copy", "-q", f"{source}:{tmp_path}/app.tar:{suffix}", f"oci:{tmp_path}/copy:x")
    (copied,) = read_layout(tmp_path / "copy", reference="x")
    validate_image(copied.image)
    assert copied.image.config.diff_ids == image.config.diff_ids
    assert flattened(copied.image) == flattened(image)
    assert copied.image.config.container["Cmd"] == list(CMD)
    if source == "oci-archive" and compression == "gzip":  # skopeo compresses what is not
        assert copied.image.manifest.raw == image.manifest.raw


def test_skopeo_copies_zstd_from_our_oci_archives(base_layout: Path, tmp_path: Path) -> None:
    image = extended(base_layout, "zstd")
    write_archive([named(image, NAME)], tmp_path / "app.tar")
    skopeo("copy", "-q", f"oci-archive:{tmp_path}/app.tar:1", f"oci:{tmp_path}/copy:x")
    assert read_layout(tmp_path / "copy")[0].image.digest == image.digest


@pytest.mark.parametrize("shape", ["oci", "docker"])
def test_skopeo_and_umoci_take_images_of_both_formats(base_image: BaseImage, tmp_path: Path, shape: str) -> None:
    base = RegistryClient().image(Reference.parse(getattr(base_image, shape)))
    image = edit.append_layer(base, make_layer(ADDED), history={"created_by": "the test"})
    assert media_types.is_docker(image.manifest.media_type) == (shape == "docker")
    write_layout(tmp_path / "layout", [named(image, NAME)])
    write_archive([named(image, NAME)], tmp_path / "app.tar")
    for place in (
        f"oci:{tmp_path}/layout:1",
        f"oci-archive:{tmp_path}/app.tar:1",
        f"docker-archive:{tmp_path}/app.tar",
    ):
        config: Any = json.loads(skopeo("inspect", "--config", place))
        assert config["config"]["Env"] == list(ENV)
        assert config["config"]["Labels"] == LABELS
        assert config["rootfs"]["diff_ids"] == list(image.config.diff_ids)
        assert len(json.loads(skopeo("inspect", place))["Layers"]) == 4
    require_programs("umoci")
    command = ["umoci", "unpack", "--image", f"{tmp_path}/layout:1", f"{tmp_path}/bundle"]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "bundle/rootfs/etc/layer").read_bytes() == b"added\n"


@pytest.mark.parametrize("how", ["directory", "archive"])
def test_umoci_unpacks_what_we_write(base_layout: Path, tmp_path: Path, written: Path, how: str) -> None:
    require_programs("umoci")
    if how == "archive":
        skopeo("copy", "-q", f"oci-archive:{written}:1", f"oci:{tmp_path}/layout:1")
    else:
        write_layout(tmp_path / "layout", [named(extended(base_layout), NAME)])
    command = ["umoci", "unpack", "--image", f"{tmp_path}/layout:1", f"{tmp_path}/bundle"]
    subprocess.run(command, check=True, capture_output=True)
    tree = read_tree(tmp_path / "bundle/rootfs")
    assert (tmp_path / "bundle/rootfs/etc/layer").read_bytes() == b"added\n"
    assert "etc/doomed" not in tree
    assert tree["tmp"].mode == 0o1777


def test_we_add_to_layouts_of_others_and_they_to_ours(base_layout: Path, tmp_path: Path) -> None:
    path = tmp_path / "layout"
    skopeo("copy", "-q", f"oci:{base_layout}:single", f"oci:{path}:theirs")
    write_layout(path, [named(extended(base_layout), NAME)])
    skopeo("copy", "-q", f"oci:{path}:1", f"oci:{path}:again")
    digests = {name: read_layout(path, reference=name)[0].image.digest for name in ("theirs", "1", "again")}
    assert digests["1"] == digests["again"] != digests["theirs"]
    for each in read_layout(path):
        validate_image(each.image)


@pytest.mark.parametrize("target", ["docker-archive", "oci-archive"])
def test_we_read_what_skopeo_writes(base_layout: Path, tmp_path: Path, target: str) -> None:
    skopeo("copy", "-q", f"oci:{base_layout}:single", f"{target}:{tmp_path}/theirs.tar:{NAME}")
    (theirs,) = read_archive(tmp_path / "theirs.tar")
    (base,) = read_layout(base_layout, reference="single")
    assert theirs.references == named(base.image, NAME).references
    assert theirs.image.config.diff_ids == base.image.config.diff_ids
    assert flattened(theirs.image) == flattened(base.image)
    validate_image(theirs.image)


def test_the_engine_loads_and_runs_our_archives(engine: Engine, written: Path) -> None:
    with written.open("rb") as file:
        (loaded,) = engine.client.images.load(file)
    (image,) = read_archive(written)
    assert loaded.id == image.image.config.digest
    assert loaded.tags == [NAME]
    script = "cat /etc/layer /srv/added.txt /srv/second.txt; test -e /etc/doomed || echo gone; echo $FIXTURE"
    assert engine.run(NAME, "/bin/sh", "-c", script) == "added\nadded\nsecond\ngone\nbase image\n"


def test_several_images_in_one_file(engine: Engine, base_layout: Path, tmp_path: Path) -> None:
    (base,) = read_layout(base_layout, reference="single")
    images = [named(base.image, "several/base:1"), named(extended(base_layout), "several/app:1", "several/app:2")]
    write_archive(images, tmp_path / "images.tar")
    with (tmp_path / "images.tar").open("rb") as file:
        loaded = engine.client.images.load(file)
    assert {tag for image in loaded for tag in image.tags} >= {"several/base:1", "several/app:1", "several/app:2"}
    assert engine.run("several/base:1", "cat", "/etc/layer") == "third\n"
    assert engine.run("several/app:2", "cat", "/etc/layer") == "added\n"


def test_a_file_that_the_engine_saved(engine: Engine, base_image: BaseImage, tmp_path: Path) -> None:
    engine.client.images.pull(base_image.oci)
    image = engine.client.images.get(base_image.oci)
    with (tmp_path / "saved.tar").open("wb") as file:
        for chunk in image.save(named=True):
            file.write(chunk)
    (saved,) = read_archive(tmp_path / "saved.tar")
    assert [reference.familiar for reference in saved.references] == [base_image.oci]
    assert saved.image.config.digest == image.id
    assert flattened(saved.image)["etc/layer"] == b"third\n"
    validate_image(saved.image)


@pytest.fixture
def saved(each_engine: Engine, base_layout: Path) -> Image:
    """An image in the engine, as `saved/app:1` and `saved/app:2`, that has one layer twice."""
    (base,) = read_layout(base_layout, reference="single")
    layer = make_layer(ADDED)
    image = edit.append_layer(base.image, layer, history={})
    image = edit.append_layer(image, make_layer({"etc/layer": b"between\n"}), history={})
    image = edit.append_layer(image, layer, history={})
    with EngineClient(each_engine.host) as client:
        client.load([named(image, "saved/app:1", "saved/app:2")])
    return image


def check_saved(read: NamedImage, saved: Image, *names: str) -> None:
    assert {reference.familiar for reference in read.references} == set(names)
    assert read.image.config.diff_ids == saved.config.diff_ids
    assert flattened(read.image) == flattened(saved)
    validate_image(read.image)


def test_an_image_that_has_one_layer_twice(each_engine: Engine, saved: Image, tmp_path: Path) -> None:
    references = [Reference.parse("saved/app:1"), Reference.parse("saved/app:2")]
    with EngineClient(each_engine.host) as client:
        client.save(references, tmp_path / "saved.tar")
    (read,) = read_archive(tmp_path / "saved.tar")
    check_saved(read, saved, "saved/app:1", "saved/app:2")
    assert read.image.config.digest == saved.config.digest


@pytest.mark.parametrize("packer", [["cat"], ["gzip", "-1"], ["zstd", "-1"]])
@pytest.mark.parametrize("name", ["saved/app:1", "id"])
def test_streams_compressed_by_other_programs(each_engine: Engine, saved: Image, packer: list[str], name: str) -> None:
    require_programs(packer[0])
    source = saved.config.digest if name == "id" else name
    chunks = each_engine.client.api.get_image(source)
    with subprocess.Popen(packer, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        reader = cast("BinaryIO", process.stdout)
        with ThreadPoolExecutor(1) as pool:
            read = pool.submit(read_archive, reader)
            with process.stdin:
                for chunk in chunks:
                    process.stdin.write(chunk)
            (found,) = read.result()
    check_saved(found, saved, *[name] * (name != "id"))


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive", "oci-dir"])
def test_what_podman_saves(podman: Engine, base_layout: Path, tmp_path: Path, kind: str) -> None:
    image = extended(base_layout)
    with EngineClient(podman.host) as client:
        client.load([named(image, f"podman/{kind}:1")])
    command = ["podman", "--remote", "--url", podman.host, "save", "--quiet", "--format", kind]
    subprocess.run([*command, "-o", tmp_path / "saved", f"podman/{kind}:1"], check=True)
    (found,) = read_layout(tmp_path / "saved") if kind == "oci-dir" else read_archive(tmp_path / "saved")
    check_saved(found, image, f"podman/{kind}:1")


def test_several_images_that_podman_saves(podman: Engine, base_layout: Path, tmp_path: Path) -> None:
    (base,) = read_layout(base_layout, reference="single")
    image = extended(base_layout)
    with EngineClient(podman.host) as client:
        client.load([named(image, "podman/a:1", "podman/a:2"), named(base.image, "podman/b:1")])
    command = ["podman", "--remote", "--url", podman.host, "save", "--quiet", "--multi-image-archive"]
    names = ["podman/a:1", "podman/a:2", "podman/b:1"]
    subprocess.run([*command, "-o", tmp_path / "saved.tar", *names], check=True)
    first, second = sorted(read_archive(tmp_path / "saved.tar"), key=lambda each: -len(each.references))
    check_saved(first, image, "podman/a:1", "podman/a:2")
    check_saved(second, base.image, "podman/b:1")
