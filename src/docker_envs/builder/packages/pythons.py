"""Which Python distributions are for, and where they go: conda's, or that of the system with or without an environment.

The system's Python is that of Debian packages that the image gets, or that of its base. An official `python` image says
in its config where it has which; of other bases all layers are read, once. So they are when distributions go to the
base's Python itself, for what is there already stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.archive.entry import DIRECTORY_MTIME
from docker_envs.builder.application.contents import ProjectSource, ProjectWheel
from docker_envs.builder.configure import search_path
from docker_envs.builder.packages.base_system import library_of_config
from docker_envs.builder.packages.system_contents import SystemContents, contents_of
from docker_envs.builder.request import PythonLayout
from docker_envs.environments.base import DEFAULT_VENV
from docker_envs.environments.pypi.base_python import BasePython, find_base_python
from docker_envs.environments.pypi.installation import Installation
from docker_envs.environments.pypi.resolving.installed import installed_distributions
from docker_envs.environments.pypi.target import PypiTarget
from docker_envs.environments.pypi.virtual_environment import VirtualEnvironment
from docker_envs.errors import BuildError, FormatError, InvalidInputError
from docker_envs.paths import absolute_image_path, image_path
from docker_envs.records.record import RecordedPython

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.packages.base_system import CLibrary
    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.linking.plan_environment import CondaEnvironment
    from docker_envs.environments.pypi.resolving.installed import InstalledDistribution
    from docker_envs.oci.image import Image
    from docker_envs.records.record import Record
    from docker_envs.report import Reporter

_FREE_THREADED = re.compile(r"_cp\d+t\Z")
#: Version of Python in one of a Debian or Alpine package, or of a header.
_PYTHON = re.compile(r"(?:\d+:)?(3\.\d+\.\d+)")
_MINOR = re.compile(r"3\.\d+\Z")
# What official images of Python put in front of the search path, before all else.
_OFFICIAL_FOLDER = "/usr/local/bin"


@dataclass(frozen=True, slots=True)
class WheelPlace:
    """Where distributions are installed.

    Attributes:
        target: What they are chosen for.
        installation: Where their files go.
        python: The system's Python that they are for; None when it is conda's.
        environment: The virtual environment that they are in, if it is one.
        installed: Distributions that are there already, and stay.
        owners: Qualified names of packages that bring these, as far as packages of the environment do.
        taken: Who has a file already, by path in the image, where that is known and matters.
    """

    target: PypiTarget
    installation: Installation
    python: BasePython | None = None
    environment: VirtualEnvironment | None = None
    installed: tuple[InstalledDistribution, ...] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    taken: Mapping[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """Absolute path of the environment in the image."""
        return self.installation.prefix

    @property
    def recorded(self) -> RecordedPython | None:
        """What a record says of it."""
        if self.python is None:
            return None
        layout = PythonLayout.BASE if self.environment is None else PythonLayout.VENV
        python, installation = self.python, self.installation
        return RecordedPython(
            layout=layout.value,
            program=python.program,
            version=python.version,
            site_packages=installation.site_packages,
        )

    def variables(self, base: Mapping[str, str]) -> dict[str, str]:
        """What makes it active in an image, where that is not conda's affair.

        Args:
            base: Variables of the base.
        """
        if self.environment is not None:
            return {"PATH": search_path(base, prefix=self.prefix), **self.environment.variables}
        return {}


def find_place(
    request: BuildRequest,
    conda: CondaEnvironment,
    base: Image,
    *,
    cache: CacheDirectory,
    reporter: Reporter,
    system: SystemContents | None = None,
) -> WheelPlace | None:
    """Where an image gets its distributions; None when it gets none.

    Args:
        request: Says what is wanted.
        conda: The conda packages.
        base: The base image.
        cache: Keeps what was found about bases.
        reporter: Hears when layers of the base are read.
        system: What packages of the system bring that the image gets.

    Raises:
        BuildError: There is no Python that distributions can be for, or something is in the way.
        InvalidInputError: The layout that is asked for cannot be.
        TransportError: A layer of the base cannot be had.

    Cost: a read of all layers of the base when only these tell; then it is known for good.
    """
    wheels = request.pypi is not None and not request.pypi.is_empty
    if conda.packages:
        if not wheels:
            return None
        if request.python_layout is not PythonLayout.AUTO and conda.python is not None:
            raise InvalidInputError(
                f"`python_layout` is `{request.python_layout}`, but the environment has a Python of conda, which "
                "distributions from PyPI go to",
                hint="leave `--python-layout` out, or take no `python` from conda",
            )
        return place_in_conda(conda, base, prefix=request.link_options.prefix)
    if not wheels and not has_projects(request):
        return None
    return _SystemPlace(request, base, cache, reporter, system or SystemContents()).find()


def has_projects(request: BuildRequest) -> bool:
    """Whether projects of this host go to the environment's Python."""
    contents = (content for layer in request.files for content in layer.contents)
    return any(isinstance(content, ProjectWheel | ProjectSource) for content in contents)


