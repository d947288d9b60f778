"""From a declaration to wheels that run on the target, with what is installed already taken as it is."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from docker_envs.documents.text_file import read_text
from docker_envs.documents.toml_document import parse_toml
from docker_envs.environments.pypi.declarations.pylock import PypiLock, parse_lock
from docker_envs.environments.pypi.package import PypiPackage, PypiSdist
from docker_envs.environments.pypi.resolving.index_credentials import IndexCredentials
from docker_envs.environments.pypi.resolving.installed import write_placeholder
from docker_envs.environments.pypi.resolving.pip_configuration import indexes_of_pip
from docker_envs.environments.pypi.resolving.select import (
    ALL,
    PypiResolution,
    check_hashes,
    select_packages,
    with_requested,
)
from docker_envs.environments.pypi.resolving.uv import UvSettings, host_python, run_uv
from docker_envs.errors import BuildError, SolveError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from docker_envs.environments.pypi.declarations.declaration import (
        LocalProject,
        PypiDeclaration,
        PypiIndexes,
        PypiRequirement,
    )
    from docker_envs.environments.pypi.resolving.installed import InstalledDistribution
    from docker_envs.environments.pypi.target import PypiTarget

#: The glibc versions that uv has names for; the next lower one is taken.
_UV_GLIBC = (40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17)
#: Machines that uv can resolve for.
_UV_MACHINES = ("x86_64", "aarch64")


def resolve_pypi(
    declaration: PypiDeclaration,
    target: PypiTarget,
    *,
    installed: Sequence[InstalledDistribution] = (),
    sdists: Collection[str] = (),
    preferred: Mapping[str, str] | None = None,
    settings: UvSettings | None = None,
) -> PypiResolution:
    """Choose the wheels of an environment: those of a lock, or those that uv chooses.

    Args:
        declaration: What is wanted.
        target: What it will run on.
        installed: What is there already, and stays.
        sdists: Normalised names of distributions whose source may be built where there is no other way; see `ALL`.
        preferred: Versions by normalised name that uv chooses wherever they fit.
        settings: How uv works.

    Raises:
        InvalidDeclarationError: A lock is not for the target, or a hash is not the declared one.
        SolveError: Nothing fits, or not to what is installed.
        BuildError: Something has no wheel for the target.
        TransportError: An index cannot be read.
    """
    settings = settings or UvSettings()
    if declaration.packages is not None:
        return _authorized(_of_packages(declaration, declaration.packages), declaration, settings)
    if declaration.lock is not None:
        found = select_packages(declaration.lock, target, installed=installed, sdists=sdists)
        return _authorized(found, declaration, settings)
    if declaration.is_empty:
        return PypiResolution(())
    solver = _Solver(declaration, target, settings, preferred or {})
    try:
        found = solver.solve_at_all(installed, sdists)
    except (SolveError, BuildError) as error:
        raise solver.explained(error, installed) from error
    found = _authorized(found, declaration, settings)
    named = [requirement.name for requirement in declaration.requirements]
    packages, sources = with_requested(found.packages, named), with_requested(found.sources, named)
    allowed = {each.name: each.hashes for each in declaration.requirements if each.hashes}
    check_hashes((*packages, *sources), allowed, source=declaration.source)
    notes = _lost_extras(declaration.requirements, found.provided)
    roots = {project.root for project in declaration.projects}
    projects = (*declaration.projects, *(each for each in found.projects if each.root not in roots))
    return replace(found, packages=packages, sources=sources, projects=projects, notes=tuple(notes))


def _of_packages(declaration: PypiDeclaration, packages: Sequence[PypiPackage | PypiSdist]) -> PypiResolution:
    """What was chosen before."""
    return PypiResolution(
        packages=tuple(each for each in packages if isinstance(each, PypiPackage)),
        sources=tuple(each for each in packages if isinstance(each, PypiSdist)),
        projects=declaration.projects,
    )


def _authorized(found: PypiResolution, declaration: PypiDeclaration, settings: UvSettings) -> PypiResolution:
    """The same with the credentials that are known for the files."""
    known = IndexCredentials.load(settings.environ, indexes=[declaration.indexes], directory=declaration.directory)
    return replace(
        found,
        packages=tuple(replace(each, url=known.authorized(each.url)) for each in found.packages),
        sources=tuple(replace(each, url=known.authorized(each.url)) for each in found.sources),
    )


class _Solver:
    def __init__(
        self, declaration: PypiDeclaration, target: PypiTarget, settings: UvSettings, preferred: Mapping[str, str]
    ) -> None:
        self._declaration = declaration
        self._target = target
        self._settings = settings
        self._preferred = preferred
        self._indexes = indexes_of_pip(settings.environ).merged(declaration.indexes)

    def solve_at_all(self, installed: Sequence[InstalledDistribution], sdists: Collection[str]) -> PypiResolution:
        """What uv chooses: wheels alone, or where that cannot be, with sources that may be built."""
        try:
            return self.solve(installed)
        except (SolveError, BuildError):
            if not sdists:
                raise
        return self.solve(installed, sdists)

    def solve(self, installed: Sequence[InstalledDistribution], sdists: Collection[str] = ()) -> PypiResolution:
        """What uv chooses; of distributions that may be built, source is taken before wheels."""
        with tempfile.TemporaryDirectory(prefix="docker-envs-") as name:
            folder = Path(name).resolve()
            directory = self._declaration.directory or folder
            # May hold credentials; the directory is for us alone.
            (folder / "requirements.txt").write_text("\n".join(self._requirements()) + "\n")
            constraints = [each.text for each in self._declaration.constraints]
            constraints += [f"{each.name} @ {write_placeholder(folder, each).as_uri()}" for each in installed]
            (folder / "constraints.txt").write_text("\n".join(constraints) + "\n")
            arguments = ["pip", "compile", str(folder / "requirements.txt"), *self._options(folder, sdists)]
            if self._preferred:
                # uv keeps to what the file has that it is to write.
                output = folder / "pylock.toml"
                output.write_text(_preferences(self._preferred))
                run_uv([*arguments, "--output-file", str(output)], directory=directory, settings=self._settings)
                printed, directory = output.read_text(), folder
            else:
                printed = run_uv(arguments, directory=directory, settings=self._settings)
            lock = PypiLock(parse_lock(Path("uv"), printed), self._declaration.source, directory)
            return select_packages(lock, self._target, installed=installed, sdists=sdists)

    def _requirements(self) -> Iterator[str]:
        yield from _index_lines(self._indexes)
        yield from (each.text for each in self._declaration.requirements)
        for project in self._declaration.projects:
            extras = f"[{','.join(project.extras)}]" if project.extras else ""
            name = _name(project.root)
            yield f"{name}{extras} @ {project.root.as_uri()}" if name else f"{project.root}{extras}"

    def _options(self, folder: Path, sdists: Collection[str]) -> Iterator[str]:
        yield from ("--constraints", str(folder / "constraints.txt"), "--format", "pylock.toml", "--no-header")
        yield from ("--python-version", self._target.python, *host_python())
        yield from _build_options(self._declaration.projects, sdists)
        yield from _platform_options(self._target)
        if self._declaration.prereleases:
            yield "--prerelease=allow"

    def explained(
        self, error: SolveError | BuildError, installed: Sequence[InstalledDistribution]
    ) -> SolveError | BuildError:
        """The same error, or a better one when it is what is installed that does not fit.

        Cost: a solve without what is installed, and one for each distribution that would then come in another version.
        """
        if not installed:
            return error
        try:
            free = {package.name: package for package in self.solve(()).packages}
        except (SolveError, BuildError):
            return error
        for each in installed:
            wanted = free.get(each.name)
            if wanted is None or wanted.version == each.version:
                continue
            try:
                self.solve([each])
            except (SolveError, BuildError) as alone:
                return SolveError(
                    f"{each.owner} has `{each.name}` {each.version}, but {self._declaration.source} needs another, "
                    f"such as {wanted.version}: {alone}",
                    hint=f"ask for another version of `{each.name}` in one of them, or leave it out of one",
                )
        return error


def _preferences(versions: Mapping[str, str]) -> str:
    """Names and versions as a `pylock.toml`."""
    lines = ['lock-version = "1.0"', 'created-by = "docker-envs"']
    for name, version in sorted(versions.items()):
        lines += ["[[packages]]", f"name = {json.dumps(name)}", f"version = {json.dumps(version)}"]
    return "\n".join([*lines, ""])


def _build_options(projects: Iterable[LocalProject], sdists: Collection[str]) -> Iterator[str]:
    """Only the projects of the declaration may be built, where their metadata are not all in `pyproject.toml`.

    So may be what somebody allowed.
    """
    if ALL in sdists:
        return
    yield "--only-binary=:all:"
    names = {_name(project.root) for project in projects} | set(sdists)
    yield from (f"--no-binary={name}" for name in sorted(filter(None, names)))


def _name(root: Path) -> str | None:
    path = root / "pyproject.toml"
    table = parse_toml(path, read_text(path)).get("project") if path.is_file() else None
    return table.get("name") if isinstance(table, dict) and isinstance(table.get("name"), str) else None


def _platform_options(target: PypiTarget) -> list[str]:
    """The platform as uv names it; where it has no name, all platforms, from which the target's wheels are taken."""
    if target.machine not in _UV_MACHINES or target.free_threaded:
        return ["--universal"]
    if target.libc == "musl":
        return ["--python-platform", f"{target.machine}-unknown-linux-musl"]
    minor = next((known for known in _UV_GLIBC if known <= target.library[1]), _UV_GLIBC[-1])
    return ["--python-platform", f"{target.machine}-manylinux_2_{minor}"]


def _index_lines(indexes: PypiIndexes) -> Iterator[str]:
    if indexes.index_url:
        yield f"--index-url {indexes.index_url}"
    yield from (f"--extra-index-url {url}" for url in indexes.extra_index_urls)
    yield from (f"--find-links {link}" for link in indexes.find_links)
    if indexes.no_index:
        yield "--no-index"


def _lost_extras(requirements: Iterable[PypiRequirement], provided: Iterable[InstalledDistribution]) -> Iterator[str]:
    unknown = {each.name: each for each in provided if each.metadata is None}
    for requirement in requirements:
        extras = sorted(Requirement(requirement.text).extras)
        if extras and requirement.name in unknown:
            yield (
                f"{requirement.place}: what `{requirement.name}[{','.join(extras)}]` needs besides is not installed, "
                f"since {unknown[requirement.name].owner} brings `{requirement.name}`"
            )
