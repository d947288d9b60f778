"""Attachments in a real registry without the API for them, and what other tools make of the image."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.builds import AMD64, docker_envs
from tests.integration.test_registry import skopeo

if TYPE_CHECKING:
    from pathlib import Path


def test_attachments_in_docker_registry(registry: str, channel: Path, tmp_path: Path) -> None:
    """Under the tag that stands in for the list; a second build leaves all as it is; skopeo reads it."""
    cache, name = tmp_path / "cache", f"{registry}/attached/app:1"
    file = tmp_path / "environment.yml"
    file.write_text(f"channels: [{channel.as_uri()}]\ndependencies: [hello-sh]\n")
    arguments = ("build", "-b", "scratch", "--platform", AMD64, "-f", file, "--push", name, "--json")
    digests, lists = [], []
    for _ in range(2):
        digests.append(docker_envs(*arguments, cache=cache).digest)
        lists.append(docker_envs("referrers", "--json", name, cache=cache).stdout)
    assert digests[0] == digests[1]
    assert lists[0] == lists[1]
    listed = json.loads(lists[0])
    assert len(listed) == 3
    bill = docker_envs("sbom", name, cache=cache).stdout
    described = json.loads(bill)["packages"][0]
    assert described["versionInfo"] == digests[0]
    assert docker_envs("env", name, "--format", "declaration", cache=cache).stdout == file.read_text()
    assert skopeo("inspect", name)["Digest"] == digests[0]
