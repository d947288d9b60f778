"""Builds that follow one another: what has not changed is not made again, and the image is that of a single build."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.application.contents import FilesLayer, HostFiles, InlineFile
from docker_envs.builder.build import build
from docker_envs.builder.layers import LayerMaker
from docker_envs.builder.repeated import RepeatedBuild
from docker_envs.builder.request import BuildRequest, Destinations
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.solving.channels import parse_channel
from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform
from docker_envs.report import SilentReporter
from docker_envs.validate import validate_image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from docker_envs.archive.entry import Entry
    from docker_envs.oci.layer import Layer
    from docker_envs.report import Task


class Solves(SilentReporter):
    """Counts what is solved."""

    def __init__(self) -> None:
        self.count = 0

    def start(self, verb: str, name: str, total: int | None = None) -> Task:
        self.count += verb == "solve"
        return super().start(verb, name, total)


def make_request(tmp_path: Path, channel: Path) -> BuildRequest:
    for name in ("data", "src"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    copied = [
        FilesLayer(name, (HostFiles(context=tmp_path, source=name, path=f"/{name}", exclude=("*.log",)),))
        for name in ("data", "src")
    ]
    return BuildRequest(
        base=None,
        declaration=Declaration((parse_channel(channel.as_uri(), directory=tmp_path),), ("greeting",)),
        platform=Platform.parse("linux/amd64"),
        cache=tmp_path / "cache",
        destinations=Destinations(archive=tmp_path / "image.tar"),
        files=tuple(copied),
    )


def test_each_image_is_that_of_a_single_build(tmp_path: Path, channel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    make_layer = LayerMaker.layer_of_entries

    def remembered(maker: LayerMaker, entries: Iterable[Entry], *, title: str) -> Layer:
        titles.append(title)
        return make_layer(maker, entries, title=title)

    monkeypatch.setattr(LayerMaker, "layer_of_entries", remembered)
    request = make_request(tmp_path, channel)
    solves = Solves()
    repeated = RepeatedBuild(solves)

    def made(request: BuildRequest) -> list[str]:
        """What was made anew besides the record."""
        titles.clear()
        image = repeated.build(request)
        found = titles[:]
        validate_image(image)
        assert image.digest == build(request).image.digest
        assert found.pop() == "record"
        return found

    assert made(request) == ["data", "src"]
    (tmp_path / "src/ignored.log").write_text("x")
    assert made(request) == []
    (tmp_path / "src/file").write_text("changed")
    assert made(request) == ["src"]
    (tmp_path / "data/more").write_text("new")
    assert made(request) == ["data", "src"]
    assert made(replace(request, container=replace(request.container, workdir="/src"))) == []
    text = FilesLayer("text", (InlineFile(path="/text", content=b"x"),))
    assert made(replace(request, files=(request.files[0], text))) == ["text"]
    assert solves.count == 1
    assert made(replace(request, prefix="/opt/other")) == ["data", "src"]
    assert solves.count == 2


def test_a_build_that_fails_leaves_nothing_to_the_next(tmp_path: Path, channel: Path) -> None:
    request = make_request(tmp_path, channel)
    solves = Solves()
    repeated = RepeatedBuild(solves)
    first = repeated.build(request)
    lost = tmp_path / "src/file"
    lost.rename(tmp_path / "kept")
    (tmp_path / "src").rmdir()
    with pytest.raises(InvalidInputError, match="there is no `src`"):
        repeated.build(request)
    (tmp_path / "src").mkdir()
    (tmp_path / "kept").rename(lost)
    assert repeated.build(request).digest == first.digest
    assert solves.count == 2
