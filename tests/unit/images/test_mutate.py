from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from docker_envs.errors import InvalidInputError
from docker_envs.images.mutate import Mutation, mutate_image
from docker_envs.oci import edit, media_types
from docker_envs.oci.descriptor import Platform
from docker_envs.validate import validate_image
from tests.unit.images import make_image, text_layer

CONTAINER: dict[str, Any] = {
    "Env": ["PATH=/bin", "A=1"],
    "Labels": {"l": "1", "m": "2"},
    "Entrypoint": ["/init"],
    "Cmd": ["run"],
    "User": "me",
    "WorkingDir": "/w",
    "StopSignal": "SIGINT",
    "ExposedPorts": {"80/tcp": {}},
    "Volumes": {"/v": {}},
    "OnBuild": ["RUN x"],
}
BASE = make_image(text_layer("a"))
IMAGE = edit.with_config(BASE, BASE.config.with_container(**CONTAINER))


@pytest.mark.parametrize(
    ("mutation", "changes"),
    [
        (Mutation(labels={"m": "3", "n": ""}), {"Labels": {"l": "1", "m": "3", "n": ""}}),
        (Mutation(removed_labels=["l", "m", "absent"]), {"Labels": None}),
        (Mutation(removed_labels=["l"], labels={"n": "4"}), {"Labels": {"m": "2", "n": "4"}}),
        (Mutation(env={"A": "2", "B": "x=y"}), {"Env": ["PATH=/bin", "A=2", "B=x=y"]}),
        (Mutation(removed_env=["PATH"]), {"Env": ["A=1"]}),
        (Mutation(entrypoint=["/e", "x"]), {"Entrypoint": ["/e", "x"], "Cmd": None}),
        (Mutation(entrypoint=[], cmd=["c"]), {"Entrypoint": None, "Cmd": ["c"]}),
        (Mutation(cmd=[]), {"Cmd": None}),
        (Mutation(user=""), {"User": None}),
        (Mutation(user="1:2", workdir="/x", stop_signal="SIGRTMIN+3"),
         {"User": "1:2", "WorkingDir": "/x", "StopSignal": "SIGRTMIN+3"}),
        (Mutation(workdir="", stop_signal=""), {"WorkingDir": None, "StopSignal": None}),
        (Mutation(ports=["443", "53/udp"]), {"ExposedPorts": {"80/tcp": {}, "443/tcp": {}, "53/udp": {}}}),
        (Mutation(ports=["", "1"]), {"ExposedPorts": {"1/tcp": {}}}),
        (Mutation(ports=[""]), {"ExposedPorts": None}),
        (Mutation(volumes=["/d"]), {"Volumes": {"/v": {}, "/d": {}}}),
    ],
)  # fmt: skip
def test_changes(mutation: Mutation, changes: dict[str, Any]) -> None:
    image = mutate_image(IMAGE, mutation)
    expected = {name: value for name, value in {**CONTAINER, **changes}.items() if value is not None}
    assert image.config.container == expected
    assert image.layers == IMAGE.layers
    assert image.config.history == IMAGE.config.history
    validate_image(image)


def test_nothing_changes_nothing() -> None:
    assert mutate_image(IMAGE, Mutation()) is IMAGE
    assert Mutation().is_empty
    assert not Mutation(user="").is_empty


def test_annotations() -> None:
    image = mutate_image(dataclasses.replace(IMAGE, annotations={"a": "1"}), Mutation(annotations={"b": "2"}))
    assert image.manifest.annotations == {"a": "1", "b": "2"}
    docker = dataclasses.replace(BASE, media_type=media_types.DOCKER_MANIFEST)
    assert mutate_image(docker, Mutation(labels={"a": "b"})).manifest.media_type == media_types.DOCKER_MANIFEST
    assert mutate_image(docker, Mutation(annotations={"a": "b"})).manifest.media_type == media_types.OCI_MANIFEST


def test_platform() -> None:
    arm = mutate_image(IMAGE, Mutation(platform=Platform("linux", "arm", "v7")))
    assert str(arm.platform) == "linux/arm/v7"
    assert str(mutate_image(arm, Mutation(platform=Platform("linux", "amd64"))).platform) == "linux/amd64"


@pytest.mark.parametrize(
    ("field", "value"),
    [("ports", ["http"]), ("ports", ["0"]), ("ports", ["70000"]), ("ports", ["1/icmp"]), ("volumes", ["x"]),
     ("workdir", "x"), ("stop_signal", "TERM")],
)  # fmt: skip
def test_what_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Mutation(**{field: value})  # type: ignore[arg-type]
    assert caught.value.hint
