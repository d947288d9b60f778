"""`docker-env.lock`: what the images of a project are made from, for each platform.

Sorted, and a line for each package, so that a change is seen in a diff.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.errors import FormatError, NotFoundError
from docker_envs.projects.find import is_own_name
from docker_envs.projects.lock_inputs import LockInputs
from docker_envs.projects.locked_packages import LockedPackage
from docker_envs.transports.blobs import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LOCK_FILE = "docker-env.lock"
#: The version of the format.
_VERSION = 1


class LockedBase(msgspec.Struct, frozen=True, kw_only=True):
    """A base image: its `name`, and the `digest` of its manifest for the platform."""

    name: str
    digest: str


class LockedImage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An image for one platform.

    Attributes:
        declaration: Digest of `inputs`.
        inputs: What was locked.
        base: The base image; None for `scratch`, and for one that is not in a registry.
        packages: By name.
        projects: Projects of this host that become wheels, by their paths from the lock's folder where they are below.
    """

    declaration: str
    inputs: LockInputs
    base: LockedBase | None = None
    packages: tuple[LockedPackage, ...] = ()
    projects: tuple[str, ...] = ()


class LockFile(msgspec.Struct, frozen=True, kw_only=True):
    """A lock.

    Attributes:
        version: Of the format.
        images: Images by their title in the project (empty for its only one), then by platform.
    """

    images: dict[str, dict[str, LockedImage]]
    version: int

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Title and platform of all images, sorted."""
        return sorted((title, platform) for title, platforms in self.images.items() for platform in platforms)

    def image(self, title: str, platform: str) -> LockedImage | None:
        """An image for a platform, if it is locked."""
        return self.images.get(title, {}).get(platform)

    def to_text(self) -> str:
        """The file: JSON, a line for each package."""
        lines = ["{", f' "version": {self.version},', ' "images": {']
        lines += _joined(
            [f"  {_json(title)}: {{", *_joined(_image_lines(platforms)), "  }"]
            for title, platforms in sorted(self.images.items())
        )
        return "\n".join([*lines, " }", "}", ""])


def lock_path(project: Path) -> Path:
    """Where the lock of a project's file is: `docker-env.lock` beside it, and of `web.docker-env.yaml` another."""
    return project.with_name(f"{project.stem}.lock" if is_own_name(project) else _LOCK_FILE)


def make_lock(images: dict[str, dict[str, LockedImage]]) -> LockFile:
    """A lock of the current version."""
    return LockFile(images=images, version=_VERSION)


# Made here, for msgspec may crash when several threads are the first to use a type.
_DECODER = msgspec.json.Decoder(LockFile)


def _json(value: Any) -> str:
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False)


def _joined(blocks: Iterable[list[str]]) -> list[str]:
    """Blocks of lines with a comma behind each but the last."""
    listed = list(blocks)
    for block in listed[:-1]:
        block[-1] += ","
    return [line for block in listed for line in block]


def _image_lines(platforms: dict[str, LockedImage]) -> Iterable[list[str]]:
    for platform, image in sorted(platforms.items()):
        inputs = [f"     {_json(name)}: {_json(value)}" for name, value in msgspec.to_builtins(image.inputs).items()]
        parts = [
            [f'    "declaration": {_json(image.declaration)}'],
            ['    "inputs": {', *_joined([line] for line in inputs), "    }"] if inputs else ['    "inputs": {}'],
        ]
        if image.base is not None:
            parts.append([f'    "base": {_json(image.base)}'])
        if image.packages:
            packages = _joined([f"     {_json(package)}"] for package in image.packages)
            parts.append(['    "packages": [', *packages, "    ]"])
        if image.projects:
            parts.append([f'    "projects": {_json(image.projects)}'])
        yield [f"   {_json(platform)}: {{", *_joined(parts), "   }"]


def read_lock_file(path: Path) -> LockFile:
    """Read a lock.

    Raises:
        NotFoundError: It is not there.
        FormatError: It is none, of a later version, or a package lacks what one of its kind needs.
        StorageError: It cannot be read.
    """
    with storage_errors("read", path):
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise NotFoundError(f"no lock is at `{path}`", hint="write one with `docker-envs lock`") from error
    try:
        lock = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(str(path), f"no lock ({error})", hint="write it anew with `docker-envs lock`") from error
    if lock.version != _VERSION:
        raise FormatError(
            str(path),
            f"it has version {lock.version}, only {_VERSION} is known",
            hint="a newer release of docker-envs may know it",
        )
    for title, platform in lock.targets:
        for package in lock.images[title][platform].packages:
            package.check(str(path))
    return lock


def write_lock_file(lock: LockFile, path: Path) -> None:
    """Write a lock, whole or not at all.

    Raises:
        StorageError: It cannot be written.
    """
    with atomic_file(path) as file:
        file.write(lock.to_text().encode())
