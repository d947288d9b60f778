"""Builds in this process that use remote caches: a registry and a channel that remember what they were asked."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.build import build, plan_only
from docker_envs.builder.caches.remote_caches import CacheUse
from docker_envs.builder.forecast import expect_layers
from docker_envs.builder.request import BuildRequest, Destinations
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.reference import Reference
from docker_envs.report import SilentReporter
from tests.simulators.channel import ChannelSimulator
from tests.simulators.registry import RegistrySimulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.builder.build import BuildResult
    from docker_envs.builder.forecast import ExpectedLayer

NAMES = ("greeting-1.2-h1234567_3", "hello-sh-1.0-0", "activated-linked-1.0-0")
AMD64 = Platform.parse("linux/amd64")


class Heard(SilentReporter):
    """Remembers warnings, from any thread."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._lock = threading.Lock()

    def warning(self, text: str) -> None:
        with self._lock:
            self.warnings.append(text)


@dataclass
class Workshop:
    """Where builds happen; each gets an empty cache directory unless it is given one.

    Attributes:
        folder: For cache directories.
        registry: Where images and caches are.
        channel: Where packages are.
        packages: The environment.
        warnings: Of the last build, about caches.
    """

    folder: Path
    registry: RegistrySimulator
    channel: ChannelSimulator
    packages: tuple[CondaPackage, ...]
    warnings: list[str] = field(default_factory=list)
    _number: int = 0

    @property
    def repository(self) -> Reference:
        """The usual cache."""
        return Reference(self.registry.address, "cache", None)

    def new_cache(self) -> Path:
        self._number += 1
        return self.folder / f"cache-{self._number}"

    def request(
        self,
        cache: Path | None = None,
        *,
        sources: tuple[Reference, ...] = (),
        targets: tuple[Reference, ...] = (),
        verify: int | None = 0,
        push: str | None = None,
        **options: Any,
    ) -> BuildRequest:
        pushed = (Reference(self.registry.address, push),) if push else ()
        return BuildRequest(
            base=None,
            declaration=Declaration(packages=self.packages),
            platform=AMD64,
            cache=cache or self.new_cache(),
            destinations=Destinations(push=pushed, archive=options.pop("archive", None)),
            caches=CacheUse(sources, targets, verify),
            **options,
        )

    def build(self, cache: Path | None = None, **options: Any) -> BuildResult:
        heard = Heard()
        try:
            return build(self.request(cache, **options), reporter=heard)
        finally:
            self.warnings = [each for each in heard.warnings if " cache `" in each]

    def forecast(self, cache: Path | None = None, **options: Any) -> list[ExpectedLayer]:
        request = self.request(cache, **options)
        prepared = plan_only(request)
        return expect_layers(request, prepared.plan, prepared.caches)

    def fill(self, **options: Any) -> BuildResult:
        """Build once with an empty cache, and forget what was asked for that."""
        made = self.build(targets=(self.repository,), **options)
        assert self.warnings == []
        self.registry.log.clear()
        self.channel.log.clear()
        return made

    def asked(self, method: str, part: str = "") -> list[str]:
        return [each for each in self.registry.asked if each.startswith(f"{method} ") and part in each]

    def fetched(self) -> list[str]:
        """Archives of packages that were asked for."""
        return [each for each in self.channel.asked if each.endswith((".conda", ".bz2"))]

    def tags(self, start: str, repository: str = "cache") -> list[str]:
        return sorted(tag for tag in self.registry.repository(repository).manifests if tag.startswith(start))


@contextmanager
def open_workshop(folder: Path, channel: Path, names: tuple[str, ...] = NAMES) -> Iterator[Workshop]:
    """A workshop with packages of a channel."""
    registry, server = RegistrySimulator(), ChannelSimulator(channel)
    with registry.running(), server.running():
        packages = []
        for name in names:
            path = channel / "linux-64" / f"{name}.conda"
            content = path.read_bytes()
            url = f"{server.channel}/linux-64/{path.name}"
            package = CondaPackage.from_url(url, sha256=hashlib.sha256(content).hexdigest())
            packages.append(replace(package, size=len(content)))
        yield Workshop(folder, registry, server, tuple(packages))


ZSTD = CompressionSetting.parse("zstd")
