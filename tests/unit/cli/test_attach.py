"""`docker-envs build --push --attach`, and what other commands make of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.simulators.registry import RegistrySimulator
from tests.unit.cli.runner import Outcome, Run, runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SBOMS = {"application/spdx+json", "application/vnd.cyclonedx+json"}
DECLARATION = "application/vnd.docker-envs.declaration.v1"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    monkeypatch.setenv("DOCKER_ENVS_CACHE", str(tmp_path / "cache"))
    return runner(monkeypatch, capfdbinary)


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    simulator.lists_referrers = True
    with simulator.running():
        yield simulator


@pytest.fixture
def file(channel: Path, tmp_path: Path) -> Path:
    path = tmp_path / "environment.yml"
    path.write_text(f"# mine\nchannels: [{channel.as_uri()}]\ndependencies: [hello-sh]\n")
    return path


def build(run: Run, name: str, *arguments: str | Path) -> Outcome:
    return run("build", "--base", "scratch", "--platform", "linux/amd64", "-q", "--push", name, *arguments)


def attached(run: Run, name: str) -> set[str]:
    return {each["artifactType"] for each in json.loads(run("referrers", "--json", name).text)}


def test_default(run: Run, registry: RegistrySimulator, file: Path) -> None:
    name = f"{registry.address}/app:1"
    digest = build(run, name, "-f", file).text
    assert attached(run, name) == SBOMS | {DECLARATION}
    assert run("env", name, "--format", "declaration").stdout == file.read_bytes()
    registry.log.clear()
    assert build(run, name, "-f", file).text == digest
    asked = [f"{each.method} {each.path}" for each in registry.log]
    assert asked == ["GET /v2/", "HEAD /v2/app/manifests/1", f"GET /v2/app/referrers/{digest.strip()}"]


@pytest.mark.parametrize(
    ("words", "types"),
    [("none", set()), ("sbom", SBOMS), ("declaration", {DECLARATION}), ("declaration, sbom", SBOMS | {DECLARATION})],
)
def test_what_is_attached(run: Run, registry: RegistrySimulator, file: Path, words: str, types: set[str]) -> None:
    name = f"{registry.address}/app:1"
    assert build(run, name, "-f", file, "--attach", words).status == 0
    assert attached(run, name) == types


def test_unknown_word(run: Run, registry: RegistrySimulator, file: Path) -> None:
    refused = build(run, f"{registry.address}/app:1", "-f", file, "--attach", "sboms")
    assert refused.status == 2
    assert "use one of `sbom`, `declaration`" in refused.stderr
    assert registry.log == []


def test_file_with_credentials_stays_here(
    run: Run, registry: RegistrySimulator, file: Path, channel: Path, tmp_path: Path
) -> None:
    file.write_text(f"{file.read_text()}# was https://somebody:secret@conda.example/channel\n")
    name = f"{registry.address}/app:1"
    done = build(run, name, "-f", file)
    assert f"`{file}` is not attached to the image" in done.stderr
    assert attached(run, name) == SBOMS
    assert not any(b"secret" in blob for blob in registry.repository("app").blobs.values())


def test_no_declaration(run: Run, registry: RegistrySimulator, channel: Path) -> None:
    name = f"{registry.address}/app:1"
    build(run, name, "-c", channel.as_uri(), "hello-sh")
    assert attached(run, name) == SBOMS
    missing = run("env", name, "--format", "declaration")
    assert (missing.status, "no declaration is attached" in missing.stderr) == (4, True)
    assert run("env", f"{registry.address}/app:2", "--format", "declaration").status == 4


def test_several_declarations(run: Run, registry: RegistrySimulator, file: Path) -> None:
    name = f"{registry.address}/app:1"
    digest = build(run, name, "-f", file).text
    file.write_text(f"{file.read_text()}# changed, and yet the same\n")
    assert build(run, name, "-f", file).text == digest
    refused = run("env", name, "--format", "declaration")
    assert refused.status == 2
    assert "several declarations are attached" in refused.stderr


def test_image_without_record_gets_no_bill(run: Run, registry: RegistrySimulator, file: Path) -> None:
    name = f"{registry.address}/app:1"
    assert build(run, name, "-f", file, "--no-record").status == 0
    assert attached(run, name) == {DECLARATION}
