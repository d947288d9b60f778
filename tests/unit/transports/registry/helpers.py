"""What the tests of the registry transport share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from docker_envs.oci.manifest import Index
from docker_envs.oci.reference import Reference
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.registry.client import RegistryClient

if TYPE_CHECKING:
    from docker_envs.oci.descriptor import Descriptor, Platform
    from docker_envs.oci.image import Image
    from docker_envs.oci.manifest import Manifest
    from docker_envs.transports.authentication.credentials import Credentials
    from tests.simulators.http_server import HttpSimulator
    from tests.simulators.registry import RegistrySimulator

RULE = RetryRule(sleep=lambda _: None)


class Known:
    def __init__(self, found: Credentials | None = None) -> None:
        self.found = found

    def find(self, registry: str, repository: str) -> Credentials | None:
        return self.found


class Recorder:
    """A reporter that remembers; also its own task."""

    def __init__(self) -> None:
        self.started: list[tuple[str, str, int | None]] = []
        self.finished: list[str] = []
        self.warnings: list[str] = []
        self.advanced = 0

    def message(self, text: str) -> None:
        raise AssertionError(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def start(self, verb: str, name: str, total: int | None = None) -> Recorder:
        self.started.append((verb, name, total))
        return self

    def advance(self, amount: int) -> None:
        self.advanced += amount

    def finish(self, note: str = "") -> None:
        self.finished.append(note)


def client(found: Credentials | None = None, **options: Any) -> RegistryClient:
    return RegistryClient(credentials=Known(found), rule=RULE, **options)


def name(server: HttpSimulator, text: str = "app:1") -> Reference:
    return Reference.parse(f"{server.address}/{text}")


def store(server: RegistrySimulator, image: Image, tag: str = "1", repository: str = "app") -> Image:
    """Put an image into the simulator."""
    for layer in image.layers:
        with layer.open_blob() as blob:
            server.add_blob(repository, blob.read())
    server.add_blob(repository, image.config.raw)
    server.add_manifest(repository, tag, image.manifest.raw, image.media_type)
    return image


def store_index(server: RegistrySimulator, *manifests: Descriptor) -> None:
    index = Index.make(manifests)
    server.add_manifest("app", "1", index.raw, index.media_type)


def child(manifest: Manifest, platform: Platform | None) -> Descriptor:
    return replace(manifest.descriptor, platform=platform)
