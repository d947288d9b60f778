from __future__ import annotations

import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import EngineError
from docker_envs.transports.engine.client import Engine
from tests.images import make_image, named
from tests.recorder import Recorder
from tests.simulators.engine import EngineSimulator

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = named(make_image({"a": b"a"}), "app:1")


@contextmanager
def engine_that(pull: str) -> Iterator[tuple[EngineSimulator, Engine, Recorder]]:
    recorder = Recorder()
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:
        path = Path(folder, "socket")
        with EngineSimulator(path, pull).running() as simulator, Engine(f"unix://{path}", reporter=recorder) as engine:
            yield simulator, engine, recorder


@pytest.mark.parametrize("pull", ["silent", "refused", "late"])
def test_an_engine_that_takes_nothing_from_us_gets_a_stream(pull: str) -> None:
    with engine_that(pull) as (simulator, engine, recorder):
        start = time.monotonic()
        assert engine.load([APP]) == ["app:1"]
        assert time.monotonic() - start < 30
        assert len(simulator.loaded) == 1
        assert simulator.loaded[0] > APP.image.layers[0].size
        assert recorder.tasks == []
        assert not any(line.endswith("/tag") for line in simulator.log)


@pytest.mark.parametrize(("pull", "reason"), [("broken", "broke off"), ("garbage", "no valid JSON")])
def test_an_engine_that_fails_after_it_took_something(pull: str, reason: str) -> None:
    with engine_that(pull) as (simulator, engine, _):
        with pytest.raises(EngineError, match=rf"cannot load the images: .*{reason}"):
            engine.load([APP])
        assert simulator.loaded == []
        assert not any(line.endswith("/tag") for line in simulator.log)
        # What the engine may have is removed under the name that nobody else knows.
        assert [line.partition("?")[0] for line in simulator.log if line.startswith("DELETE")]


def test_images_without_a_name_are_streamed() -> None:
    with engine_that("silent") as (simulator, engine, _):
        engine.load([APP, named(APP.image)])
        assert len(simulator.loaded) == 1
        assert not any("create" in line for line in simulator.log)


def test_the_program_of_an_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with engine_that("silent") as (simulator, engine, _):
        with pytest.raises(EngineError, match="the program `docker` is not installed"):
            engine.program()
        (tmp_path / "docker").touch(0o755)
        assert engine.program() == ["docker", "--host", f"unix://{simulator.server_address!s}"]
