"""A Python project of the user: its wheel, built by its own backend, or its source on the path of Python.

Spec: PyPA specifications, "Declaring build dependencies" (PEP 518), "Build-system interface" (PEP 517), "Declaring
project metadata" (PEP 621); Python docs, `site`, for `.pth` files.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from docker_envs.archive.entry import file_entry
from docker_envs.environments.console_script import console_script
from docker_envs.environments.pypi.entry_points import make_scripts
from docker_envs.environments.pypi.installed_record import INSTALLER, InstalledFile, record_content
from docker_envs.errors import BuildError, InvalidInputError
from docker_envs.fields import Fields
from docker_envs.transports.blobs import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.pypi.installation import Installation
    from docker_envs.environments.pypi.wheel import Wheel
    from docker_envs.oci.descriptor import Platform

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "386": "i686", "ppc64le": "ppc64le", "s390x": "s390x"}


@contextlib.contextmanager
def built_wheel(root: Path, *, epoch: int) -> Iterator[Path]:
    """Build a project's wheel in an environment of its own; the file is there as long as the block lasts.

    The project's build backend runs here; nothing else of an environment ever does. What it needs is installed by pip,
    as pip is configured.

    Args:
        root: The project's directory.
        epoch: What the backend takes for the time, in seconds since 1970 UTC.

    Raises:
        BuildError: The backend fails, or what it needs cannot be installed.
    """
    # A slow import that only projects need.
    import build.env
    import pyproject_hooks

    import build

    failures = (
        *(build.BuildException, build.BuildBackendException, build.FailedProcessError),
        subprocess.CalledProcessError,  # of pip
    )
    with tempfile.TemporaryDirectory(prefix="docker-envs-") as folder:
        try:
            with build.env.DefaultIsolatedEnv() as environment:

                def run(
                    cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
                ) -> None:
                    more = {**(extra_environ or {}), "SOURCE_DATE_EPOCH": str(epoch), "PYTHONHASHSEED": "0"}
                    pyproject_hooks.quiet_subprocess_runner(cmd, cwd, more)

                builder = build.ProjectBuilder.from_isolated_env(environment, root, runner=run)
                environment.install(builder.build_system_requires)
                environment.install(builder.get_requires_for_build("wheel"))
                wheel = builder.build("wheel", folder)
        except failures as error:
            raise BuildError(f"the wheel of `{root}` cannot be built: {_reason(error)}") from error
        yield Path(wheel)


def check_wheel(wheel: Wheel, target: Installation, platform: Platform) -> None:
    """Check that a wheel runs on a platform and its Python.

    Raises:
        BuildError: It does not.
    """
    version = tuple(int(part) for part in target.version.split("."))
    machine = _MACHINES.get(platform.architecture, platform.architecture)
    known = {*cpython_tags(version, platforms=[machine]), *compatible_tags(version, platforms=[machine])}
    fitting = {(tag.interpreter, tag.abi, tag.platform) for tag in known}
    for tag in wheel.tags:
        place = (
            machine if tag.platform.startswith(("linux_", "manylinux")) and machine in tag.platform else tag.platform
        )
        if (tag.interpreter, tag.abi, place) in fitting:
            break
    else:
        tags = ", ".join(sorted(map(str, wheel.tags)))
        raise BuildError(
            f"the wheel of `{wheel.name}` is for {tags}, not for Python {target.version} on {platform}",
            hint="only projects without compiled code can be built for other platforms and Pythons",
        )
    wanted = wheel.metadata.get("Requires-Python")
    with contextlib.suppress(InvalidSpecifier):
        # The environment's Python is known by two numbers; the third is assumed to be high enough.
        if wanted and not SpecifierSet(wanted).contains(f"{target.version}.999"):
            raise BuildError(f"`{wheel.name}` needs Python {wanted}, but the environment has {target.version}")


def source_entries(root: Path, path: str, target: Installation) -> list[Entry]:
    """What makes the environment's Python find a project's source, besides the source itself.

    That is a `.pth` file, the console scripts of `[project.scripts]`, and metadata when name and version are there.

    Args:
        root: The project's directory on this host.
        path: Absolute path of its source in the image.
        target: The environment.

    Raises:
        InvalidInputError: Its `pyproject.toml` cannot be understood.
    """
    project = _project_table(root)
    name = canonicalize_name(project.get("name", str) or root.resolve().name)
    folder = f"{target.prefix[1:]}/{target.site_packages}"
    packages = f"{path}/src" if (root / "src").is_dir() and not (root / "src" / "__init__.py").exists() else path
    files = [(f"{folder}/{name}.pth", f"{packages}\n".encode(), 0o644)]
    points = {**project.string_map("scripts"), **project.string_map("gui-scripts")}
    for script in make_scripts(points, source=f"{root / 'pyproject.toml'}: [project.scripts]"):
        content = console_script(target.interpreter, script.module, script.function)
        files.append((f"{target.prefix[1:]}/bin/{script.command}", content, 0o755))
    declared = project.get("version", str)
    if declared is not None and "name" in project.document:
        version = _version(declared, root)
        metadata = f"{folder}/{name.replace('-', '_')}-{version}.dist-info"
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        files += [(f"{metadata}/METADATA", text.encode(), 0o644), (f"{metadata}/INSTALLER", INSTALLER, 0o644)]
        installed = [InstalledFile.of(file_entry(place, content, mtime=0), content) for place, content, _ in files]
        record = f"{metadata}/RECORD"
        files.append((record, record_content(installed, record=record, site_packages=folder), 0o644))
    return [file_entry(place, content, mode=mode, mtime=target.mtime) for place, content, mode in files]


def _version(text: str, root: Path) -> str:
    try:
        return str(Version(text))
    except InvalidVersion as error:
        raise InvalidInputError(f"{root / 'pyproject.toml'}: invalid version {text!r}") from error


def _project_table(root: Path) -> Fields:
    path = root / "pyproject.toml"
    if not path.is_file():
        return Fields({}, str(path))
    with storage_errors("read", path):
        content = path.read_bytes()
    try:
        document = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path}: no TOML ({error})") from error
    return Fields(document, str(path)).object("project") if "project" in document else Fields({}, str(path))


def _reason(error: BaseException) -> str:
    """The last lines of what a backend printed, or what went wrong before it could."""
    cause = getattr(error, "exception", None) or error
    printed = [os.fsdecode(getattr(cause, name, None) or "") for name in ("output", "stderr")]
    text = "\n".join(printed) if any(printed) else str(error)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "\n".join(lines[-12:])
