"""The main job with the real registry and engine: an environment on a base goes everywhere, and runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.oci.descriptor import Platform
from docker_envs.oci.reference import Reference
from docker_envs.records.record import RECORD_LABEL
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.base_image import CMD, ENV, HOST_ARCHITECTURE, LABELS
from tests.builds import docker_envs, environment, read_image_file
from tests.images import flattened
from tests.oracle import compare, install_with_rattler, read_tree
from tests.services import run_registry, settled_log

if TYPE_CHECKING:
    from tests.base_image import BaseImage
    from tests.builds import Outcome
    from tests.services import Engine, PasswordRegistry

HELLO = "hello from /opt/conda\n"
PLATFORM = f"linux/{HOST_ARCHITECTURE}"
CRANE = shutil.which("crane") or next((str(path) for path in [Path.home() / "go/bin/crane"] if path.exists()), None)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(cache: Path, base: str, channel: Path, *arguments: str | Path, **options: Any) -> Outcome:
    """Build `hello-sh` on a base."""
    fixed = ("build", "--base", base, "--channel", channel.as_uri(), "hello-sh", "--platform", PLATFORM, "--json")
    done = docker_envs(*fixed, *arguments, cache=cache, **options)
    assert done.status == 0, done.stderr
    return done


def raw(reference: str, *options: str) -> dict[str, Any]:
    """What skopeo gets from the registry."""
    command = ["skopeo", "inspect", "--tls-verify=false", *options, f"docker://{reference}"]
    document = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert isinstance(document, dict)
    return document


def requests(log: Path, start: int, repository: str) -> list[str]:
    """Method and path of what a registry was asked about a repository since `start` characters of its log."""
    text = settled_log(log)[start:]
    found = re.findall(r'"(GET|HEAD|PUT|POST|PATCH) (/v2/[^ "?]*)', text)
    return [f"{method} {path}" for method, path in found if path.startswith(f"/v2/{repository}/")]


@pytest.mark.parametrize("shape", ["oci", "docker", "index"])
def test_push_on_a_base_and_run(
    cache: Path, channel: Path, base_image: BaseImage, registry: str, engine: Engine, shape: str
) -> None:
    base, target = getattr(base_image, shape), f"{registry}/built/{shape}:1"
    done = build(cache, base, channel, "--push", target)
    document = done.document
    assert document["destinations"]["pushed"] == [target]
    assert engine.run(target, "hello") == HELLO
    assert engine.run(target) == "hello from the base\n"
    script = "cat /etc/layer; test -e /etc/doomed || echo gone; echo $FIXTURE $CONDA_PREFIX; pwd; command -v hello"
    expected = ["third", "gone", "base image /opt/conda", "/srv", "/opt/conda/bin/hello"]
    assert engine.run(target, "/bin/sh", "-c", script).splitlines() == expected
    validate_image(RegistryClient().image(Reference.parse(target)))


@pytest.mark.parametrize("shape", ["oci", "docker"])
def test_what_the_base_says_is_kept(
    cache: Path, channel: Path, base_image: BaseImage, registry: str, shape: str
) -> None:
    """Config, history, unknown fields and the order of layers."""
    base, target = getattr(base_image, shape), f"{registry}/kept/{shape}:1"
    digest = build(cache, base, channel, "--push", target).digest
    assert raw(target)["Digest"] == digest
    before, after = raw(base, "--config"), raw(target, "--config")
    assert after["rootfs"]["diff_ids"][:3] == before["rootfs"]["diff_ids"]
    assert after["history"][:4] == before["history"]
    assert [entry["created_by"] for entry in after["history"][4:]] == [
        "docker-envs build: greeting-1.2-h1234567_3",
        "docker-envs build: hello-sh-1.0-0",
        "docker-envs build: record of the environment",
    ]
    kept = set(before) - {"config", "created", "history", "rootfs"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    container = after["config"]
    changed = {"Env", "Labels"}
    assert {k: v for k, v in container.items() if k not in changed} == {
        k: v for k, v in before["config"].items() if k not in changed
    }
    assert container["Cmd"] == list(CMD)
    assert container["Env"] == ["PATH=/opt/conda/bin:/usr/local/bin:/usr/bin:/bin", ENV[1], "CONDA_PREFIX=/opt/conda"]
    manifests = raw(base, "--raw"), raw(target, "--raw")
    assert [layer["digest"] for layer in manifests[1]["layers"][:3]] == [
        layer["digest"] for layer in manifests[0]["layers"]
    ]
    standard = {
        "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
        "org.opencontainers.image.base.name": base,
        "org.opencontainers.image.base.digest": raw(base)["Digest"],
    }
    own = {RECORD_LABEL: after["rootfs"]["diff_ids"][-1]}
    assert container["Labels"] == {**LABELS, **standard, **own}
    kept_annotations = {"org.example.fixture": "kept"} if shape == "oci" else {}
    assert manifests[1]["annotations"] == {**kept_annotations, **standard, **own}


def test_blobs_of_the_base_are_not_downloaded(cache: Path, channel: Path, base_layout: Path, tmp_path: Path) -> None:
    """Only manifest and config are read; the target repository gets the layers by mounting them."""
    with run_registry(tmp_path) as registry:
        subprocess.run(
            [
                "skopeo",
                "--insecure-policy",
                "copy",
                "--quiet",
                "--dest-tls-verify=false",
                f"oci:{base_layout}:single",
                f"docker://{registry}/base:1",
            ],
            check=True,
        )
        log, manifest = tmp_path / "log", raw(f"{registry}/base:1", "--raw")
        start = len(settled_log(log))
        build(cache, f"{registry}/base:1", channel, "--push", f"{registry}/target:1", "--attach", "none")
        read = [line for line in requests(log, start, "base") if line.startswith("GET ")]
        config = f"GET /v2/base/blobs/{manifest['config']['digest']}"
        assert sorted(set(read)) == [config, "GET /v2/base/manifests/1"]
        layers = raw(f"{registry}/target:1", "--raw")["layers"]
        assert layers[:3] == manifest["layers"]
        uploads = [line for line in requests(log, start, "target") if line.startswith("PUT /v2/target/blobs/")]
        # Two packages, the record and the config.
        assert len(uploads) == len(layers) - 3 + 1 == 4


def test_a_second_push_uploads_nothing(cache: Path, channel: Path, tmp_path: Path) -> None:
    with run_registry(tmp_path) as registry:
        target = f"{registry}/target:1"
        digest = build(cache, "scratch", channel, "--push", target).digest
        tag = ["HEAD /v2/target/manifests/1"]
        # This registry has no list of referrers but the tag that stands in for it.
        referrers = [f"referrers/{digest}", f"manifests/{digest.replace(':', '-')}"]
        for attached, asked in (("none", []), ("sbom", [f"GET /v2/target/{path}" for path in referrers])):
            start = len(settled_log(tmp_path / "log"))
            assert build(cache, "scratch", channel, "--push", target, "--attach", attached).digest == digest
            assert requests(tmp_path / "log", start, "target") == tag + asked


def test_a_file_that_the_engine_loads(
    cache: Path, channel: Path, base_image: BaseImage, engine: Engine, tmp_path: Path
) -> None:
    done = build(cache, base_image.oci, channel, "-o", tmp_path / "image.tar", "-i", "from-file:1")
    image = read_image_file(tmp_path / "image.tar")
    assert image.digest == done.digest
    with (tmp_path / "image.tar").open("rb") as file:
        (loaded,) = engine.client.images.load(file)
    assert "from-file:1" in loaded.tags
    assert engine.run("from-file:1", "hello") == HELLO
    assert [f"sha256:{digest.hex}" for digest in image.config.diff_ids] == loaded.attrs["RootFS"]["Layers"]


def test_load_into_the_engine(cache: Path, channel: Path, base_image: BaseImage, engine: Engine) -> None:
    done = build(cache, base_image.oci, channel, "--load", "-i", "loaded:1", "-i", "loaded:2", "--cmd", "hello")
    assert done.document["destinations"]["loaded"] is True
    assert engine.run("loaded:1") == engine.run("loaded:2") == HELLO


def test_a_layout_for_skopeo_and_umoci(cache: Path, channel: Path, base_image: BaseImage, tmp_path: Path) -> None:
    digest = build(cache, base_image.oci, channel, "--oci", tmp_path / "layout", "-i", "hello:1").digest
    inspected = subprocess.run(
        ["skopeo", "inspect", f"oci:{tmp_path}/layout:1"], check=True, capture_output=True, text=True
    )
    assert json.loads(inspected.stdout)["Digest"] == digest
    unpack = ["umoci", "unpack", "--image", f"{tmp_path}/layout:1", f"{tmp_path}/bundle"]
    subprocess.run(unpack, check=True, capture_output=True)
    install_with_rattler(["hello-sh"], channel, "/opt/conda", tmp_path / "installed")
    unpacked = read_tree(tmp_path / "bundle/rootfs/opt/conda")
    assert compare(read_tree(tmp_path / "installed"), unpacked) == []


def test_a_file_for_skopeo(cache: Path, channel: Path, base_image: BaseImage, tmp_path: Path) -> None:
    digest = build(cache, base_image.oci, channel, "-o", tmp_path / "image.tar", "-i", "hello:1").digest
    for transport in ("docker-archive", "oci-archive"):
        command = ["skopeo", "inspect", f"{transport}:{tmp_path}/image.tar"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert transport != "oci-archive" or found["Digest"] == digest
        assert found["Env"][-1] == "CONDA_PREFIX=/opt/conda"


def test_everywhere_at_once_it_is_the_same_image(
    cache: Path, channel: Path, base_image: BaseImage, registry: str, engine: Engine, tmp_path: Path
) -> None:
    target = f"{registry}/everywhere:1"
    places = ("-o", tmp_path / "a.tar", "--oci", tmp_path / "layout", "--push", target, "--push", f"{registry}/again:2")
    done = build(cache, base_image.oci, channel, *places, "--load", "-i", "everywhere:1")
    pulled = RegistryClient().image(Reference.parse(target))
    assert {read_image_file(tmp_path / "a.tar").digest, pulled.digest, raw(f"{registry}/again:2")["Digest"]} == {
        done.digest
    }
    assert engine.run("everywhere:1", "hello") == HELLO
    assert flattened(pulled)["opt/conda/bin/hello"].startswith(b"#!/bin/sh\n")


def test_another_platform_from_this_one(cache: Path, channel: Path, base_image: BaseImage, registry: str) -> None:
    """Nothing of the host is asked: index base, packages and config are those of the target."""
    other = {"amd64": ("arm64", "linux-aarch64"), "arm64": ("amd64", "linux-64")}[HOST_ARCHITECTURE]
    target = f"{registry}/other:1"
    arguments = ("build", "-b", base_image.index, "-c", channel.as_uri(), "hello-sh", "--platform", f"linux/{other[0]}")
    done = docker_envs(*arguments, "--push", target, cache=cache)
    assert done.status == 0, done.stderr
    image = RegistryClient().image(Reference.parse(target), Platform("linux", other[0]))
    validate_image(image)
    assert image.platform.architecture == other[0]
    tree = flattened(image)
    assert tree["etc/architecture"] == f"{other[0]}\n".encode()
    assert json.loads(tree["opt/conda/conda-meta/hello-sh-1.0-0.json"])["subdir"] == other[1]


def test_the_base_as_it_is(cache: Path, base_image: BaseImage, tmp_path: Path) -> None:
    """Without specs and `environment.yml`, the base is written, with a note."""
    arguments = ("build", "-b", base_image.oci, "-o", "base.tar", "--platform", PLATFORM, "-q")
    done = docker_envs(*arguments, cache=cache, cwd=tmp_path)
    assert done.status == 0
    assert done.stderr.startswith("note: no packages are named, and there is no `environment.yml` here")
    assert read_image_file(tmp_path / "base.tar").digest == done.stdout.strip() == raw(base_image.oci)["Digest"]


def test_a_registry_with_a_password(
    cache: Path, channel: Path, registry_with_basic_auth: PasswordRegistry, tmp_path: Path
) -> None:
    place = registry_with_basic_auth
    login = ["skopeo", "login", "--tls-verify=false", "-u", place.username, "-p", place.password, place.address]
    auth = tmp_path / "docker/config.json"
    auth.parent.mkdir()
    subprocess.run([*login, "--authfile", auth], check=True, capture_output=True)
    target = f"{place.address}/private:1"
    done = build(cache, "scratch", channel, "--push", target, variables={"DOCKER_CONFIG": str(auth.parent)})
    assert raw(target, "--authfile", str(auth))["Digest"] == done.digest
    assert place.password not in done.stdout + done.stderr


def test_layers_of_zstd(
    cache: Path, channel: Path, base_image: BaseImage, registry: str, engine: Engine, tmp_path: Path
) -> None:
    """Skopeo copies them; engines read them from Docker 23 on."""
    target = f"{registry}/zstd:1"
    build(cache, base_image.docker, channel, "--push", target, "--compression", "zstd")
    kinds = [layer["mediaType"].rpartition("+")[2] for layer in raw(target, "--raw")["layers"]]
    assert kinds == ["gzip"] * 3 + ["zstd"] * 3
    copy = ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{target}", f"oci:{tmp_path / 'copy'}:1"]
    subprocess.run(copy, check=True)
    (copied,) = read_layout(tmp_path / "copy")
    validate_image(copied.image)
    assert "opt/conda/bin/hello" in flattened(copied.image)
    if int(engine.client.version()["Version"].partition(".")[0]) >= 23:
        assert engine.run(target, "hello") == HELLO


def test_the_original_call(channel: Path, base_image: BaseImage, engine: Engine, tmp_path: Path) -> None:
    """`build_docker_environment`, in a process that ends before rattler's threads can crash it."""
    program = (
        "import os, sys\n"
        "from docker_envs.conda import build_docker_environment\n"
        "image = build_docker_environment(base_image=sys.argv[1], output_image='original:1', packages=['hello-sh'],\n"
        "    output_filename='original.tar', channels=[sys.argv[2]], cache='cache')\n"
        "print(image.name, image.tag, flush=True)\n"
        "os._exit(0)\n"
    )
    command = [sys.executable, "-c", program, base_image.oci, channel.as_uri()]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path / "cache"), capture_output=True, text=True, check=True
    )
    assert done.stdout == "original 1\n"
    with (tmp_path / "original.tar").open("rb") as file:
        engine.client.images.load(file)
    assert engine.run("original:1", "hello") == HELLO


# Not collected, rather than skipped, where there is no crane.
if CRANE is not None:

    def test_crane_accepts_it(cache: Path, channel: Path, base_image: BaseImage, registry: str, tmp_path: Path) -> None:
        target, crane = f"{registry}/crane:1", str(CRANE)
        digest = build(cache, base_image.oci, channel, "--push", target, "-o", tmp_path / "a.tar", "-i", "a:1").digest
        subprocess.run([crane, "validate", "--insecure", "--remote", target], check=True, capture_output=True)
        subprocess.run([crane, "validate", "--tarball", tmp_path / "a.tar"], check=True, capture_output=True)
        found = subprocess.run([crane, "digest", "--insecure", target], check=True, capture_output=True, text=True)
        assert found.stdout.strip() == digest
