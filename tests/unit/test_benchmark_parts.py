"""What the benchmark of builds measures with, and what it makes, is right."""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from benchmarks import measure
from benchmarks.building.counting import CountingProxy, Traffic, bytes_read, layer_bytes
from benchmarks.building.environment import prepare
from benchmarks.building.limit import open_payload
from benchmarks.building.results import COLD, LEAF, UNCHANGED, Results, Sample
from benchmarks.building.synthetic import write_synthetic_channel
from benchmarks.building.targets import outcomes
from benchmarks.building.updated import update_package
from benchmarks.building.ways import DOCKER, LIMIT, OURS, START

from docker_envs.environments.conda.package_archive import PackageArchive
from tests.packages.build import write_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MB = 1_000_000


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that sends back twice what one client sent, once that is all."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client, client.makefile("rb") as stream:
                client.sendall(stream.read() * 2)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_the_proxy_hands_on_and_counts_every_byte(echo: str) -> None:
    content = random.Random(0).randbytes(5_000_000)
    with CountingProxy(echo) as proxy:
        host, _, port = proxy.address.partition(":")
        with socket.create_connection((host, int(port))) as client, client.makefile("rb") as stream:
            client.sendall(content)
            client.shutdown(socket.SHUT_WR)
            assert stream.read() == content * 2
        traffic = proxy.traffic()
    assert (traffic.sent, traffic.received) == (5_000_000, 10_000_000)
    assert (traffic - Traffic(1, 2)).received == 9_999_998


def test_bytes_of_one_repository_are_read_from_the_log(tmp_path: Path) -> None:
    line = '127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "{} HTTP/1.1" 200 {} "" "client"\n'
    requests = (
        ("GET /v2/base/manifests/1", 791),
        ("GET /v2/base/blobs/sha256:0", 1012),
        ("HEAD /v2/base/blobs/sha256:1", 7),
        ("GET /v2/other/manifests/1", 5000),
    )
    log = tmp_path / "log"
    log.write_text("".join(line.format(*request) for request in requests))
    assert bytes_read(log, "base") == 791 + 1012


def test_layers_that_moved_are_read_from_the_log() -> None:
    line = '127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "{} HTTP/1.1" {} {} "" "client"\n'
    up = "/v2/image/blobs/uploads/0f-1?_state=x_y-z%3D&digest=sha256"
    requests = (
        ("GET /v2/base/blobs/sha256:aa", 200, 10),
        ("GET /v2/base/blobs/sha256:config", 200, 500),
        ("HEAD /v2/base/blobs/sha256:aa", 200, 7),
        (f"PUT {up}%3Abb", 201, 0),
        (f"PUT {up}:cc", 201, 0),
        (f"PUT {up}%3Acc", 400, 0),
        ("POST /v2/image/blobs/uploads/?from=cache&mount=sha256%3Add", 201, 0),
    )
    sizes = {"sha256:aa": 10, "sha256:bb": 200, "sha256:cc": 3000, "sha256:dd": 40_000}
    assert layer_bytes("".join(line.format(*request) for request in requests), sizes) == 3210


def test_memory_is_that_of_the_whole_tree() -> None:
    """Two children hold 60 MB each at the same time; the parent, and each alone, have less than both."""
    child = "b = bytearray(b'x') * 60_000_000; import time; time.sleep(1)"
    parent = f"import subprocess, sys; c = [sys.executable, '-c', {child!r}]; p = [subprocess.Popen(c) for _ in '12']"
    measured = measure.run([sys.executable, "-c", f"{parent}; [each.wait() for each in p]"])
    assert 120 * MB < measured.peak_memory < 220 * MB
    assert measured.seconds > 1
    assert 0 < measured.cpu_seconds < measured.seconds * 2


