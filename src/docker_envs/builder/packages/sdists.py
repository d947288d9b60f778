"""Source distributions that somebody allowed to be built: their wheels, made here once, by uv in isolation.

What is built here runs on the target if it is for any machine, or else if this host is like the target: only the wheel
itself tells, by its tags.

Spec: uv docs, "Building distributions"; PyPA specifications, "Source distribution format", "Platform compatibility
tags"; reproducible-builds.org, `SOURCE_DATE_EPOCH`.
"""

from __future__ import annotations

import hashlib
import platform
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME
from docker_envs.builder.caches.cache import exclusive, mark_used
from docker_envs.builder.packages.resolve import DOWNLOADS
from docker_envs.builder.parallel import map_parallel
from docker_envs.environments.bytecode import find_interpreter
from docker_envs.environments.pypi.package import PypiPackage
from docker_envs.environments.pypi.resolving.uv import run_uv
from docker_envs.environments.pypi.wheel import Wheel
from docker_envs.errors import BuildError, DockerEnvsError
from docker_envs.fields import canonical_json
from docker_envs.transports.blobs import atomic_file, storage_errors

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.packages.fetching import Archives, FetchedPackage
    from docker_envs.builder.packages.pythons import WheelPlace
    from docker_envs.environments.pypi.declarations.declaration import PypiIndexes
    from docker_envs.environments.pypi.package import PypiSdist
    from docker_envs.environments.pypi.resolving.uv import UvSettings
    from docker_envs.report import Reporter

#: Builds at once: each has a process or more, and some use all cores.
_BUILDS = 2


def build_wheels(
    sources: Sequence[PypiSdist],
    place: WheelPlace,
    *,
    indexes: PypiIndexes,
    settings: UvSettings,
    archives: Archives,
    cache: CacheDirectory,
    reporter: Reporter,
) -> tuple[PypiPackage, ...]:
    """The wheels of source distributions, from the cache where they were built before.

    Args:
        sources: What is built.
        place: What it must run on.
        indexes: Where what builds it comes from.
        settings: How uv works.
        archives: Gets the sources.
        cache: Keeps the wheels, by the digests of their sources.
        reporter: Hears what is done.

    Raises:
        BuildError: A source cannot be built, or its wheel does not run on the target.
        VerificationError: A source is not what the index or lock says.
        TransportError: A source cannot be had.
    """
    if not sources:
        return ()
    interpreter = find_interpreter(place.installation)
    executable = sys.executable if interpreter is None else interpreter.executable
    settings = replace(settings, environ={**settings.environ, **_variables(indexes)})
    builder = _Builder(place, executable, settings, cache, reporter)
    fetched = archives.fetch_packages(sources, workers=DOWNLOADS)
    return tuple(map_parallel(builder.wheel, list(zip(sources, fetched, strict=True)), workers=_BUILDS, cost=_size))


def _variables(indexes: PypiIndexes) -> dict[str, str]:
    """What makes a build the same each time, as far as it cares, and lets it find what it needs."""
    found = {"SOURCE_DATE_EPOCH": str(DIRECTORY_MTIME), "PYTHONHASHSEED": "0"}
    if indexes.index_url:
        found["UV_DEFAULT_INDEX"] = indexes.index_url
    if indexes.extra_index_urls:
        found["UV_INDEX"] = " ".join(indexes.extra_index_urls)
    if indexes.find_links:
        found["UV_FIND_LINKS"] = ",".join(indexes.find_links)
    if indexes.no_index:
        found["UV_NO_INDEX"] = "1"
    return found


def _size(item: tuple[PypiSdist, FetchedPackage]) -> int:
    return item[1].size


class _Builder:
    def __init__(
        self, place: WheelPlace, executable: str, settings: UvSettings, cache: CacheDirectory, reporter: Reporter
    ) -> None:
        self._place = place
        self._executable = executable
        self._settings = settings
        self._cache = cache
        self._reporter = reporter

    def wheel(self, item: tuple[PypiSdist, FetchedPackage], cancelled: threading.Event) -> PypiPackage:
        source, fetched = item
        name = f"built-{self._key(fetched.sha256)}"
        with exclusive(self._cache.locks / f"{name}.lock", cancelled):
            path = self._find(name) or self._build(source, fetched.host_path, self._cache.packages / name)
        self._check(source, path)
        content = path.read_bytes()
        sha256, size = hashlib.sha256(content).hexdigest(), len(content)
        package = PypiPackage.from_url(path.as_uri(), sha256=sha256, size=size)
        if package.name != source.name:
            raise BuildError(f"`{source.file_name}` holds `{package.name}` instead of `{source.name}`")
        return package.as_requested() if source.requested else package

    def _key(self, sha256: str) -> str:
        """The digest of all that decides about a wheel, as far as anybody knows."""
        facts = [sha256, self._place.installation.version, platform.machine(), platform.libc_ver()]
        return hashlib.sha256(canonical_json(facts)).hexdigest()

    def _find(self, name: str) -> Path | None:
        for place in filter(None, (self._cache, self._cache.below)):
            for path in sorted((place.packages / name).glob("*.whl")):
                mark_used(place.packages, path)
                return path
        return None

    def _build(self, source: PypiSdist, host_path: Path, folder: Path) -> Path:
        task = self._reporter.start("build", source.display_name)
        with tempfile.TemporaryDirectory(prefix="docker-envs-") as name:
            out = Path(name)
            arguments = ["build", "--wheel", "--out-dir", str(out / "wheels")]
            arguments += ["--python", self._executable, str(host_path.absolute())]
            try:
                run_uv(arguments, directory=out, settings=self._settings, quiet=False)
            except DockerEnvsError as error:
                raise BuildError(f"`{source.display_name}` cannot be built from its source: {error}") from error
            (wheel,) = (out / "wheels").glob("*.whl")
            path = folder / wheel.name
            with storage_errors("write", path), atomic_file(path, incoming=self._cache.incoming_packages) as file:
                file.write(wheel.read_bytes())
        task.finish()
        return path

    def _check(self, source: PypiSdist, path: Path) -> None:
        target = self._place.target
        with Wheel(path) as wheel:
            tags = wheel.tags
        names = ", ".join(sorted(map(str, tags)))
        hint = "only a machine like the target, with its Python, can build it: name a wheel that was built there"
        if tags.isdisjoint(target.tags):
            raise BuildError(
                f"the wheel of `{source.display_name}` that was built here is for {names}, not for {target.described}",
                hint=hint,
            )
        name, version = platform.libc_ver()
        native = all(not tag.platform.startswith("any") for tag in tags)
        if native and target.libc_version is not None and (name or "musl") == target.libc:
            found = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
            if found > target.libc_version:
                raise BuildError(
                    f"the wheel of `{source.display_name}` was built here with {name} {version}, not for "
                    f"{target.described}",
                    hint=hint,
                )
        elif native and (name or "musl") != target.libc:
            raise BuildError(
                f"the wheel of `{source.display_name}` was built here for {name or 'musl'}, not for {target.described}",
                hint=hint,
            )
