"""`docker-env.lock`: what the images of a project are made from, for each platform.

Sorted, and a line for each package, so that a change is seen in a diff.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec

from docker_envs.digest import Digest
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.errors import FormatError, NotFoundError
from docker_envs.fields import canonical_json
from docker_envs.projects.find import is_own_name
from docker_envs.transports.blobs import atomic_file, storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LOCK_FILE = "docker-env.lock"
#: The version of the format.
_VERSION = 1


class LockedPackage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A package of a lock; attributes as of `CondaPackage`.

    `url` has no credentials; of a channel in a folder it is relative to the lock's where it can be.
    """

    kind: str = "conda"
    name: str
    version: str
    build: str
    subdir: str
    url: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None


class LockedBase(msgspec.Struct, frozen=True, kw_only=True):
    """A base image: its `name`, and the `digest` of its manifest for the platform."""

    name: str
    digest: str


class LockInputs(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was locked: when any of it changes, the lock is stale.

    Attributes:
        base: Base image as the project names it.
        channels: Without credentials, highest priority first.
        specs: Match specs, sorted.
        virtual_packages: As `NAME=VERSION=BUILD`.
        settings: How it was solved, what is as by default left out.
        packages: Digest of what a lock of another tool names, when the environment is one.
    """

    base: str | None = None
    channels: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    virtual_packages: tuple[str, ...] = ()
    settings: dict[str, str] = {}
    packages: str | None = None

    @property
    def digest(self) -> Digest:
        """Digest of the declaration."""
        return Digest.of(canonical_json(msgspec.to_builtins(self)))

    def has_packages_of(self, other: LockInputs) -> bool:
        """Whether both ask for the same packages, whatever their bases."""
        return msgspec.structs.replace(self, base=None) == msgspec.structs.replace(other, base=None)

    def changes(self, now: LockInputs) -> list[str]:
        """What is not the same any more, a phrase each."""
        found = []
        if self.base != now.base:
            found.append(f"the base is `{now.base}` instead of `{self.base}`")
        for what, before, after in (
            ("channel", self.channels, now.channels),
            ("spec", self.specs, now.specs),
            ("virtual package", self.virtual_packages, now.virtual_packages),
        ):
            found += [f"the {what} `{each}` is new" for each in after if each not in before]
            found += [f"the {what} `{each}` is gone" for each in before if each not in after]
            if before != after and set(before) == set(after):
                found.append(f"the {what}s are in another order")
        if self.settings != now.settings:
            found.append("it is solved in another way")
        if self.packages != now.packages:
            found.append("the lock that it names has other packages")
        return found


class LockedImage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """An image for one platform.

    Attributes:
        declaration: Digest of `inputs`.
        inputs: What was locked.
        base: The base image; None for `scratch`, and for one that is not in a registry.
        packages: By name.
    """

    declaration: str
    inputs: LockInputs
    base: LockedBase | None = None
    packages: tuple[LockedPackage, ...] = ()


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
        yield [f"   {_json(platform)}: {{", *_joined(parts), "   }"]


def read_lock_file(path: Path) -> LockFile:
    """Read a lock.

    Raises:
        NotFoundError: It is not there.
        FormatError: It is none, or of a later version.
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
    return lock


def write_lock_file(lock: LockFile, path: Path) -> None:
    """Write a lock, whole or not at all.

    Raises:
        StorageError: It cannot be written.
    """
    with atomic_file(path) as file:
        file.write(lock.to_text().encode())


def locked_packages(packages: Sequence[CondaPackage], folder: Path) -> tuple[LockedPackage, ...]:
    """Packages as a lock in a folder has them."""
    return tuple(
        LockedPackage(
            name=package.name,
            version=package.version,
            build=package.build,
            subdir=package.subdir,
            url=_written_url(package, folder),
            sha256=package.sha256,
            md5=None if package.sha256 else package.md5,
            size=package.size,
        )
        for package in sorted(packages, key=lambda package: package.name)
    )


def _written_url(package: CondaPackage, folder: Path) -> str:
    if urlsplit(package.url).scheme != "file":
        return package.public_url
    path = Path(url2pathname(urlsplit(package.url).path))
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_uri()


def packages_of(image: LockedImage, folder: Path, channels: Sequence[str]) -> tuple[CondaPackage, ...]:
    """The packages of a locked image, with addresses to fetch them from.

    Args:
        image: The image.
        folder: Where the lock is.
        channels: URLs of channels that may hold credentials, which the lock does not have.
    """
    return tuple(
        CondaPackage(
            name=package.name,
            version=package.version,
            build=package.build,
            subdir=package.subdir,
            url=_read_url(package.url, folder, channels),
            sha256=package.sha256,
            md5=package.md5,
            size=package.size,
        )
        for package in image.packages
    )


def _read_url(url: str, folder: Path, channels: Sequence[str]) -> str:
    if not urlsplit(url).scheme:
        return (folder / url).as_uri()
    for channel in channels:
        place = channel if channel.endswith("/") else f"{channel}/"
        public = CondaPackage.from_url(f"{place}noarch/a-0-0.conda").public_channel.removesuffix("noarch/")
        if public != place and url.startswith(public):
            return place + url.removeprefix(public)
    return url
