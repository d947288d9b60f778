"""Fixtures that start the real things, once per session, and the rule that nothing is skipped under `CI=true`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.base_image import BaseImage, push_base_image, write_layout
from tests.packages.channel import build_channel
from tests.services import (
    HTPASSWD_LINE,
    Containerd,
    Engine,
    PasswordRegistry,
    require_programs,
    run_containerd,
    run_engine,
    run_podman,
    run_registry,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

HOST_VARIABLES = (
    "CONTAINER_HOST",
    "DOCKER_AUTH_CONFIG",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "REGISTRY_AUTH_FILE",
    "SOURCE_DATE_EPOCH",
    "XDG_RUNTIME_DIR",
)


def pytest_configure() -> None:
    """A shell lets what it puts into the background ignore interruptions, and commands would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under `CI=true`, a skipped integration test has failed."""
    report = yield
    if _must_not_skip(item.nodeid) and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true forbids: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Under `CI=true`, a skipped integration test module has failed."""
    report = yield
    if _must_not_skip(collector.nodeid) and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true forbids: {report.longrepr}"
    return report


def _must_not_skip(nodeid: str) -> bool:
    return os.environ.get("CI") == "true" and nodeid.startswith("tests/integration/")


@pytest.fixture(scope="session", autouse=True)
def _no_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees the user's own folders, credentials or engine."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in ("CACHE", "CONFIG", "DATA"):
            patch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
        for name in HOST_VARIABLES:
            patch.delenv(name, raising=False)
        patch.setenv("CONTAINERS_REGISTRIES_CONF", os.devnull)
        yield


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture channel's folder, not to be changed."""
    return build_channel(tmp_path_factory.mktemp("channel"))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The `127.0.0.1:port` of a real registry that takes anybody's pushes and deletions."""
    with run_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="session")
def registry_with_basic_auth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PasswordRegistry]:
    """A real registry that wants a user name and password."""
    with run_registry(tmp_path_factory.mktemp("registry"), htpasswd=HTPASSWD_LINE) as address:
        yield PasswordRegistry(address)


@pytest.fixture(scope="session")
def running_engine() -> Iterator[Engine]:
    """The session's Docker engine."""
    with run_engine() as engine:
        yield engine


@pytest.fixture
def engine(running_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A real Docker engine, which `DOCKER_HOST` names for the time of the test."""
    monkeypatch.setenv("DOCKER_HOST", running_engine.host)
    return running_engine


@pytest.fixture(scope="session")
def podman(registry: str, registry_with_basic_auth: PasswordRegistry) -> Iterator[Engine]:
    """The session's podman service, which takes plain HTTP from both registries."""
    with run_podman(insecure=[registry, registry_with_basic_auth.address]) as engine:
        yield engine


@pytest.fixture(params=["running_engine", "podman"], ids=["docker", "podman"])
def each_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """Each kind of engine, which `DOCKER_HOST` names for the time of the test."""
    engine: Engine = request.getfixturevalue(request.param)
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    return engine


@pytest.fixture(scope="session")
def containerd() -> Iterator[Containerd]:
    """The session's containerd, which has nothing to do with Docker's."""
    with run_containerd() as running:
        yield running


@pytest.fixture(scope="session")
def base_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout of the base image, with the tags `single` and `index`."""
    return write_layout(tmp_path_factory.mktemp("base") / "layout")


@pytest.fixture(scope="session")
def base_image(base_layout: Path, registry: str) -> BaseImage:
    """The base image in the registry."""
    require_programs("skopeo")
    return push_base_image(base_layout, registry)
