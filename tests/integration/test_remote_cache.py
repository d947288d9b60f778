"""Remote layer caches in a real registry: what moves, what is refused, and what others wrote there."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.builds import AMD64, docker_envs, read_image_file
from tests.services import run_registry, settled_log
from tests.simulators.channel import ChannelSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.builds import Outcome
    from tests.services import PasswordRegistry

SPECS = ("hello-sh", "links", "activated-values")
#: `hello-sh` needs `greeting`.
LAYERS = 4


class Machines:
    """Machines that share nothing but a registry; each build is on a new one.

    Attributes:
        address: The registry.
        channel: Where packages are, behind HTTP.
    """

    def __init__(self, folder: Path, address: str, log: Path, channel: ChannelSimulator) -> None:
        self.address = address
        self.channel = channel
        self.cache = f"{address}/team/layers"
        self._folder = folder
        self._log = log
        self._machines = 0

    def build(self, *arguments: str | Path) -> Outcome:
        self._machines += 1
        return docker_envs(
            *("build", "--base", "scratch", "--platform", AMD64, "--json", "--attach", "none"),
            *("-c", self.channel.channel, *SPECS),
            *arguments,
            cache=self._folder / f"machine-{self._machines}",
        )

    def requests(self) -> list[str]:
        """Method and path of each request so far."""
        line = r'response completed.*? http\.request\.method=(\S+) .*?http\.request\.uri="?([^\s"?]+)'
        found = re.findall(line, settled_log(self._log))
        return [f"{method} {path}" for method, path in found]

    def packages(self) -> list[str]:
        return [each for each in self.channel.asked if each.endswith(".conda")]

    def put(self, path: str, content: bytes, media_type: str) -> None:
        request = Request(f"http://{self.address}/v2/{path}", content, {"Content-Type": media_type}, method="PUT")
        urlopen(request).close()


@pytest.fixture
def machines(tmp_path: Path, channel: Path) -> Iterator[Machines]:
    folder = tmp_path / "registry"
    folder.mkdir()
    simulator = ChannelSimulator(channel)
    with run_registry(folder, in_memory=True) as address, simulator.running():
        yield Machines(tmp_path, address, folder / "log", simulator)


def test_what_one_machine_made_no_other_makes_or_moves(machines: Machines) -> None:
    first = machines.build("--push", f"{machines.address}/app:1", "--cache-to", machines.cache)
    assert "warning: the cache" not in first.stderr
    packages, before = len(machines.packages()), len(machines.requests())
    assert packages == LAYERS
    done = machines.build("--push", f"{machines.address}/other:1", "--cache-from", machines.cache)
    assert done.digest == first.digest
    assert len(machines.packages()) == packages
    asked = machines.requests()[before:]
    assert [each for each in asked if re.match("GET .*/blobs/sha256", each)] == []
    # The config, and the record of the environment: what is the image's own.
    sent = [each for each in asked if each.startswith("PUT ") and "/blobs/uploads/" in each]
    assert len(sent) == 2
    assert len([each for each in asked if each.startswith("GET /v2/team/layers/manifests/")]) == 2 * LAYERS
    reference = Reference.parse(f"{machines.address}/other:1")
    validate_image(RegistryClient().image(reference))
    # Nothing changed: the target is asked for the tag, and that is all.
    before = len(machines.requests())
    machines.build(
        "--push", f"{machines.address}/other:1", "--cache-from", machines.cache, "--cache-to", machines.cache
    )
    asked = [each for each in machines.requests()[before:] if "GET /v2/team/layers/manifests/" not in each]
    assert sorted(asked) == ["GET /v2/", "HEAD /v2/other/manifests/1"]


def test_a_file_is_made_of_the_cache(machines: Machines, tmp_path: Path) -> None:
    first = machines.build("--push", f"{machines.address}/app:1", "--cache-to", machines.cache)
    packages = len(machines.packages())
    done = machines.build("--output", tmp_path / "image.tar", "--cache-from", machines.cache)
    assert done.digest == first.digest
    validate_image(read_image_file(tmp_path / "image.tar"))
    assert len(machines.packages()) == packages


def test_two_builders_at_once_leave_a_whole_cache(machines: Machines) -> None:
    arguments = ("--cache-to", machines.cache, "--cache-from", machines.cache)
    with ThreadPoolExecutor(2) as executor:
        jobs = [executor.submit(machines.build, "--push", f"{machines.address}/app:{n}", *arguments) for n in (1, 2)]
        first, second = (job.result() for job in jobs)
    assert first.digest == second.digest
    assert "warning: the cache" not in first.stderr + second.stderr
    packages = len(machines.packages())
    third = machines.build("--push", f"{machines.address}/app:3", "--cache-from", machines.cache)
    assert third.digest == first.digest
    assert len(machines.packages()) == packages


def test_what_somebody_else_put_there_is_found(machines: Machines) -> None:
    machines.build("--push", f"{machines.address}/app:1", "--cache-to", machines.cache)
    client = RegistryClient()
    repository = Reference.parse(f"{machines.cache}:x")
    tags = sorted(tag for tag in client.tags(repository) if tag.startswith("layer-"))
    one, other = (client.artifact(repository.with_tag(tag)) for tag in tags[:2])
    document = json.loads(other.raw)
    document["annotations"]["io.docker-envs.layer.key"] = f"sha256:{tags[0].removeprefix('layer-')}"
    machines.put(f"team/layers/manifests/{tags[0]}", json.dumps(document).encode(), one.media_type)
    machines.put(f"team/layers/manifests/{tags[1]}", one.raw, one.media_type)
    push = ("--push", f"{machines.address}/app:2", "--cache-from", machines.cache)
    done = machines.build(*push)
    # What is plainly wrong is seen, what is well made is believed, unless it is verified.
    assert f"warning: `{tags[1]}` in the cache `{machines.cache}` is ignored: " in done.stderr
    assert f"`{tags[0]}`" not in done.stderr
    done = machines.build(*push, "--cache-verify", "all")
    assert done.status != 0
    assert f"error: layer `sha256:{tags[0].removeprefix('layer-')}` of `" in done.stderr
    assert f"hint: delete the tag `{tags[0]}` there" in done.stderr


def test_a_cache_that_wants_credentials_stops_no_build(
    machines: Machines, registry_with_basic_auth: PasswordRegistry, tmp_path: Path
) -> None:
    cache = f"{registry_with_basic_auth.address}/layers"
    done = machines.build("--output", tmp_path / "image.tar", "--cache-from", cache, "--cache-to", cache)
    assert done.status == 0
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: the cache")]
    assert len(warnings) == 2
    for line, verb in zip(warnings, ("read", "written"), strict=True):
        assert line.startswith(
            f"warning: the cache `{cache}` cannot be {verb}, so the build goes on without it: no perm"
        )
        assert "docker-envs login" in line
