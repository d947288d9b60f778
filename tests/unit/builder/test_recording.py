"""The record of a build takes nothing's place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.records.record import RECORD_PATH
from tests.builds import read_image_file
from tests.images import flattened
from tests.packages.build import Directory, PackageSpec, Symlink, text, write_channel
from tests.unit.cli.runner import Run, runner

if TYPE_CHECKING:
    from pathlib import Path

    from tests.packages.build import Node

BUILD = ("build", "--base", "scratch", "--platform", "linux/amd64")
PLACE = f"opt/conda/{RECORD_PATH}"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    monkeypatch.setenv("DOCKER_ENVS_CACHE", str(tmp_path / "cache"))
    return runner(monkeypatch, capfdbinary)


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["build", "dry-run"])
@pytest.mark.parametrize(
    ("path", "node"),
    [
        ("share", Symlink("lib")),
        ("share", text("a file\n")),
        ("share/docker-envs", Symlink("..")),
        (RECORD_PATH, text("{}\n")),
    ],
    ids=["link", "file", "link-below", "record"],
)
def test_what_a_package_has_there(run: Run, tmp_path: Path, options: tuple[str, ...], path: str, node: Node) -> None:
    """A directory in a higher layer would hide a link and all that is behind it."""
    files = {path: node, "lib/behind.txt": text("behind\n")}
    channel = write_channel(tmp_path / "channel", [PackageSpec("odd", files=files)])
    output = tmp_path / "image.tar"
    arguments: tuple[str | Path, ...] = (*BUILD, "-c", channel.as_uri(), "odd", "-o", output, *options)
    refused = run(*arguments)
    assert refused.status == 6
    assert refused.stderr.splitlines()[-2:] == [
        f"error: package `odd` has `{path}`, but the record of the environment goes to `{RECORD_PATH}`",
        "hint: build without a record: `--no-record`",
    ]
    assert not output.exists()
    assert run(*arguments, "--no-record").status == 0


def test_what_files_have_there(run: Run, tmp_path: Path) -> None:
    channel = write_channel(tmp_path / "channel", [PackageSpec("tool", files={"bin/tool": text("")})])
    project, output = tmp_path / "docker-env.yaml", tmp_path / "image.tar"
    files = [{"to": f"/{PLACE}", "content": "mine"}]
    environment = {"channels": [channel.as_uri()], "dependencies": ["tool"]}
    project.write_text(json.dumps({"name": "x", "environment": environment, "files": files}))
    refused = run(*BUILD, "-f", project, "-o", output)
    assert refused.status == 6
    assert f"has `{RECORD_PATH}`, but the record" in refused.stderr
    assert not output.exists()
    assert run(*BUILD, "-f", project, "-o", output, "--no-record").status == 0
    assert flattened(read_image_file(output))[PLACE] == b"mine"


def test_directories_are_shared(run: Run, tmp_path: Path) -> None:
    files: dict[str, Node] = {"share/docker-envs": Directory(), "share/docker-envs/beside.txt": text("beside\n")}
    channel = write_channel(tmp_path / "channel", [PackageSpec("odd", files=files)])
    assert run(*BUILD, "-c", channel.as_uri(), "odd", "-o", tmp_path / "image.tar").status == 0
    tree = flattened(read_image_file(tmp_path / "image.tar"))
    assert tree["opt/conda/share/docker-envs/beside.txt"] == b"beside\n"
    assert PLACE in tree
