"""Starts real registries and container engines on this host, on free loopback ports and short socket paths."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import docker
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

START_SECONDS = 30
#: How long a log says nothing when all of it is there.
QUIET_SECONDS = 0.15
STORAGE_DRIVERS = ("overlay2", "vfs")
PODMAN_STORAGE_DRIVERS = ("overlay", "vfs")

#: What podman needs to run containers here: the usual limits may be above what this process may set.
PODMAN_SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""

USERNAME, PASSWORD = "fixture", "correct horse"
HTPASSWD_LINE = f"{USERNAME}:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n"
"""The user above in the format of `htpasswd -B`."""


class ServiceError(Exception):
    """A service did not start; the text is the end of its log."""


@dataclass(frozen=True)
class PasswordRegistry:
    """A registry that asks for Basic authentication."""

    address: str
    username: str = USERNAME
    password: str = PASSWORD


@dataclass(frozen=True)
class Engine:
    """Docker's engine or podman; `host` is what `DOCKER_HOST` holds for it."""

    host: str
    client: docker.DockerClient

    def run(self, image: str, *args: str) -> str:
        """Run a container without network to its end, pulling the image if the engine lacks it; its stdout.

        Raises:
            docker.errors.ContainerError: The exit status was not 0.
        """
        containers = self.client.containers
        try:
            container = containers.create(image, list(args) or None, network_mode="none")
        except docker.errors.ImageNotFound:
            self.client.images.pull(image)
            container = containers.create(image, list(args) or None, network_mode="none")
        try:
            container.start()
            status = container.wait()["StatusCode"]
            # Read after the end: followed from the start, the log of a container that ends at once may lack something.
            if status:
                errors = container.logs(stdout=False, stderr=True).decode()
                raise docker.errors.ContainerError(container, status, list(args), image, errors)
            return container.logs(stdout=True, stderr=False).decode()
        finally:
            container.remove(force=True)


def require_programs(*programs: str) -> None:
    """Skip the test unless all programs are there."""
    if missing := [program for program in programs if not shutil.which(program)]:
        pytest.skip(f"not installed: {', '.join(missing)}")


