"""Several platforms at once: one index, made of what a build for each platform alone makes."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.oci.descriptor import Platform
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import read_archive
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.base_image import ARCHITECTURES, HOST_ARCHITECTURE, INDEX
from tests.builds import docker_envs
from tests.images import flattened
from tests.services import run_registry, settled_log

if TYPE_CHECKING:
    from pathlib import Path

    from tests.base_image import BaseImage
    from tests.services import Engine

BOTH = "linux/amd64,linux/arm64"
OTHER = {"amd64": "arm64", "arm64": "amd64"}[HOST_ARCHITECTURE]
SPECS = ("hello-sh", "generic", "purelib", "python 3.11.*")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def build(cache: Path, channel: Path, base: str, platforms: str, *arguments: str | Path) -> dict[str, Any]:
    """What `--json` says of a build of `SPECS`."""
    fixed = ("build", "--base", base, "--channel", channel.as_uri(), *SPECS, "--platform", platforms, "--json")
    return docker_envs(*fixed, *arguments, cache=cache).document


def raw(reference: str) -> bytes:
    command = ["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{reference}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def packages(image: dict[str, Any]) -> dict[str, str]:
    """Digest of each package's layer."""
    return {name: layer["digest"] for layer in image["layers"] for name in layer["packages"] or ()}


def test_an_index_of_what_single_builds_make(
    cache: Path, channel: Path, base_image: BaseImage, registry: str, tmp_path: Path
) -> None:
    target = f"{registry}/platforms:1"
    places = ("--oci", tmp_path / "layout", "-o", tmp_path / "both.tar", "-i", "both:1", "--push", target)
    document = build(cache, channel, base_image.index, BOTH, *places)
    index = json.loads(raw(target))
    assert index["mediaType"] == document["media_type"] == INDEX
    assert [each["platform"] for each in index["manifests"]] == [
        {"architecture": name, "os": "linux"} for name in ARCHITECTURES
    ]
    assert [each["digest"] for each in index["manifests"]] == [each["digest"] for each in document["platforms"]]
    for number, architecture in enumerate(ARCHITECTURES):
        alone = build(tmp_path / "other cache", channel, base_image.index, f"linux/{architecture}", "-o", "alone.tar")
        made = document["platforms"][number]
        assert {name: alone[name] for name in ("digest", "image_id", "layers", "platform")} == {
            name: made[name] for name in ("digest", "image_id", "layers", "platform")
        }
        pulled = RegistryClient().image(Reference.parse(target), Platform("linux", architecture))
        validate_image(pulled)
        assert pulled.digest == made["digest"]
        assert flattened(pulled)["etc/architecture"] == f"{architecture}\n".encode()
    (entry,) = json.loads((tmp_path / "layout/index.json").read_bytes())["manifests"]
    assert (entry["digest"], entry["mediaType"]) == (document["digest"], INDEX)
    for named in (read_layout(tmp_path / "layout"), read_archive(tmp_path / "both.tar")):
        assert [each.image.digest for each in named] == [each["digest"] for each in document["platforms"]]
        for each in named:
            validate_image(each.image)
    for transport in (f"oci:{tmp_path}/layout", f"oci-archive:{tmp_path}/both.tar"):
        command = ["skopeo", "inspect", "--raw", f"{transport}:1"]
        assert subprocess.run(command, check=True, capture_output=True).stdout == raw(target)


def test_packages_for_any_platform_are_one_layer(
    cache: Path, channel: Path, base_image: BaseImage, tmp_path: Path
) -> None:
    amd64, arm64 = map(packages, build(cache, channel, base_image.index, BOTH, "--oci", "layout")["platforms"])
    shared = {name for name in amd64 if amd64[name] == arm64.get(name)}
    assert shared == {"generic-1.0-h0_0", "purelib-2.0-pyh0000000_0"}
    assert amd64.keys() == arm64.keys()


