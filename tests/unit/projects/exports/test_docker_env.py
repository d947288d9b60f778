"""`docker-env.yaml` of an image: read as a project, it says what the record does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.request import PythonLayout
from docker_envs.environments.debian.declarations.declaration import Seed
from docker_envs.images.container import ContainerSettings, Healthcheck
from docker_envs.oci.edit import append_layer, with_annotations
from docker_envs.oci.reference import Reference
from docker_envs.planner.layering import Grouping, Strategy, UserGroup
from docker_envs.projects.exports.docker_env import docker_env_yaml
from docker_envs.projects.model import InlineEnvironment
from docker_envs.projects.read_project import read_project
from docker_envs.records.record import RecordedContainer, RecordedLayer, RecordedPython, RecordedSettings
from tests.images import make_layer
from tests.recorded import BASE_DIGEST, image, package, record, recorded_image

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.oci.image import Image
    from docker_envs.projects.model import ImageDeclaration
    from docker_envs.records.record import Record

BASE = {
    "org.opencontainers.image.base.name": "docker.io/library/debian:12",
    "org.opencontainers.image.base.digest": BASE_DIGEST,
}


def read(folder: Path, made: Image, found: Record) -> ImageDeclaration:
    path = folder / "docker-env.yaml"
    path.write_text(docker_env_yaml(made, found))
    (only,) = read_project(path, variables={}).images
    return only


def test_plain(tmp_path: Path) -> None:
    plain = record(package("zlib"))
    only = read(tmp_path, with_annotations(recorded_image(plain), BASE), plain)
    assert str(only.base) == f"docker.io/library/debian:12@{BASE_DIGEST}"
    assert only.environments == (InlineEnvironment(("conda-forge", "nodefaults"), ("zlib=1.3.1=h_0",)),)
    assert only.config == ContainerSettings()
    assert (only.max_layers, only.grouping, only.prefix) == (64, Grouping(), None)


def test_everything(tmp_path: Path) -> None:
    full = record(
        package("zlib"),
        prefix="/opt/other",
        variables={"A": "1.10"},
        settings=RecordedSettings(
            filters=("docs", "tests"), compile="always", keep_setuid=True, activation="none", compression="zstd:3",
            max_layers=40, layers="one", groups=("science=numpy,scipy*", "b=x"),
        ),
        container=RecordedContainer(
            entrypoint=(), cmd=("python", "-c", "print('a: b')"), user="1000", workdir="/app",
            env={"N": "1", "T": "yes"}, labels={"a.b": "${HOME}"}, ports=("80/tcp",), volumes=("/data",),
            stop_signal="SIGINT", shell=("/bin/sh",),
            healthcheck=Healthcheck(test=("CMD", "true"), interval=1_500_000_000, retries=3),
        ),
    )  # fmt: skip
    only = read(tmp_path, recorded_image(full), full)
    assert only.config == ContainerSettings(
        entrypoint=(), cmd=("python", "-c", "print('a: b')"), user="1000", workdir="/app", env={"N": "1", "T": "yes"},
        labels={"a.b": "${HOME}"}, ports=("80/tcp",), volumes=("/data",), stop_signal="SIGINT", shell=("/bin/sh",),
        healthcheck=Healthcheck(test=("CMD", "true"), interval=1_500_000_000, retries=3),
    )  # fmt: skip
    groups = (UserGroup("science", ("numpy", "scipy*")), UserGroup("b", ("x",)))
    assert (only.max_layers, only.grouping) == (40, Grouping(Strategy.ONE, groups))
    assert sorted(only.filters) == ["docs", "tests"]
    assert (only.compile, only.keep_setuid, only.activation) == ("always", True, "none")
    assert (str(only.compression), only.prefix) == ("zstd:3", "/opt/other")
    (environment,) = only.environments
    assert isinstance(environment, InlineEnvironment)
    assert environment.variables == {"A": "1.10"}


@pytest.mark.parametrize(("annotations", "base"), [(BASE, Reference), ({}, None)])
def test_base(tmp_path: Path, annotations: dict[str, str], base: object) -> None:
    some = record(package("zlib"))
    made = append_layer(recorded_image(some), make_layer({"x": b""}), history={})
    only = read(tmp_path, with_annotations(made, annotations), some)
    assert (only.base is None) is (base is None)


def test_scratch_and_epoch(tmp_path: Path) -> None:
    some = record(package("zlib"))
    made = append_layer(append_layer(image(), make_layer({"a": b""}), history={}), make_layer({"b": b""}), history={})
    only = read(tmp_path, made, some)
    assert only.base == "scratch"
    assert only.epoch == 1714972089


def test_layers_that_it_cannot_hold(tmp_path: Path) -> None:
    layers = (RecordedLayer(diff_id="x", title="files:\nevil: 1"), RecordedLayer(diff_id="y", title="entrypoint"))
    some = record(package("zlib"), layers=layers)
    text = docker_env_yaml(recorded_image(some), some)
    assert text.startswith("# not here: files: evil: 1\n")
    assert "entrypoint" not in text


def test_debian_packages_and_a_virtual_environment(tmp_path: Path) -> None:
    facts = {"build": "", "subdir": "amd64"}
    some = record(
        package("flask", kind="pypi", version="3.0", url="https://x/flask-3.0-py3-none-any.whl"),
        package("python3", kind="deb", version="3.13.5-1", url="http://x/pool/python3.deb", **facts),
        prefix="/opt/venv",
        python=RecordedPython(layout="venv", program="/usr/bin/python3", version="3.13", site_packages="lib"),
        variables={"A": "1"},
        layers=(RecordedLayer(diff_id="x", title="system of the Debian packages"),),
    )
    only = read(tmp_path, recorded_image(some), some)
    assert only.apt is not None
    assert [str(each) for each in only.apt.requests] == ["python3=3.13.5-1"]
    assert only.apt.seed is Seed.NONE
    (environment,) = only.environments
    assert isinstance(environment, InlineEnvironment)
    assert (environment.channels, environment.dependencies, environment.variables) == ((), (), {})
    assert len(environment.pip) == 1
    assert (only.prefix, only.python_layout, only.config.env) == (None, PythonLayout.VENV, {"A": "1"})
    assert "system of" not in docker_env_yaml(recorded_image(some), some)


def test_debian_packages_alone(tmp_path: Path) -> None:
    some = record(package("git", kind="deb", version="1:2.47-1", subdir="amd64"), prefix="/usr")
    only = read(tmp_path, recorded_image(some), some)
    assert (only.environments, only.prefix) == ((), None)
    assert "# not here: where Debian packages are from" in docker_env_yaml(recorded_image(some), some)


@pytest.mark.parametrize(
    ("layout", "prefix", "expected"),
    [("venv", "/opt/venv", None), ("venv", "/srv/env", "/srv/env"), ("base", "/usr/local", None)],
    ids=["usual", "elsewhere", "base"],
)
def test_the_python_of_the_base(tmp_path: Path, layout: str, prefix: str, expected: str | None) -> None:
    python = RecordedPython(layout=layout, program="/usr/bin/python3.11", version="3.11", site_packages="lib/x")
    some = record(package("zlib"), prefix=prefix, python=python)
    only = read(tmp_path, recorded_image(some), some)
    assert (only.python_layout, only.prefix) == (layout, expected)
