from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import InvalidReferenceError, NotFoundError
from docker_envs.oci.reference import Reference
from docker_envs.registry.client import pull_image
from docker_envs.transports.registry.client import host_platform
from docker_envs.validate import validate_image
from tests.images import flattened, make_image, read_blob
from tests.simulators.registry import RegistrySimulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    image = make_image({"a": b"1"}, {"a": b"2"}, platform=host_platform())
    simulator.add_blob("team/app", image.config.raw)
    for layer in image.layers:
        simulator.add_blob("team/app", read_blob(layer))
    for tag in ("latest", "1"):
        simulator.add_manifest("team/app", tag, image.manifest.raw, image.media_type)
    with simulator.running():
        yield simulator


def test_layers_are_fetched_when_they_are_opened(server: RegistrySimulator) -> None:
    name = f"{server.address}/team/app"
    image = pull_image(name)
    assert (image.name, image.tag) == (name, "latest")
    assert not any(layer.digest in line for layer in image.layers for line in server.asked)
    assert flattened(image.image) == {"a": b"2"}
    assert all(any(layer.digest in line for line in server.asked) for layer in image.layers)
    validate_image(image.image)


def test_a_tag_of_its_own(server: RegistrySimulator) -> None:
    name = f"{server.address}/team/app"
    assert pull_image(name, "1").tag == "1"
    assert pull_image(name, tag="1").layers[0].origin == Reference.parse(f"{name}:1")
    with pytest.raises(NotFoundError):
        pull_image(name, "2")


@pytest.mark.parametrize(("name", "tag"), [("app:1", "2"), ("APP", "1"), ("app", "a b"), ("", "1")])
def test_what_is_no_name_or_tag(name: str, tag: str) -> None:
    with pytest.raises(InvalidReferenceError):
        pull_image(name, tag)