def place_in_conda(conda: CondaEnvironment, base: Image, *, prefix: str) -> WheelPlace:
    """The place in a conda environment.

    Args:
        conda: The environment.
        base: Its config may say what C library there is.
        prefix: Of the environment.

    Raises:
        BuildError: The environment has no CPython.
    """
    package = next((package for package in conda.packages if package.name == "python"), None)
    python = conda.python
    if package is None or python is None:
        raise BuildError(
            "distributions from PyPI are declared, but the environment has no Python",
            hint="add `python` to its conda packages, or take none of these to use the base's Python",
        )
    if python.implementation != "cpython":
        raise BuildError(f"`{package.display_name}` is no CPython, which wheels from PyPI are chosen for")
    installed: dict[str, InstalledDistribution] = {}
    owners: dict[str, str] = {}
    for each in conda.packages:
        for found in installed_distributions(each.files(), owner=f"`{each.display_name}`"):
            installed[found.name] = found
            owners[found.name] = each.qualified_name
    target = _target(
        base,
        package.metadata.version,
        library_of_config(base.config),
        free_threaded=_FREE_THREADED.search(package.metadata.build) is not None,
    )
    installation = Installation(prefix, target.minor, python.site_packages, DIRECTORY_MTIME)
    return WheelPlace(
        target, installation, installed=tuple(installed[name] for name in sorted(installed)), owners=owners
    )


def recorded_place(record: Record, conda: CondaEnvironment, image: Image) -> WheelPlace:
    """The place that a record tells of.

    Raises:
        BuildError: It is that of a conda environment without CPython.
        FormatError: The record says what cannot be.
    """
    recorded = record.python
    if recorded is None:
        return place_in_conda(conda, image, prefix=record.prefix)
    source = f"record of `{record.prefix}`"
    try:
        layout = PythonLayout(recorded.layout)
        program = absolute_image_path(recorded.program, what="program")
    except (ValueError, InvalidInputError) as error:
        raise FormatError(source, f"python: {error}") from error
    if not _MINOR.match(recorded.version):
        raise FormatError(source, f"python: no version of Python {recorded.version!r}")
    site_packages = image_path(recorded.site_packages, source=source)
    python = BasePython(program, recorded.version, record.prefix, site_packages, externally_managed=False)
    target = _target(image, recorded.version, library_of_config(image.config))
    if layout is PythonLayout.VENV:
        environment = VirtualEnvironment(record.prefix, program, recorded.version, DIRECTORY_MTIME)
        return WheelPlace(target, environment.installation, python, environment)
    return WheelPlace(target, python.installation(DIRECTORY_MTIME), python)


