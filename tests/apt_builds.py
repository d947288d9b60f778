"""Builds of Debian packages from tiny signed archives in a folder, in this process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from docker_envs.archive.entry import Kind
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.builder.build import build
from docker_envs.builder.request import BuildRequest, Destinations
from docker_envs.environments.debian.declarations.declaration import AptDeclaration
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import AptSource
from docker_envs.images.location import Location, Transport
from docker_envs.oci.reference import Reference
from docker_envs.validate import validate_image
from tests.images import AMD64
from tests.packages.debian_archive import Deb, Signer, Suite, write_suite
from tests.recorder import RecordedTask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker_envs.builder.build import BuildResult
    from docker_envs.oci.image import Image


class Listener:
    """A reporter that keeps what is said, and which work was done."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.warnings: list[str] = []
        self.tasks: list[RecordedTask] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def start(self, verb: str, name: str, total: int | None = None) -> RecordedTask:
        task = RecordedTask(verb, name, total)
        self.tasks.append(task)
        return task

    def done(self, verb: str) -> list[str]:
        """Names of what was worked on."""
        return [task.name for task in self.tasks if task.verb == verb]


@dataclass
class AptFixture:
    """A signed archive in a folder, a cache beside it, and what builds report."""

    folder: Path
    signer: Signer = field(default_factory=Signer)
    listener: Listener = field(default_factory=Listener)

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def source(self) -> AptSource:
        return AptSource(self.archive.as_uri(), ("tester",), ("main",), self.signer.public)

    def offer(self, *debs: Deb, **suite: Any) -> Path:
        """Write the archive anew; returns its `InRelease`."""
        return write_suite(self.archive, Suite(debs=debs, **suite), self.signer)

    def declaration(self, *requests: str, **changes: Any) -> AptDeclaration:
        wanted = tuple(map(PackageRequest.parse, requests))
        return AptDeclaration(**{"requests": wanted, "sources": (self.source,), **changes})

    def request(self, *requests: str, apt: Mapping[str, Any] | None = None, **changes: Any) -> BuildRequest:
        return BuildRequest(
            **{
                "base": None,
                "declaration": None,
                "platform": AMD64,
                "cache": self.cache,
                "apt": self.declaration(*requests, **(apt or {})),
                **changes,
            }
        )

    def build(self, *requests: str, **changes: Any) -> BuildResult:
        made = build(self.request(*requests, **changes), reporter=self.listener)
        validate_image(made.image)
        return made

    def base(self, *requests: str, **changes: Any) -> Location:
        """An image in a file, to build on."""
        path = self.folder / f"base-{len(list(self.folder.glob('base-*')))}.tar"
        request = self.request(*requests, **changes)
        build(replace(request, destinations=Destinations((Reference.parse("base:1"),), archive=path)))
        return Location(Transport.DOCKER_ARCHIVE, path=path)


def tree(image: Image) -> dict[str, Any]:
    """What a container sees: bytes of files, `->` and the target of links, `/` for directories."""
    found: dict[str, Any] = {}
    for entry in iter_flattened([layer.open_tar for layer in image.layers], source="test"):
        if entry.kind is Kind.FILE:
            found[entry.path] = entry.read()
        else:
            found[entry.path] = "/" if entry.kind is Kind.DIRECTORY else f"-> {entry.link}"
    return found
