"""Builds whose large layers are uploaded while they are made, to a real registry."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.builds import AMD64, docker_envs
from tests.packages.build import File, PackageSpec, archive_bytes, text, write_archives
from tests.services import run_registry
from tests.simulators.fault_proxy import Fault, FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.builds import Outcome


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_registry(tmp_path_factory.mktemp("registry"), in_memory=True) as address:
        yield address


@pytest.fixture
def proxy(registry: str) -> Iterator[FaultProxy]:
    with FaultProxy(registry).running() as found:
        yield found


LARGE = File(random.Random(1).randbytes(6_000_000))


def large_channel(folder: Path, *, damaged: bool = False) -> Path:
    """Two packages, one of which is large, and perhaps not what its metadata say."""
    large = PackageSpec("large", files={"share/large": LARGE, "share/last": text("good")})
    small = PackageSpec("small", files={"share/small": text("small")})
    members = [("share/large", LARGE), ("share/last", text("longer" if damaged else "good"))]
    archives = [
        (large, ".tar.bz2", archive_bytes(large, ".tar.bz2", members=members)),
        (small, ".conda", archive_bytes(small, ".conda")),
    ]
    return write_archives(folder, archives)


def build(folder: Path, channel: Path, *arguments: str) -> Outcome:
    fixed = ("build", "--base", "scratch", "-c", channel.as_uri(), "large", "small", "--platform", AMD64, "--json")
    folder.mkdir(exist_ok=True)
    return docker_envs(*fixed, *arguments, cache=folder / "cache")


def methods(proxy: FaultProxy) -> Counter[str]:
    return Counter(line.split(" ")[0] for line in proxy.seen if "/blobs/" in line)


def test_large_layers_are_sent_while_they_are_made(proxy: FaultProxy, tmp_path: Path) -> None:
    channel = large_channel(tmp_path / "channel")
    done = build(tmp_path, channel, "--push", f"{proxy.address}/fine:1", "--push", f"{proxy.address}/other:1")
    client = RegistryClient()
    for repository in ("fine", "other"):
        image = client.image(Reference.parse(f"{proxy.address}/{repository}:1"))
        validate_image(image)
        assert image.digest == done.digest
    assert methods(proxy)["PATCH"] == 1
    assert proxy.ranges == []


def test_what_is_cut_off_is_sent_again(proxy: FaultProxy, tmp_path: Path) -> None:
    proxy.follow("PATCH", Fault.REQUEST_RESET)
    done = build(tmp_path, large_channel(tmp_path / "channel"), "--push", f"{proxy.address}/cut:1")
    assert proxy.injected == {Fault.REQUEST_RESET: 1}
    image = RegistryClient().image(Reference.parse(f"{proxy.address}/cut:1"))
    validate_image(image)
    assert image.digest == done.digest


def test_what_a_repository_may_have_is_asked_for_first(proxy: FaultProxy, tmp_path: Path) -> None:
    channel = large_channel(tmp_path / "channel")
    first = build(tmp_path / "one", channel, "--push", f"{proxy.address}/again:1")
    proxy.follow("nothing")
    # Another machine, whose cache is empty, sends nothing.
    second = build(tmp_path / "two", channel, "--push", f"{proxy.address}/again:2")
    assert second.digest == first.digest
    assert set(methods(proxy)) == {"HEAD"}


def test_a_damaged_package_leaves_no_upload(proxy: FaultProxy, tmp_path: Path) -> None:
    done = build(tmp_path, large_channel(tmp_path / "channel", damaged=True), "--push", f"{proxy.address}/damaged:1")
    assert done.status != 0
    assert "share/last" in done.stderr
    assert methods(proxy)["PATCH"] == methods(proxy)["DELETE"] == 1
    assert not any("/manifests/" in line and line.startswith("PUT") for line in proxy.seen)