class _SystemPlace:
    """Finds the place that the system's Python gives."""

    def __init__(
        self, request: BuildRequest, base: Image, cache: CacheDirectory, reporter: Reporter, packages: SystemContents
    ) -> None:
        self._request = request
        self._base = base
        self._cache = cache
        self._reporter = reporter
        self._packages = packages

    def find(self) -> WheelPlace:
        layout = self._request.python_layout
        if layout is PythonLayout.BASE and self._request.prefix is not None:
            raise InvalidInputError(
                "`python_layout` is `base`, so distributions go where the base's Python has its own, not to "
                f"`{self._request.prefix}`",
                hint="leave `--prefix` out, or use `--python-layout venv`",
            )
        wants_venv = layout is PythonLayout.VENV or (layout is PythonLayout.AUTO and self._request.prefix is not None)
        python, contents = self._python(needs_contents=not wants_venv)
        if wants_venv or (layout is PythonLayout.AUTO and python.externally_managed):
            return self._venv(python, contents)
        return self._direct(python, contents)

    def _python(self, *, needs_contents: bool) -> tuple[BasePython, SystemContents]:
        """The Python, and what is known of the files beside it: all of them if that matters."""
        official = official_python(self._base.config.env)
        if official is not None and not needs_contents:
            return official, self._packages
        planned = None if official is not None else find_base_python(self._packages.files)
        if planned is not None:
            into_venv = self._request.python_layout is PythonLayout.AUTO and planned.externally_managed
            if into_venv or not needs_contents or not self._base.layers:
                return planned, self._packages
        contents = contents_of(self._base, self._cache, self._reporter).with_packages(self._packages)
        found = find_base_python(contents.files)
        if found is None:
            raise self._no_python()
        return found, contents

    def _no_python(self) -> BuildError:
        name = "`scratch`" if self._request.base is None else f"the base `{self._request.base}`"
        return BuildError(
            f"what is declared needs a Python, but {name} has none, and neither do packages that are declared",
            hint="choose a base with Python, such as `python:3.12-slim`, or take `python` from conda",
        )

    def _venv(self, python: BasePython, contents: SystemContents) -> WheelPlace:
        prefix = self._request.prefix_or(DEFAULT_VENV)
        if f"{prefix[1:]}/pyvenv.cfg" in contents.files or self._base.config.env.get("VIRTUAL_ENV") == prefix:
            raise BuildError(
                f"the base has a virtual environment at `{prefix}` already", hint="choose another place with `--prefix`"
            )
        environment = VirtualEnvironment(prefix, python.program, python.version, DIRECTORY_MTIME)
        return WheelPlace(self._target(python, contents), environment.installation, python, environment)

    def _direct(self, python: BasePython, contents: SystemContents) -> WheelPlace:
        installation = python.installation(DIRECTORY_MTIME)
        owners = dict.fromkeys(self._packages.files, "a Debian package")
        base = f"the base `{self._request.base}`"
        taken = {path: owners.get(path, base) for path in contents.files}
        folders = _imported(python)
        installed = {
            found.name: found
            for owner in (base, "a Debian package")
            for found in installed_distributions(
                (path for path, each in taken.items() if each == owner and path.startswith(folders)), owner=owner
            )
        }
        return WheelPlace(
            self._target(python, contents),
            installation,
            python,
            installed=tuple(installed[name] for name in sorted(installed)),
            taken=taken,
        )

    def _target(self, python: BasePython, contents: SystemContents) -> PypiTarget:
        library = library_of_config(self._base.config) or contents.c_library()
        return _target(self._base, self._version(python, contents), library)

    def _version(self, python: BasePython, contents: SystemContents) -> str:
        """All three numbers, where something tells them."""
        minor, root = python.version, python.program.rpartition("/bin/")[0][1:]
        known = [contents.versions.get(f"{root}/include/python{minor}/patchlevel.h", "")]
        if python.program.startswith(_OFFICIAL_FOLDER):
            known.append(self._base.config.env.get("PYTHON_VERSION", ""))
        else:
            known += [
                contents.versions.get(name, "") for name in (f"python{minor}", f"python{minor}-minimal", "python3")
            ]
        found = (match[1] for match in map(_PYTHON.match, known) if match)
        return next((version for version in found if version.rpartition(".")[0] == minor), minor)


def official_python(env: Mapping[str, str]) -> BasePython | None:
    """The Python that an image says it has, as the official ones do: in `/usr/local`, for whatever one likes."""
    version = _PYTHON.match(env.get("PYTHON_VERSION", ""))
    if version is None or env.get("PATH", "").split(":")[0] != _OFFICIAL_FOLDER:
        return None
    minor = version[1].rpartition(".")[0]
    program = f"{_OFFICIAL_FOLDER}/python{minor}"
    return BasePython(program, minor, "/usr/local", f"lib/python{minor}/site-packages", externally_managed=False)


def _imported(python: BasePython) -> tuple[str, ...]:
    """Where that Python finds distributions."""
    root, name = python.prefix[1:], f"python{python.version}"
    folders = [f"{root}/{python.site_packages}/", f"{root}/lib64/{name}/site-packages/"]
    if python.site_packages.endswith("dist-packages"):
        folders += ["usr/lib/python3/dist-packages/", f"usr/lib/{name}/dist-packages/"]
    return tuple(folders)


def _target(base: Image, version: str, library: CLibrary | None, *, free_threaded: bool = False) -> PypiTarget:
    numbers = library.version_tuple[:2] if library is not None else ()
    return PypiTarget(
        base.platform,
        version,
        library.name if library is not None else "glibc",
        (numbers[0], numbers[1]) if len(numbers) == 2 else None,
        free_threaded=free_threaded,
    )