@pytest.mark.parametrize("platforms", ["linux-64,linux-aarch64", "linux/amd64, linux/arm64"])
def test_platforms_in_other_words(cache: Path, channel: Path, tmp_path: Path, platforms: str) -> None:
    found = [
        build(cache, channel, "scratch", text, "--oci", tmp_path / str(number))["digest"]
        for number, text in enumerate([BOTH, platforms])
    ]
    assert found[0] == found[1]


def test_a_platform_named_twice_is_built_once(cache: Path, channel: Path, tmp_path: Path) -> None:
    document = build(cache, channel, "scratch", "linux/amd64,linux-64", "-o", tmp_path / "one.tar")
    assert document["platform"] == "linux/amd64"


@pytest.mark.parametrize("order", [(HOST_ARCHITECTURE, OTHER), (OTHER, HOST_ARCHITECTURE)], ids=",".join)
@pytest.mark.parametrize("way", ["file", "load"])
def test_the_engine_gets_what_it_can_run(
    cache: Path,
    channel: Path,
    base_image: BaseImage,
    engine: Engine,
    tmp_path: Path,
    order: tuple[str, str],
    way: str,
) -> None:
    name = f"platforms-{way}-{order[0]}:1"
    platforms = ",".join(f"linux/{each}" for each in order)
    place = ("--load",) if way == "load" else ("-o", tmp_path / "both.tar")
    build(cache, channel, base_image.index, platforms, *place, "-i", name)
    if way == "file":
        with (tmp_path / "both.tar").open("rb") as file:
            engine.client.images.load(file)
    assert engine.client.images.get(name).attrs["Architecture"] == HOST_ARCHITECTURE
    assert engine.run(name, "hello") == "hello from /opt/conda\n"
    assert engine.run(name, "cat", "/etc/architecture") == f"{HOST_ARCHITECTURE}\n"


def test_an_engine_pulls_its_own_platform(
    cache: Path, channel: Path, base_image: BaseImage, registry: str, engine: Engine
) -> None:
    target = f"{registry}/platforms:pulled"
    build(cache, channel, base_image.index, f"linux/{OTHER},linux/{HOST_ARCHITECTURE}", "--push", target)
    assert engine.run(target, "cat", "/etc/architecture") == f"{HOST_ARCHITECTURE}\n"


def test_a_second_push_uploads_nothing(cache: Path, channel: Path, tmp_path: Path) -> None:
    with run_registry(tmp_path) as registry:
        target = f"{registry}/twice:1"
        first = build(cache, channel, "scratch", BOTH, "--push", target)["digest"]
        log = tmp_path / "log"
        start = len(settled_log(log))
        assert build(cache, channel, "scratch", BOTH, "--push", target)["digest"] == first
        asked = settled_log(log)[start:]
        assert "HEAD /v2/twice/manifests/1" in asked
        assert "/blobs/" not in asked
        assert '"PATCH ' not in asked


def test_the_plans_of_all_platforms(cache: Path, channel: Path) -> None:
    fixed = ("build", "--base", "scratch", "--channel", channel.as_uri(), "hello-sh", "--platform", BOTH, "--dry-run")
    document = docker_envs(*fixed, "--json", cache=cache).document
    assert [plan["platform"] for plan in document["platforms"]] == ["linux/amd64", "linux/arm64"]
    lines = docker_envs(*fixed, cache=cache).stdout.splitlines()
    assert [line for line in lines if line.startswith("linux/")] == ["linux/amd64", "linux/arm64"]


def test_a_platform_without_packages_stops_all(cache: Path, channel: Path, tmp_path: Path) -> None:
    """Before anything is made for the other."""
    fixed = ("build", "--base", "scratch", "--channel", channel.as_uri(), "links", "--platform", BOTH)
    done = docker_envs(*fixed, "-o", tmp_path / "both.tar", cache=cache)
    assert done.status == 3
    assert "links" in done.stderr
    assert not (tmp_path / "both.tar").exists()
    assert not (cache / "layers").exists()
