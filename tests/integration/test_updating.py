"""One package of an image in a real registry becomes another: what moves, and that it runs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.base_image import HOST_ARCHITECTURE, push_base_image
from tests.builds import docker_envs
from tests.services import run_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.builds import Outcome
    from tests.services import Engine

PLATFORM = f"linux/{HOST_ARCHITECTURE}"


@pytest.fixture
def registry_folder(tmp_path: Path) -> Path:
    (tmp_path / "registry").mkdir()
    return tmp_path / "registry"


@pytest.fixture
def image(registry_folder: Path, base_layout: Path, tmp_path: Path, channel: Path) -> Iterator[str]:
    """An image with an older `greeting` than there is."""
    with run_registry(registry_folder) as address:
        base = push_base_image(base_layout, address).oci
        name = f"{address}/team/app:1"
        specs = ("hello-sh", "python 3.11.*", "purelib", "greeting=1.1")
        run(tmp_path, "build", *specs, "--base", base, "-c", channel.as_uri(), "--platform", PLATFORM, "--push", name)
        yield name


def run(tmp_path: Path, *arguments: str | Path, cache: str = "cache") -> Outcome:
    done = docker_envs(*arguments, cache=tmp_path / cache)
    assert done.status == 0, done.stderr
    return done


def test_one_layer_moves(image: str, registry_folder: Path, tmp_path: Path, channel: Path, engine: Engine) -> None:
    """The layer of the package and the record's; on a machine that never had the layers of the image."""
    target = image.removesuffix("1") + "2"
    log = registry_folder / "log"
    start = log.stat().st_size
    document = run(tmp_path, "update", image, "greeting", "-c", channel.as_uri(), "--to", target, "--json",
                   cache="other").document  # fmt: skip
    asked = log.read_bytes()[start:].decode()
    before, after = (RegistryClient().image(Reference.parse(name)) for name in (image, target))
    validate_image(after)
    known = {layer.digest for layer in before.layers}
    new = [layer for layer in after.layers if layer.digest not in known]
    uploaded = re.findall(r'"PUT /v2/team/[^ ]*/blobs/uploads/[^ ]*digest=sha256%3A([0-9a-f]+)', asked)
    assert set(uploaded) == {each.hex for each in (*(layer.digest for layer in new), after.config.digest)}
    downloaded = set(re.findall(r'"GET /v2/[^ ]*/blobs/(sha256:[0-9a-f]+)', asked))
    assert downloaded & known == {before.layers[-1].digest}
    assert (document["layers_new"], document["layers_kept"], len(new)) == (1, 3, 2)
    difference = json.loads(docker_envs("diff", image, target, "--json", cache=tmp_path / "cache").stdout)
    assert [each["name"] for each in difference["packages"]["changed"]] == ["greeting"]
    assert (difference["packages"]["added"], difference["packages"]["removed"]) == ([], [])
    assert {layer["digest"] for layer in difference["layers"]["added"]} == {layer.digest for layer in new}
    assert difference["pull"] == {"layers": 2, "size": document["new_size"]}
    assert engine.run(target, "hello") == "hello from /opt/conda\n"
    run(tmp_path, "verify", target, "-c", channel.as_uri())


def test_what_is_removed_is_gone(image: str, tmp_path: Path, channel: Path, engine: Engine) -> None:
    done = run(tmp_path, "remove", image, "purelib", "-c", channel.as_uri(), "--same-tag", "--json")
    assert (done.document["layers_new"], done.document["layers_kept"]) == (0, 3)
    script = "ls /opt/conda/conda-meta"
    assert "purelib" not in engine.run(image, "/bin/sh", "-c", script)
