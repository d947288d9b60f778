"""`pixi.toml`, and `pyproject.toml` with `[tool.pixi]`: one environment of a workspace, as pixi puts it together.

Spec: pixi docs, "Manifest" and "Multi Environment".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.dependency_groups import resolve_dependency_groups

from docker_envs.documents.toml_document import parse_toml
from docker_envs.environments.base import PipLine
from docker_envs.environments.conda.declarations.declaration import Declaration
from docker_envs.environments.conda.declarations.environment_yml import PYPI_HINT
from docker_envs.environments.conda.declarations.pixi_feature import (
    FEATURE_KEYS,
    TARGET_KEYS,
    PixiFeature,
    newer,
    read_channels,
    read_feature,
    read_word,
)
from docker_envs.environments.conda.declarations.pixi_lock import DEFAULT_ENVIRONMENT, read_pixi_lock, staleness
from docker_envs.environments.conda.declarations.pixi_pypi import read_pypi_options
from docker_envs.environments.conda.declarations.pixi_spec import check_keys
from docker_envs.environments.conda.declarations.pixi_workspace import (
    WORKSPACE_KEYS,
    WorkspacePlatform,
    read_exclude_newer,
    read_platforms,
)
from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.conda.solving.solve_settings import SolveSettings, SolveStrategy
from docker_envs.environments.conda.subdirs import subdir_of
from docker_envs.errors import FormatError, InvalidDeclarationError
from docker_envs.fields import Fields
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
    from docker_envs.oci.descriptor import Platform

LOCK_NAME = "pixi.lock"

_KEYS = (
    *TARGET_KEYS,
    *("$schema", "tool", "project", "workspace", "package", "feature", "environments"),
    *("system-requirements", "target", "pypi-options", "exclude-newer", "pypi-exclude-newer"),
)
_COMPOSING_KEYS = {"features", "solve-group", "no-default-feature"}
_ENVIRONMENT_KEYS = (
    *_COMPOSING_KEYS,
    *(key for key in FEATURE_KEYS if key not in ("host-dependencies", "build-dependencies", "system-requirements")),
)


def is_pixi_pyproject(text: str) -> bool:
    """Whether the text of a `pyproject.toml` holds a workspace of pixi."""
    return re.search(r"^\s*\[+\s*tool\s*\.\s*pixi\b", text, re.MULTILINE) is not None


def read_pixi_manifest(
    path: Path, text: str, *, environment: str, platform: Platform, with_pip: bool = False
) -> Declaration:
    """One environment of a workspace: the packages of the `pixi.lock` beside it if that is fresh, else its specs.

    Args:
        path: The file.
        text: Its content.
        environment: The one that is wanted.
        platform: The one that it is wanted for.
        with_pip: Whether packages from PyPI are handed on, and not refused.

    Raises:
        InvalidDeclarationError: It cannot be understood, has no such environment, is not for the platform, or needs
            packages that have to be built or come from PyPI.
    """
    try:
        workspace = _Workspace.parse(path, text)
        declared = workspace.declare(environment, subdir_of(platform), with_pip=with_pip)
    except FormatError as error:
        raise InvalidDeclarationError(error.source, error.reason, hint=error.hint) from error
    lock = path.parent / LOCK_NAME
    if not lock.is_file():
        return declared
    reason = staleness(lock, declared, environment=environment, platform=platform)
    if reason is not None:
        note = f"`{lock}` does not fit `{path.name}`, so it is not used: {reason}"
        return replace(declared, notes=(*declared.notes, note))
    locked = read_pixi_lock(lock, environment=environment, platform=platform, with_pip=with_pip)
    notes = (*declared.notes, f"packages are those of `{lock}`")
    return replace(declared, specs=(), packages=locked.packages, notes=notes, pip=locked.pip)


def declared_environments(path: Path, text: str) -> tuple[str, ...]:
    """The environments of a workspace, sorted; there is always `default`.

    Raises:
        InvalidDeclarationError: It cannot be understood.
    """
    try:
        return tuple(sorted(_Workspace.parse(path, text).environment_names))
    except FormatError as error:
        raise InvalidDeclarationError(error.source, error.reason, hint=error.hint) from error


@dataclass(frozen=True, slots=True)
class _Workspace:
    """A manifest, taken apart.

    Attributes:
        path: The file.
        manifest: What pixi reads: the file, or `[tool.pixi]` in it.
        workspace: `[workspace]`, once `[project]`.
        python: What `project.requires-python` says in a `pyproject.toml`.
        pypi_groups: Requirements that features of a `pyproject.toml` have of their own, by the feature's name.
    """

    path: Path
    manifest: Fields
    workspace: Fields
    python: str | None
    pypi_groups: dict[str, tuple[str, ...]]

    @classmethod
    def parse(cls, path: Path, text: str) -> _Workspace:
        document = Fields(parse_toml(path, text), str(path))
        manifest, python = document, None
        groups: dict[str, tuple[str, ...]] = {}
        if path.name == "pyproject.toml":
            tool = document.get("tool", dict) or {}
            if "pixi" not in tool:
                raise InvalidDeclarationError(str(path), "has no `[tool.pixi]`")
            manifest = document.object("tool").object("pixi")
            python, groups = _pyproject(document)
        check_keys(manifest, _KEYS)
        name = next((key for key in ("workspace", "project") if manifest.get(key, dict)), None)
        if name is None:
            raise InvalidDeclarationError(str(path), "has no `[workspace]`", hint="only workspaces have environments")
        workspace = manifest.object(name)
        check_keys(workspace, WORKSPACE_KEYS)
        return cls(path, manifest, workspace, python, groups)

    @property
    def environment_names(self) -> set[str]:
        return {DEFAULT_ENVIRONMENT, *(self.manifest.get("environments", dict) or {})}

    def declare(self, name: str, subdir: str, *, with_pip: bool) -> Declaration:
        """Put one environment together for a subdir."""
        environment = self._environment(name)
        place = self._platform(name, environment, subdir)
        features = self._features(environment, place)
        pip = self._pip_lines(environment, features)
        if pip and not with_pip:
            raise InvalidDeclarationError(
                str(self.path),
                f"environment `{name}` needs packages from PyPI (`{pip[0].text}`), which are not supported yet",
                hint=PYPI_HINT,
            )
        variables: dict[str, str] = {}
        for feature in reversed(features):
            variables.update(feature.variables)
        return Declaration(
            channels=self._channels(features),
            specs=tuple(dict.fromkeys(spec for feature in features for spec in feature.specs.values())),
            variables=variables,
            source=str(self.path),
            virtual_packages=self._virtual_packages(features, place),
            settings=self._settings(features),
            notes=tuple(self._notes(environment, features, variables)),
            pip=pip,
        )

    def _environment(self, name: str) -> Fields:
        if name not in self.environment_names:
            raise InvalidDeclarationError(
                str(self.path), f"has no environment `{name}`", hint=suggest(name, self.environment_names)
            )
        found = (self.manifest.get("environments", dict) or {}).get(name, [])
        location = f"{self.manifest.location}environments.{name}."
        environment = Fields({"features": found} if isinstance(found, list) else found, self.manifest.source, location)
        check_keys(environment, _ENVIRONMENT_KEYS)
        return environment

    def _tables(self, environment: Fields) -> list[Fields]:
        """The tables of an environment's features, the default feature last."""
        known = self.manifest.get("feature", dict) or {}
        # What an environment declares itself is a feature like others, and comes first.
        tables = [environment] if environment.document.keys() - _COMPOSING_KEYS else []
        for feature in environment.strings("features"):
            if feature in known:
                tables.append(self.manifest.object("feature").object(feature))
                check_keys(tables[-1], FEATURE_KEYS)
            elif feature not in self.pypi_groups:
                raise InvalidDeclarationError(
                    str(self.path),
                    f"{environment.location}features: has no feature `{feature}`",
                    hint=suggest(feature, known),
                )
        return tables if environment.get("no-default-feature", bool) else [*tables, self.manifest]

    def _features(self, environment: Fields, place: WorkspacePlatform) -> list[PixiFeature]:
        pool = self.workspace.get("dependencies", dict) or {}
        directory = self.path.parent
        features = [
            read_feature(table, names=(place.name, place.subdir), pool=pool, directory=directory)
            for table in self._tables(environment)
        ]
        if self.python is not None and not environment.get("no-default-feature", bool):
            default = dict(features[-1].specs)
            default.setdefault("python", self.python)
            features[-1] = replace(features[-1], specs=default)
        return features

    def _platform(self, name: str, environment: Fields, subdir: str) -> WorkspacePlatform:
        platforms = read_platforms(self.workspace)
        for table in self._tables(environment):
            if "platforms" in table.document:
                names = table.strings("platforms")
                platforms = [each for each in platforms if each.name in names or each.subdir in names]
        fitting = [each for each in platforms if each.subdir == subdir]
        plain = [each for each in fitting if each.name == subdir]
        if len(plain or fitting) == 1:
            return (plain or fitting)[0]
        listed = ", ".join(sorted(f"`{each.name}`" for each in fitting or platforms))
        if fitting:
            raise InvalidDeclarationError(
                str(self.path), f"environment `{name}` has several platforms for `{subdir}`: {listed}"
            )
        raise InvalidDeclarationError(
            str(self.path),
            f"environment `{name}` is not for `{subdir}`, only for {listed or 'nothing'}",
            hint="add it to `platforms`, or choose another with `--platform`",
        )

    def _channels(self, features: Sequence[PixiFeature]) -> tuple[str, ...]:
        workspace = read_channels(self.workspace, self.path.parent)
        pairs = [pair for feature in features for pair in (workspace if feature.channels is None else feature.channels)]
        pairs.sort(key=lambda pair: -pair[1])
        return tuple(dict.fromkeys(channel for channel, _ in pairs))

    def _virtual_packages(
        self, features: Sequence[PixiFeature], place: WorkspacePlatform
    ) -> tuple[VirtualPackage, ...]:
        found = {package.name: package for package in place.virtual_packages}
        for feature in features:
            for name, package in feature.system_requirements.items():
                found[name] = newer(found[name], package) if name in found else package
        return tuple(found[name] for name in sorted(found))

    def _settings(self, features: Sequence[PixiFeature]) -> SolveSettings:
        priority = read_word(self.workspace, "channel-priority", ChannelPriority)
        strategy = read_word(self.workspace, "solve-strategy", SolveStrategy)
        priorities = {each.channel_priority for each in features if each.channel_priority is not None}
        if len(priorities) > 1:
            raise InvalidDeclarationError(
                str(self.path), "the features of the environment have different values of `channel-priority`"
            )
        strategies = [each.strategy for each in features if each.strategy is not None]
        return SolveSettings(
            channel_priority=next(iter(priorities), priority) or ChannelPriority.STRICT,
            strategy=next(iter(strategies), strategy) or SolveStrategy.HIGHEST,
            constraints=tuple(dict.fromkeys(spec for each in features for spec in each.constraints.values())),
            exclude_newer=read_exclude_newer(self.workspace),
        )

    def _pip_lines(self, environment: Fields, features: Sequence[PixiFeature]) -> tuple[PipLine, ...]:
        """What comes from PyPI, options in front; nothing when only options are there."""
        groups = [
            *environment.strings("features"),
            *([] if environment.get("no-default-feature", bool) else [DEFAULT_ENVIRONMENT]),
        ]
        lines: dict[str, PipLine] = {}
        for feature in reversed(features):
            lines.update(feature.pypi)
        found = [lines[name] for name in sorted(lines)]
        for group in groups:
            place = f"{self.path}: requirements of `{group}`"
            found += [PipLine(text, place, self.path.parent) for text in self.pypi_groups.get(group, ())]
        options = [line for feature in features for line in feature.pypi_options]
        options += read_pypi_options(self.workspace, directory=self.path.parent)
        return (*dict.fromkeys(options), *found) if found else ()

    def _notes(self, environment: Fields, features: Sequence[PixiFeature], variables: dict[str, str]) -> list[str]:
        notes = []
        if group := environment.get("solve-group", str):
            notes.append(f"{self.path}: the solve group `{group}` is ignored, the environment is solved alone")
        if scripts := [script for feature in features for script in feature.scripts]:
            notes.append(f"{self.path}: the activation script `{scripts[0]}` is not run")
        notes += [
            f"{self.path}: the variable `{name}` is taken as it is written, `$` in it means nothing"
            for name, value in variables.items()
            if "$" in value
        ]
        if self.manifest.get("exclude-newer", dict):
            notes.append(f"{self.path}: `[exclude-newer]` of single packages is ignored")
        return notes


def _pyproject(document: Fields) -> tuple[str | None, dict[str, tuple[str, ...]]]:
    """What pixi takes from the rest of a `pyproject.toml`: Python, and requirements as features."""
    groups = _dependency_groups(document)
    if document.get("project", dict) is None:
        return "python", groups
    project = document.object("project")
    if project.get("optional-dependencies", dict):
        extras = project.object("optional-dependencies")
        groups |= {extra: tuple(extras.strings(extra)) for extra in extras.document}
    groups[DEFAULT_ENVIRONMENT] = tuple(project.strings("dependencies"))
    requires = project.get("requires-python", str)
    return (f'python[version="{requires.removeprefix("==")}"]' if requires else "python"), groups


def _dependency_groups(document: Fields) -> dict[str, tuple[str, ...]]:
    table = document.get("dependency-groups", dict) or {}
    try:
        return {group: resolve_dependency_groups(table, group) for group in table}
    except ExceptionGroup as error:
        raise document.error("dependency-groups", str(error.exceptions[0])) from error
