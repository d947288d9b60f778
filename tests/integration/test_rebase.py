"""Rebased images in a real registry, run by a real engine."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.base_image import HOST_ARCHITECTURE, push_base_image
from tests.builds import docker_envs
from tests.services import run_registry, settled_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.services import Engine

PLATFORM = f"linux/{HOST_ARCHITECTURE}"
IMAGES = 6


@pytest.fixture
def registry_folder(tmp_path: Path) -> Path:
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry"


@pytest.fixture
def place(registry_folder: Path, base_layout: Path, tmp_path: Path) -> Iterator[str]:
    """A registry with `base:1`, and `patched:1`, which shares no layer with it; both say that they are Ubuntu."""
    with run_registry(registry_folder) as address:
        base = push_base_image(base_layout, address).oci
        (tmp_path / "patched").write_text("patched\n")
        labels = ["-l", "org.opencontainers.image.ref.name=ubuntu", "-l", "org.opencontainers.image.version=24.04"]
        run(tmp_path, "mutate", base, *labels, "-t", f"{address}/base:1")
        run(tmp_path, "flatten", f"{address}/base:1", "-t", f"{address}/flat:1")
        run(tmp_path, "append", f"{address}/flat:1", "--path", f"{tmp_path}/patched:/etc/patched",
            "-t", f"{address}/appended:1")  # fmt: skip
        run(tmp_path, "mutate", f"{address}/appended:1", "-e", "FIXTURE=patched", "-t", f"{address}/patched:1")
        yield address


def run(tmp_path: Path, *arguments: str | Path) -> str:
    done = docker_envs(*arguments, cache=tmp_path / "cache")
    assert done.status == 0, done.stderr
    return done.stdout


def build(tmp_path: Path, channel: Path, base: str, number: int, target: str) -> str:
    """Build an image of a configuration of its own; its digest."""
    fixed = ("build", "--base", base, "--channel", channel.as_uri(), "hello-sh", "--platform", PLATFORM, "--json")
    document = json.loads(run(tmp_path, *fixed, "--env", f"NUMBER={number}", "--push", target))
    return str(document["digest"])


def test_many_images(place: str, registry_folder: Path, tmp_path: Path, channel: Path, engine: Engine) -> None:
    base, patched = f"{place}/base:1", f"{place}/patched:1"
    names = [f"{place}/team/app-{number}:1" for number in range(IMAGES)]
    for number, name in enumerate(names):
        build(tmp_path, channel, base, number, name)
    (tmp_path / "list").write_text("\n".join(names))
    log = registry_folder / "log"
    start = len(settled_log(log))
    document = json.loads(run(tmp_path, "rebase", "--file", tmp_path / "list", "--onto", patched, "--json"))
    asked = settled_log(log)[start:]
    assert (document["rebased"], document["base_bytes_sent"]) == (IMAGES, 0)
    images = [RegistryClient().image(Reference.parse(name)) for name in names]
    for image in images:
        validate_image(image)
    # All that was uploaded are configs, and all that was downloaded are those of the images and bases.
    configs = {image.config.digest for image in images}
    assert set(re.findall(r'"PUT /v2/team/[^ ]*/blobs/uploads/[^ ]*digest=(sha256%3A[0-9a-f]+)', asked)) == {
        digest.replace(":", "%3A") for digest in configs
    }
    assert not re.search(r'"PATCH /v2/', asked)
    layers = {layer.digest for image in images for layer in image.layers}
    assert not layers & set(re.findall(r'"GET /v2/[^ ]*/blobs/(sha256:[0-9a-f]+)', asked))
    for number, name in enumerate(names):
        script = "cat /etc/patched; echo $NUMBER $FIXTURE; hello"
        assert engine.run(name, "/bin/sh", "-c", script).splitlines() == [
            "patched", f"{number} patched", "hello from /opt/conda"
        ]  # fmt: skip


def test_a_rebased_image_is_what_a_build_on_the_new_base_makes(place: str, tmp_path: Path, channel: Path) -> None:
    name = f"{place}/team/app:1"
    build(tmp_path, channel, f"{place}/base:1", 1, name)
    run(tmp_path, "rebase", name, "--onto", f"{place}/patched:1")
    expected = build(tmp_path, channel, f"{place}/patched:1", 1, f"{place}/team/built:1")
    assert RegistryClient().digest(Reference.parse(name)) == expected


def test_an_image_of_a_dockerfile(place: str, tmp_path: Path, engine: Engine) -> None:
    base, name = f"{place}/fixture/base:docker", f"{place}/team/dockerfile:1"
    engine.client.images.pull(base)
    lines = [f"FROM {base}", "ENV OWN=1 PATH=/own:$PATH", "WORKDIR /made", 'CMD ["/bin/cat", "/etc/patched"]']
    engine.client.images.build(fileobj=io.BytesIO("\n".join(lines).encode()), tag=name, network_mode="none")
    engine.client.images.push(name)
    run(tmp_path, "rebase", name, "--onto", f"{place}/patched:1", "--old-base", base, "--to", f"{place}/team/new:1")
    assert engine.run(f"{place}/team/new:1") == "patched\n"
    script = "echo $OWN $FIXTURE $PATH; pwd"
    assert engine.run(f"{place}/team/new:1", "/bin/sh", "-c", script).splitlines() == [
        "1 patched /own:/usr/local/bin:/usr/bin:/bin", "/made"
    ]  # fmt: skip
