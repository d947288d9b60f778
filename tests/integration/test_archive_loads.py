"""One archive of ours, as it is, in every tool that reads archives: configs, layers and names come out right."""

from __future__ import annotations

import json
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.oci import edit
from docker_envs.oci.artifact import Artifact, to_oci
from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.engine.client import Engine as EngineClient
from docker_envs.transports.files.docker_archive import read_archive, write_archive
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.base_image import CMD, ENV, HOST_ARCHITECTURE, LABELS
from tests.images import AMD64, ARM64, flattened, make_layer, named
from tests.services import Containerd, require_programs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker_envs.oci.image import Image
    from tests.base_image import BaseImage
    from tests.services import Engine

HERE = ARM64 if HOST_ARCHITECTURE == "arm64" else AMD64
REPEATED = make_layer({"srv/repeated": b"twice\n"})


def on_top(base: Image, text: str) -> Image:
    """The base with a layer of its own, between two that are the same."""
    for layer in (REPEATED, make_layer({"etc/layer": text.encode()}), REPEATED):
        base = edit.append_layer(base, layer, history={"created_by": text})
    return base


@dataclass(frozen=True)
class Bases:
    """The base image in several forms."""

    layout: Path
    registry: BaseImage

    @property
    def oci(self) -> Image:
        return read_layout(self.layout, reference="single")[0].image

    @property
    def docker(self) -> Image:
        return RegistryClient().image(Reference.parse(self.registry.docker))

    @property
    def index(self) -> tuple[Image, ...]:
        return read_layout(self.layout, reference="index")[0].images


def _index(bases: Bases) -> list[NamedImage]:
    first, *others = (on_top(image, "of an index") for image in bases.index)
    return [NamedImage(first, (Reference.parse("loads/index:1"),), tuple(others))]


SHAPES: dict[str, Callable[[Bases], list[NamedImage]]] = {
    "one": lambda bases: [named(on_top(bases.oci, "one"), "loads/one:1", "127.0.0.1:5000/team/one:2")],
    "of Docker's format": lambda bases: [named(on_top(bases.docker, "docker"), "loads/docker:1")],
    "several": lambda bases: [
        named(on_top(bases.oci, "first"), "loads/several:1", "loads/first:1"),
        named(on_top(bases.oci, "second"), "loads/several:2"),
        named(on_top(bases.docker, "third"), "loads/third:1"),
    ],
    "of an index": _index,
}


@pytest.fixture(params=SHAPES)
def images(request: pytest.FixtureRequest, base_layout: Path, base_image: BaseImage) -> list[NamedImage]:
    return SHAPES[request.param](Bases(base_layout, base_image))


@pytest.fixture
def archive(images: list[NamedImage], tmp_path: Path) -> Path:
    write_archive(images, tmp_path / "images.tar", platform=HERE)
    return tmp_path / "images.tar"


def run(*command: str | Path) -> bytes:
    require_programs(str(command[0]))
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE).stdout


def layer_text(image: Image) -> str:
    return flattened(image)["etc/layer"].decode()


def check_config(config: Any, image: Image) -> None:
    assert config["config"]["Env"] == list(ENV)
    assert config["config"]["Cmd"] == list(CMD)
    assert config["config"]["Labels"] == LABELS
    assert config["rootfs"]["diff_ids"] == list(image.config.diff_ids)


def test_engines(each_engine: Engine, images: list[NamedImage], archive: Path) -> None:
    with EngineClient(each_engine.host) as client:
        assert set(client.load(archive)) == {name.familiar for each in images for name in each.references}
    for each in images:
        image = each.image_for(HERE)
        for reference in each.references:
            loaded = each_engine.client.images.get(str(reference))
            assert loaded.id == image.config.digest
            assert loaded.attrs["RootFS"]["Layers"] == list(image.config.diff_ids)
            assert (
                each_engine.run(str(reference), "cat", "/etc/layer", "/srv/repeated") == layer_text(image) + "twice\n"
            )


def test_the_program_of_podman(podman: Engine, images: list[NamedImage], archive: Path) -> None:
    command = ["podman", "--remote", "--url", podman.host]
    run(*command, "load", "--quiet", "--input", archive)
    for each in images:
        for reference in each.references:
            (found,) = json.loads(run(*command, "image", "inspect", str(reference)))
            assert f"sha256:{found['Id']}" == each.image_for(HERE).config.digest


def test_containerd(containerd: Containerd, images: list[NamedImage], archive: Path) -> None:
    containerd.ctr("images", "import", "--all-platforms", archive)
    for each in images:
        target = to_oci(Artifact.of_named(each))
        for reference in each.references:
            (row,) = (line.split() for line in containerd.ctr("images", "ls").splitlines() if str(reference) in line)
            assert row[2] == target.digest
            # `check` compares every blob, and says whether the snapshots of all layers could be made.
            (checked,) = (line for line in containerd.ctr("images", "check").splitlines() if str(reference) in line)
            assert " complete " in checked
            assert checked.split()[-1] == "true"
        for image in each.images:
            assert containerd.ctr("content", "get", image.config.digest).encode() == image.config.raw


@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
def test_skopeo(images: list[NamedImage], archive: Path, tmp_path: Path, kind: str) -> None:
    tags = [reference.tag for each in images for reference in each.references]
    for each in images:
        for number, reference in enumerate(each.references):
            if kind == "oci-archive" and tags.count(reference.tag) > 1:
                continue  # skopeo finds images by the tag alone
            name = reference.tag if kind == "oci-archive" else str(reference)
            target = tmp_path / f"{each.image.digest.short}-{number}"
            run("skopeo", "--insecure-policy", "copy", "-q", f"{kind}:{archive}:{name}", f"oci:{target}:x")
            (copied,) = read_layout(target, reference="x")
            image = each.image_for(HERE)
            assert flattened(copied.image) == flattened(image)
            check_config(json.loads(copied.image.config.raw), image)
            validate_image(copied.image)


def test_umoci(images: list[NamedImage], archive: Path, tmp_path: Path) -> None:
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "layout", filter="data")
    tags = [reference.tag for each in images for reference in each.references]
    found = 0
    for each in images:
        for number, reference in enumerate(each.references):
            if tags.count(reference.tag) > 1 or each.variants:
                continue  # umoci finds images by the tag alone, and knows no indexes
            bundle = tmp_path / f"{each.image.digest.short}-{number}"
            run("umoci", "unpack", "--image", f"{tmp_path}/layout:{reference.tag}", bundle)
            assert (bundle / "rootfs/etc/layer").read_text() == layer_text(each.image)
            assert not (bundle / "rootfs/etc/doomed").exists()
            found += 1
    assert found or len(images) > 1 or images[0].variants


def test_what_it_is_read_back_as(images: list[NamedImage], archive: Path) -> None:
    for given, read in zip(images, read_archive(archive), strict=True):
        assert read.references == given.references
        assert [image.config.digest for image in read.images] == [image.config.digest for image in given.images]
