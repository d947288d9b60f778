"""The services that integration tests rest on do what they promise."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import docker
import pytest

from tests.base_image import CMD, ENV, HOST_ARCHITECTURE, LABELS, BaseImage
from tests.oracle import read_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services import Engine, PasswordRegistry


def inspect(reference: str, *options: str) -> Any:
    command = ["skopeo", "inspect", "--tls-verify=false", *options, f"docker://{reference}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def test_registry_answers(registry: str) -> None:
    with urllib.request.urlopen(f"http://{registry}/v2/") as answer:
        assert answer.status == 200


def test_password_registry_wants_the_password(registry_with_basic_auth: PasswordRegistry) -> None:
    request = urllib.request.Request(f"http://{registry_with_basic_auth.address}/v2/")
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(request)
    refused.value.close()
    pair = f"{registry_with_basic_auth.username}:{registry_with_basic_auth.password}"
    request.add_header("Authorization", "Basic " + base64.b64encode(pair.encode()).decode())
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("shape", ["oci", "docker", "index"])
def test_engine_runs_the_base_image(engine: Engine, base_image: BaseImage, shape: str) -> None:
    reference = getattr(base_image, shape)
    assert engine.run(reference) == "hello from the base\n"
    script = "cat /etc/layer /etc/architecture; test -e /etc/doomed || echo gone; echo $FIXTURE; pwd; /usr/bin/env true"
    assert engine.run(reference, "/bin/sh", "-c", script).split("\n")[:5] == [
        "third",
        HOST_ARCHITECTURE,
        "gone",
        "base image",
        "/srv",
    ]


def test_engine_reports_failing_containers(engine: Engine, base_image: BaseImage) -> None:
    with pytest.raises(docker.errors.ContainerError, match="exit status 3"):
        engine.run(base_image.oci, "/bin/sh", "-c", "exit 3")


def test_engine_is_what_docker_host_names(engine: Engine) -> None:
    client = docker.from_env()
    assert client.info()["ID"] == engine.client.info()["ID"]
    client.close()


@pytest.mark.parametrize("shape", ["oci", "docker"])
def test_base_image_has_a_full_config(base_image: BaseImage, shape: str) -> None:
    config = inspect(getattr(base_image, shape), "--config")
    assert config["config"]["Env"] == list(ENV)
    assert config["config"]["Cmd"] == list(CMD)
    assert config["config"]["Labels"] == LABELS
    assert len(config["rootfs"]["diff_ids"]) == 3
    assert [entry.get("empty_layer", False) for entry in config["history"]] == [False, True, False, False]


def test_base_image_comes_in_three_shapes(base_image: BaseImage) -> None:
    oci, schema2, index = (inspect(each, "--raw") for each in (base_image.oci, base_image.docker, base_image.index))
    assert oci["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert schema2["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json"
    assert {entry["platform"]["architecture"] for entry in index["manifests"]} == {"amd64", "arm64"}


def test_umoci_unpacks_the_layout(base_layout: Path, tmp_path: Path) -> None:
    command = ["umoci", "unpack", "--image", f"{base_layout}:single", f"{tmp_path}/bundle"]
    subprocess.run(command, check=True, capture_output=True)
    tree = read_tree(tmp_path / "bundle/rootfs")
    assert (tmp_path / "bundle/rootfs/etc/layer").read_text() == "third\n"
    assert "etc/doomed" not in tree
    assert tree["tmp"].mode == 0o1777
