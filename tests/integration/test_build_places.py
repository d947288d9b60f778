"""Bases from files, layouts and engines, and an image on standard output."""

from __future__ import annotations

import io
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from docker_envs.oci.image import NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import read_archive, write_archive
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.validate import validate_image
from tests.builds import AMD64, docker_envs, environment, read_image_file
from tests.images import ARM64, make_image, make_layer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.services import Engine

BASE = make_image(make_layer({"etc/os-release": b"ID=test\n"}))
OTHER = make_image(make_layer({"etc/os-release": b"ID=other\n"}), platform=ARM64)
NAMED = NamedImage(BASE, (Reference.parse("example.org/base:1"),))


def in_archive(folder: Path) -> str:
    write_archive([NAMED], folder / "base.tar")
    return f"docker-archive:{folder}/base.tar"


def in_layout(folder: Path) -> str:
    write_layout(folder / "base", [NamedImage(BASE, NAMED.references, (OTHER,))])
    return f"oci:{folder}/base:1"


@pytest.mark.parametrize("place", [in_archive, in_layout])
def test_bases_in_files(place: Callable[[Path], str], channel: Path, tmp_path: Path) -> None:
    done = docker_envs(
        *("build", "--base", place(tmp_path), "--platform", AMD64, "-c", channel.as_uri(), "hello-sh", "--force"),
        *("--output", tmp_path / "image.tar", "--json"),
        cache=tmp_path / "cache",
    )
    image = read_image_file(tmp_path / "image.tar")
    assert done.digest == image.digest
    assert image.layers[0].diff_id == BASE.layers[0].diff_id
    assert image.config.env["A"] == "b c"


def test_a_base_in_the_engine(engine: Engine, channel: Path, tmp_path: Path) -> None:
    write_archive([NamedImage(BASE, (Reference.parse("base-in-engine:1"),))], tmp_path / "base.tar")
    engine.client.images.load((tmp_path / "base.tar").read_bytes())
    done = docker_envs(
        *("build", "--base", "docker-daemon:base-in-engine:1", "-c", channel.as_uri(), "hello-sh", "--force"),
        *("--platform", AMD64, "--output", tmp_path / "image.tar", "--json"),
        cache=tmp_path / "cache",
    )
    image = read_image_file(tmp_path / "image.tar")
    assert done.digest == image.digest
    # What an engine calls it, others do not know.
    assert not any(name.startswith("org.opencontainers.image.base") for name in image.annotations)


def test_an_image_on_standard_output(channel: Path, tmp_path: Path) -> None:
    command = ["build", "--base", "scratch", "-c", channel.as_uri(), "hello-sh", "--output", "-", "--image", "piped:1"]
    done = subprocess.run(
        [sys.executable, "-m", "docker_envs", *command], env=environment(tmp_path / "cache"), capture_output=True
    )
    assert done.returncode == 0, done.stderr
    (found,) = read_archive(io.BytesIO(done.stdout))
    validate_image(found.image)
    assert str(found.references[0]) == "docker.io/library/piped:1"
    assert found.image.digest in done.stderr.decode()