def test_an_updated_package_differs_in_its_build_and_one_file(channel: Path) -> None:
    folder = channel / "linux-64"
    old = "greeting-1.2-h1234567_3.conda"
    record = json.loads((folder / "repodata.json").read_bytes())["packages.conda"][old]
    assert not (folder / "greeting-1.2-h1234567_3_updated.conda").exists()
    (copy := channel.parent / old).write_bytes((folder / old).read_bytes())
    name, new = update_package(copy, record)
    try:
        assert (new["build"], new["build_number"]) == ("h1234567_3_updated", 4)
        archives = PackageArchive(folder / old), PackageArchive(copy.with_name(name))
        before, after = ({entry.path: entry.read() for entry in each.iter_entries()} for each in archives)
        assert after == before | {"share/greeting-updated.txt": b"another build\n"}
        metadata = archives[1].read_metadata()
        assert json.loads(metadata["info/index.json"])["build"] == new["build"]
        paths = {each["_path"] for each in json.loads(metadata["info/paths.json"])["paths"]}
        assert paths == set(after)
    finally:
        copy.unlink()
        copy.with_name(name).unlink()


def test_an_environment_and_its_update_differ_in_the_leaf(channel: Path, tmp_path: Path) -> None:
    declaration = write_environment(tmp_path / "e.yml", channel, "hello-sh", "purelib")
    prepared = prepare(declaration, tmp_path / "made", leaf="hello-sh")
    before, after = (set(state.urls.read_text().split()) for state in (prepared.before, prepared.after))
    (gone,), (new,) = before - after, after - before
    assert (gone.rpartition("/")[2], new.rpartition("/")[2]) == (prepared.leaf, "hello-sh-1.0-0_updated.conda")
    assert len(before) == len(after) == prepared.packages
    assert sum(path.stat().st_size for path in prepared.archives()) == prepared.size
    with pytest.raises(SystemExit, match="no leaf package 'greeting'"):
        prepare(declaration, tmp_path / "other", leaf="greeting")


def test_generated_packages_are_the_same_again_and_shrink_as_real_ones_do(tmp_path: Path) -> None:
    channels = [tmp_path / name / "channel" for name in ("one", "two")]
    for each in channels:
        write_synthetic_channel(each, size=4 * MB, packages=4)
    one, two = ({path.name: path.read_bytes() for path in (each / "linux-64").iterdir()} for each in channels)
    assert one == two
    sizes = []
    for path in sorted((channels[0] / "linux-64").glob("*.conda")):
        with open_payload(path) as tar:
            sizes.append(len(tar.read()))
        files = [entry for entry in PackageArchive(path).iter_entries() if entry.read() is not None]
        listed = json.loads(PackageArchive(path).read_metadata()["info/paths.json"])["paths"]
        assert {entry.path: entry.size for entry in files} == {each["_path"]: each["size_in_bytes"] for each in listed}
    assert 4 * MB <= sum(sizes) < 5 * MB
    packed = sum(len(content) for name, content in one.items() if name.endswith(".conda"))
    assert 0.2 < packed / sum(sizes) < 0.4


def test_targets_are_judged_by_medians() -> None:
    results = Results()

    def add(scenario: str, way: str, *seconds: float, sent: int = MB) -> None:
        for each in seconds:
            results.add(scenario, "e", way, 2, Sample(each, each, 100 * MB, sent, 0, 0))

    add(COLD, OURS, 1, 2, 90)
    add(COLD, DOCKER, 41, 40, 1)
    add(COLD, LIMIT, 1, 1, 1)
    add(LEAF, OURS, 1, sent=MB)
    add(LEAF, DOCKER, 49, sent=50 * MB)
    add(UNCHANGED, OURS, 0.5)
    add(UNCHANGED, START, 0.1)
    found = {(each.job, each.against): (each.figure, each.met) for each in outcomes(results, {"e": 1}, None)}
    assert found == {
        ("cold, e", DOCKER): ("20.0 x", True),
        ("cold, e", "decompression, SHA-256, compression"): ("2.0 x", False),
        ("one leaf updated, e", DOCKER): ("49.0 x", False),
        ("one leaf updated, e", "its bytes at the registry"): ("50.0 x", True),
        ("nothing changed, e", START): ("5.0 x", False),
        ("nothing changed, e", ""): ("0.50 s", True),
        ("peak memory, cold, e", ""): ("100 MB", True),
    }
