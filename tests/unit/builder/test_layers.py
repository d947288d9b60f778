"""Planned layers become layers, once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import Compression, CompressionSetting
from docker_envs.archive.reader import iter_entries
from docker_envs.builder.caches.layer_store import LayerStore
from docker_envs.builder.layers import LayerMaker
from docker_envs.builder.parallel import Cancelled
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.linking.plan_environment import plan_environment
from docker_envs.environments.conda.metadata import read_metadata
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.environments.conda.planned import ReadPackage
from docker_envs.errors import BuildError, FormatError
from docker_envs.oci import media_types
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.plan import Plan, make_plan
from docker_envs.report import SILENT, SilentReporter, Task
from tests.packages import hostile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = ("greeting-1.2-h1234567_3.conda", "hello-sh-1.0-0.conda", "links-1.0-0.conda")


class Recorder(SilentReporter):
    """Remembers what was begun."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, str, int | None]] = []

    def start(self, verb: str, name: str, total: int | None = None) -> Task:
        self.begun.append((verb, name, total))
        return super().start(verb, name, total)


def make_planned(paths: list[Path], *, budget: int = 64, compression: CompressionSetting | None = None) -> Plan:
    read = [
        ReadPackage(
            CondaPackage.from_url(path.as_uri()),
            read_metadata(PackageArchive(path)),
            path.name.ljust(64, "0"),
            path.stat().st_size,
        )
        for path in paths
    ]
    environment = PlannedEnvironment(plan_environment(read, LinkOptions("/opt/conda")))
    return make_plan(environment, budget=budget, compression=compression or CompressionSetting())


def maker(
    folder: Path,
    paths: list[Path],
    compression: CompressionSetting,
    executor: ThreadPoolExecutor,
    recorder: SilentReporter = SILENT,
) -> LayerMaker:
    archives = {path.name.ljust(64, "0"): path for path in paths}
    return LayerMaker(
        LayerStore(folder / "store"), archives, compression=compression, executor=executor, reporter=recorder
    )


@pytest.fixture
def paths(channel: Path) -> list[Path]:
    return [channel / "linux-64" / name for name in NAMES]


@pytest.fixture(params=[1, 4], ids=["one thread", "four threads"])
def executor(request: pytest.FixtureRequest) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(request.param) as executor:
        yield executor


@pytest.mark.parametrize(
    ("kind", "media_type"),
    [
        (Compression.GZIP, media_types.OCI_LAYER_GZIP),
        (Compression.ZSTD, media_types.OCI_LAYER_ZSTD),
        (Compression.NONE, media_types.OCI_LAYER_TAR),
    ],
)
def test_layers_are_what_was_planned_and_made_once(
    tmp_path: Path, paths: list[Path], executor: ThreadPoolExecutor, kind: Compression, media_type: str
) -> None:
    recorder, setting = Recorder(), CompressionSetting(kind)
    plan = make_planned(paths, compression=setting)
    make = maker(tmp_path, paths, setting, executor, recorder)
    layers = [make.layer(planned, threading.Event()) for planned in plan.layers]
    assert recorder.begun == [("build", planned.title, planned.size) for planned in plan.layers]
    for layer in layers:
        assert layer.media_type == media_type
        assert layer.host_path is not None
        assert layer.host_path.stat().st_size == layer.size
        with layer.open_tar() as tar:
            found = [entry.path for entry in iter_entries(tar, source="layer")]
        assert found.count("opt/conda/conda-meta/history") == 1
        assert len([path for path in found if path.endswith(".json")]) == 1
    assert [make.layer(planned, threading.Event()) for planned in plan.layers] == layers
    assert len(recorder.begun) == len(plan.layers)


def test_a_group_has_one_history_and_all_records(
    tmp_path: Path, paths: list[Path], executor: ThreadPoolExecutor
) -> None:
    (planned,) = make_planned(paths, budget=1).layers
    layer = maker(tmp_path, paths, CompressionSetting(), executor).layer(planned, threading.Event())
    with layer.open_tar() as tar:
        found = [entry.path for entry in iter_entries(tar, source="layer")]
    assert found.count("opt/conda/conda-meta/history") == 1
    assert len([path for path in found if path.startswith("opt/conda/conda-meta/") and path.endswith(".json")]) == 3
    assert len(found) == len(set(found))


def test_giving_up_leaves_nothing(tmp_path: Path, paths: list[Path], executor: ThreadPoolExecutor) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        maker(tmp_path, paths, CompressionSetting(), executor).layer(make_planned(paths).layers[0], cancelled)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("write", "kind", "message"),
    [
        (
            hostile.whiteout_name,
            BuildError,
            (
                "bad-1.0-0: a layer cannot hold `opt/conda/share/bad/.wh.foo`: "
                "names that start with `.wh.` mean deletions there"
            ),
        ),
        (
            hostile.missing_file,
            FormatError,
            "bad-1.0-0.conda: `share/bad/missing.txt` is listed in its metadata, but not there",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_no_layer_can_hold_leaves_nothing(
    tmp_path: Path, executor: ThreadPoolExecutor, write: object, kind: type[Exception], message: str
) -> None:
    assert callable(write)
    path = write(tmp_path / "channel") / "linux-64/bad-1.0-0.conda"
    make = maker(tmp_path, [path], CompressionSetting(), executor)
    with pytest.raises(kind) as caught:
        make.layer(make_planned([path]).layers[0], threading.Event())
    assert str(caught.value) == message
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
