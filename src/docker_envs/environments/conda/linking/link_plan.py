"""What becomes of each file of a package, decided from its metadata before any file is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.environments.base import DEFAULT_PREFIX
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.environments.conda.linking.link_scripts import LinkScript, emulated_links, find_link_scripts
from docker_envs.environments.filters import Filter, filtered_paths
from docker_envs.errors import BuildError, FormatError, InvalidInputError, PrefixTooLongError
from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from docker_envs.environments.bytecode import Interpreter
    from docker_envs.environments.conda.linking.noarch import PythonInfo
    from docker_envs.environments.conda.metadata import PackageMetadata, PathsEntry
    from docker_envs.environments.conda.package import CondaPackage

_PYTHON_SOURCES = "site-packages/"


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """How the packages of an environment are linked.

    Attributes:
        prefix: Absolute path of the environment.
        filters: What is left out.
        compile: Whether `noarch: python` packages get bytecode.
        keep_setuid: Whether files keep set-user-id, set-group-id and sticky bits.
    """

    prefix: str = DEFAULT_PREFIX
    filters: frozenset[Filter] = frozenset()
    compile: CompilePolicy = CompilePolicy.NEVER
    keep_setuid: bool = False

    def __post_init__(self) -> None:
        if Filter.PYCACHE in self.filters and self.compile is not CompilePolicy.NEVER:
            raise InvalidInputError(f"`--compile {self.compile}` makes bytecode, which `--filter pycache` leaves out")


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """What becomes of each file of a package.

    Attributes:
        package: The package.
        metadata: What it says about itself.
        options: How it is linked.
        python: The environment's Python; only for `noarch: python` packages.
        interpreter: What compiles its modules; None when nothing does.
        filtered: Target paths that filters leave out, and which filter does.
        links: Symbolic links made in place of a link script, as targets by path.
        dropped: Target paths that are left out, since another package's file is there.
    """

    package: CondaPackage
    metadata: PackageMetadata
    options: LinkOptions
    python: PythonInfo | None = None
    interpreter: Interpreter | None = None
    filtered: Mapping[str, Filter] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    @property
    def prefix(self) -> str:
        """Absolute path of the environment."""
        return self.options.prefix

    def target(self, entry: PathsEntry) -> str:
        """Where a file goes, relative to the prefix."""
        return self.python.target(entry.path) if self.python is not None else entry.path

    def is_omitted(self, target: str) -> bool:
        """Whether a path is left out of the layer and the record."""
        return target in self.dropped or target in self.filtered

    def omitted_paths(self) -> list[str]:
        """All paths that are left out, sorted."""
        return sorted({*self.dropped, *self.filtered})

    def scripts(self) -> list[str]:
        """Target paths of the console scripts that are made."""
        return [f"bin/{point.command}" for point in self.metadata.entry_points] if self.python is not None else []

    def target_files(self) -> list[str]:
        """All paths that the package brings but directories, without what is filtered, relative to the prefix."""
        files = {self.target(entry): None for entry in self.metadata.paths if entry.path_type != "directory"}
        files |= dict.fromkeys([*self.scripts(), *self.links])
        return [path for path in files if path not in self.filtered]

    def target_directories(self) -> list[str]:
        """The directories that the package lists in their own right, relative to the prefix."""
        return [self.target(entry) for entry in self.metadata.paths if entry.path_type == "directory"]

    def replaced_by_scripts(self) -> list[str]:
        """Paths of its own files that console scripts take, which are made after them."""
        scripts = set(self.scripts())
        return [path for entry in self.metadata.paths if (path := self.target(entry)) in scripts]

    def link_scripts(self) -> list[LinkScript]:
        """Scripts that an installer would run, which are never run here."""
        return find_link_scripts(self.metadata.name, [self.target(entry) for entry in self.metadata.paths])

    def compiles(self, entry: PathsEntry) -> bool:
        """Whether a file is to get bytecode: a module that a `noarch: python` package brings for site-packages."""
        return self.interpreter is not None and entry.path.endswith(".py") and entry.path.startswith(_PYTHON_SOURCES)


def plan_link(
    package: CondaPackage,
    metadata: PackageMetadata,
    *,
    options: LinkOptions,
    python: PythonInfo | None,
    interpreter: Interpreter | None = None,
) -> LinkPlan:
    """Decide how a package is linked, and check that it can be.

    Args:
        package: The package.
        metadata: What it says about itself.
        options: How the environment is linked.
        python: The environment's Python, if it has one.
        interpreter: What compiles modules, if anything does.

    Raises:
        BuildError: A `noarch: python` package in an environment without Python.
        FormatError: Two of its files have one target, or one is below another.
        PrefixTooLongError: The prefix does not fit into a placeholder of the package.
    """
    if not metadata.is_noarch_python:
        python = interpreter = None
    elif python is None:
        raise BuildError(
            f"package `{metadata.name}` is for Python, but the environment has none",
            hint="add `python` to the specs",
        )
    plan = LinkPlan(package, metadata, options, python)
    files = [plan.target(entry) for entry in metadata.paths if entry.path_type != "directory"]
    if python is not None:
        _check_targets(metadata.source, files)
    filtered = filtered_paths(files, options.filters)
    plan = LinkPlan(
        package,
        metadata,
        options,
        python,
        interpreter if any(entry.path.endswith(".py") for entry in metadata.paths) else None,
        filtered,
        emulated_links(metadata.name, files),
    )
    _check_placeholders(plan)
    return plan


def _check_targets(source: str, files: Sequence[str]) -> None:
    """What its metadata keep apart may meet where Python is."""
    known = set(files)
    if len(known) != len(files):
        twice = next(path for path in files if files.count(path) > 1)
        raise FormatError(source, f"two of its files go to `{twice}`")
    for path in files:
        for parent in parent_paths(path):
            if parent in known:
                raise FormatError(source, f"`{path}` goes below `{parent}`, which is no directory")


def _check_placeholders(plan: LinkPlan) -> None:
    length = len(plan.prefix.encode())
    for entry in plan.metadata.paths:
        if entry.prefix_placeholder and entry.file_mode == "binary":
            limit = len(entry.prefix_placeholder.encode())
            if length > limit and plan.target(entry) not in plan.filtered:
                raise PrefixTooLongError(package=plan.metadata.name, path=entry.path, prefix=plan.prefix, limit=limit)