@contextmanager
def running(command: Sequence[str], log: Path, ready: Callable[[], T | None]) -> Iterator[T]:
    """Run a service in the background until the block ends, from when `ready` gives something, which is yielded.

    Raises:
        ServiceError: It ended, or was not ready in time.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        deadline = time.monotonic() + START_SECONDS
        while (found := ready()) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServiceError(f"{command[0]} did not start:\n{log.read_text()[-3000:]}")
            time.sleep(0.02)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def run_registry(folder: Path, *, htpasswd: str = "", auth: str = "", in_memory: bool = False) -> Iterator[str]:
    """Run docker-registry with deletion enabled; yields its `127.0.0.1:port`, which the system chose.

    Args:
        folder: For its files.
        htpasswd: Who is let in, by Basic authentication.
        auth: Or how else, as the `auth` of its configuration.
        in_memory: Keep images in memory, so that nobody waits for the disk.
    """
    require_programs("docker-registry")
    storage = "inmemory: {}" if in_memory else f"filesystem: {{rootdirectory: {folder}/blobs}}"
    if htpasswd:
        (folder / "htpasswd").write_text(htpasswd)
        auth = f"{{htpasswd: {{realm: fixture, path: {folder}/htpasswd}}}}"
    (folder / "config.yml").write_text(
        "version: 0.1\n"
        "log: {level: info}\n"
        f"storage: {{{storage}, delete: {{enabled: true}}}}\n"
        f'http: {{addr: "127.0.0.1:0", secret: fixture}}\n{f"auth: {auth}" if auth else ""}\n'
    )
    log = folder / "log"

    def address() -> str | None:
        found = re.search(r"listening on (127\.0\.0\.1:\d+)", log.read_text())
        return found[1] if found else None

    with running(["docker-registry", "serve", f"{folder}/config.yml"], log, address) as found:
        yield found


def settled_log(log: Path) -> str:
    """What a registry has in its log, where requests come a moment after they were answered."""
    content = None
    while (now := log.read_bytes()) != content:
        content = now
        time.sleep(QUIET_SECONDS)
    return now.decode()


@contextmanager
def run_engine(*, prefix: Sequence[str] = ()) -> Iterator[Engine]:
    """Run dockerd without a network bridge, in a temporary folder; skips the test where it cannot run.

    Args:
        prefix: A program with arguments that runs the engine.
    """
    require_programs("dockerd", "containerd", "runc")
    with _first_that_starts("dockerd", STORAGE_DRIVERS, lambda driver: _run_dockerd(driver, prefix)) as engine:
        yield engine


@contextmanager
def run_podman(*, insecure: Sequence[str] = (), prefix: Sequence[str] = ()) -> Iterator[Engine]:
    """Run podman's service in a temporary folder; skips the test where it cannot run.

    Args:
        insecure: Registries that speak plain HTTP.
        prefix: A program with arguments that runs the service.
    """
    require_programs("podman", "runc")
    start = _first_that_starts(
        "podman", PODMAN_STORAGE_DRIVERS, lambda driver: _run_podman_service(driver, insecure, prefix)
    )
    with start as engine:
        yield engine


@contextmanager
def _first_that_starts(
    program: str, drivers: Sequence[str], start: Callable[[str], AbstractContextManager[Engine]]
) -> Iterator[Engine]:
    """An engine with the first storage driver that works here."""
    if os.geteuid() != 0:
        pytest.skip(f"{program} needs root")
    problems = []
    with ExitStack() as stack:
        for driver in drivers:
            try:
                engine = stack.enter_context(start(driver))
            except ServiceError as exc:
                problems.append(str(exc))
            else:
                yield engine
                return
        pytest.skip("\n".join(problems))


@contextmanager
def _run_dockerd(driver: str, prefix: Sequence[str]) -> Iterator[Engine]:
    # Unix socket paths are limited to 107 bytes, so pytest's folders will not do.
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        # A dockerd that fails to start leaves its data mounted on itself; one that ended well has unmounted it.
        stack.callback(_unmount, f"{folder}/data")
        # Containers with the host's network leave it mounted as well.
        stack.callback(_unmount, f"{folder}/exec/netns/default")
        host = f"unix://{folder}/docker.sock"
        command = ["dockerd", "--host", host, "--storage-driver", driver, "--iptables=false", "--bridge=none"]
        command += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]

        log = Path(folder, "log")
        # A client that tries too early leaks its socket.
        ready = running([*prefix, *command], log, lambda: True if "API listen on" in log.read_text() else None)
        stack.enter_context(ready)
        yield stack.enter_context(_engine_at(host))


@contextmanager
def _run_podman_service(driver: str, insecure: Sequence[str], prefix: Sequence[str]) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="podman-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        stack.callback(_unmount, f"{folder}/root/{driver}")
        Path(folder, "containers.conf").write_text(PODMAN_SETTINGS)
        Path(folder, "registries.conf").write_text(
            "".join(f'[[registry]]\nlocation = "{registry}"\ninsecure = true\n' for registry in insecure)
        )
        path = Path(folder, "podman.sock")
        command = ["env", f"CONTAINERS_CONF={folder}/containers.conf"]
        command += [f"CONTAINERS_REGISTRIES_CONF={folder}/registries.conf", *prefix, "podman", "--root"]
        command += [f"{folder}/root", "--runroot", f"{folder}/run", "--tmpdir", f"{folder}/tmp"]
        command += ["--storage-driver", driver, "system", "service", "--time=0", f"unix://{path}"]
        stack.enter_context(running(command, Path(folder, "log"), lambda: _listens(path) or None))
        yield stack.enter_context(_engine_at(f"unix://{path}"))


@contextmanager
def _engine_at(host: str) -> Iterator[Engine]:
    client = docker.DockerClient(base_url=host, version="auto", timeout=START_SECONDS)
    try:
        yield Engine(host, client)
    finally:
        client.close()


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _unmount(path: str) -> None:
    subprocess.run(["umount", "--quiet", path], stderr=subprocess.DEVNULL)


@dataclass(frozen=True)
class Containerd:
    """containerd without Docker; `address` is its socket."""

    address: str

    def ctr(self, *args: str | Path) -> str:
        """What `ctr` prints."""
        command = ["ctr", "--address", self.address, *map(str, args)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@contextmanager
def run_containerd() -> Iterator[Containerd]:
    """Run containerd in a temporary folder; skips the test where it cannot run."""
    require_programs("containerd", "ctr")
    if os.geteuid() != 0:
        pytest.skip("containerd needs root")
    with tempfile.TemporaryDirectory(prefix="containerd-", ignore_cleanup_errors=True) as folder:
        Path(folder, "config.toml").write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        path = Path(folder, "containerd.sock")
        command = ["containerd", "--config", f"{folder}/config.toml", "--root", f"{folder}/root"]
        command += ["--state", f"{folder}/state", "--address", str(path)]
        with running(command, Path(folder, "log"), lambda: _listens(path) or None):
            yield Containerd(str(path))
