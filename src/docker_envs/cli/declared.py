"""What the command line declares: files, specs, channels, or an installed environment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.builder.application.contents import FilesLayer
from docker_envs.builder.request import DeclarationFile
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.declarations.read import DEFAULT_FILE
from docker_envs.environments.conda.solving.channels import parse_channel
from docker_envs.errors import InvalidInputError, redact
from docker_envs.projects.environment_files import (
    EnvironmentDeclaration,
    EnvironmentPart,
    has_extras,
    merge_environment,
    read_environment_file,
)
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docker_envs.environments.conda.declarations.prefix import PrefixImport
    from docker_envs.environments.conda.solving.channels import ChannelPriority
    from docker_envs.environments.debian.declarations.declaration import AptDeclaration
    from docker_envs.oci.descriptor import Platform


@dataclass(frozen=True, slots=True)
class Declared:
    """The options and arguments that say what an environment holds; named as these."""

    files: tuple[Path, ...]
    specs: tuple[str, ...]
    channels: tuple[str, ...]
    environment: str
    categories: tuple[str, ...]
    prefix: PrefixImport | None = None
    priority: ChannelPriority | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    apt: AptDeclaration | None = None

    def declaration(self, platform: Platform) -> EnvironmentDeclaration:
        """Files and specs together, specs alone, an installed environment, or the file that is looked for by default.

        Returns:
            The declaration for a platform.

        Raises:
            InvalidInputError: A file cannot be understood, or what is given contradicts itself.
        """
        if self.prefix is not None:
            if self.files or self.specs:
                raise InvalidInputError("an installed environment is copied as it is, without files and specs")
            return EnvironmentDeclaration(self.prefix.declaration, apt=self.apt)
        parts = [self._read(path, platform) for path in self.read_files()]
        declared = merge_environment([*parts, *([self.apt] if self.apt is not None else [])])
        if declared.conda is None and not self.specs:
            return declared
        channels = tuple(parse_channel(text, directory=Path()) for text in self.channels)
        conda = (declared.conda or Declaration()).merged(channels=channels, specs=self.specs)
        return replace(declared, conda=conda.completed(priority=self.priority))

    def _read(self, path: Path, platform: Platform) -> EnvironmentPart:
        wanted = self.extras or self.groups
        named = bool(wanted) and has_extras(path)
        if wanted and not any(map(has_extras, self.read_files())):
            raise InvalidInputError(
                "`--extra` and `--dependency-group` choose of what a project declares, and none is named",
                hint="name its `pyproject.toml`, `uv.lock` or `pylock.toml` with `--file`",
            )
        return read_environment_file(
            path,
            platform=platform,
            environment=self.environment,
            categories=self.categories,
            extras=self.extras if named else (),
            groups=self.groups if named else (),
        )

    def read_files(self) -> tuple[Path, ...]:
        """The files that are read."""
        if self.files or self.specs or self.prefix is not None or (self.apt is not None and self.apt.requests):
            return self.files
        return (Path(DEFAULT_FILE),) if Path(DEFAULT_FILE).is_file() else ()

    def unowned(self, *, wanted: bool) -> tuple[FilesLayer, ...]:
        """The layer of what no package owns in the installed environment, when it is wanted.

        Raises:
            InvalidInputError: There is none.
        """
        if wanted and self.prefix is None:
            raise InvalidInputError(
                "`--add-unowned` needs an installed environment", hint="name it with `--prefix-from` or `--name`"
            )
        return (FilesLayer.of_unowned(self.prefix),) if wanted and self.prefix is not None else ()


def written_files(paths: Iterable[Path]) -> tuple[tuple[DeclarationFile, ...], list[str]]:
    """Files as they are, for others to read: without those that hold credentials.

    Returns:
        The files, and why others were left out.

    Raises:
        StorageError: A file cannot be read.
    """
    found, notes = [], []
    for path in paths:
        if not path.is_file():
            continue
        with storage_errors("read", path):
            content = path.read_bytes()
        text = content.decode(errors="replace")
        if redact(text) != text:
            notes.append(f"`{path}` is not attached to the image: addresses in it may hold credentials")
        else:
            found.append(DeclarationFile(path.name, content))
    return tuple(found), notes
