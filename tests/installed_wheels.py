"""What uv installs, and how an image may differ from it."""

from __future__ import annotations

import stat
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from uv import find_uv_bin

from docker_envs.environments.pypi.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docker_envs.environments.pypi.virtual_environment import VirtualEnvironment

#: Times in an image.
MTIME = 1_600_000_000


@dataclass(frozen=True)
class Node:
    """A file, or a symbolic link (with mode 0) whose content is its target."""

    mode: int
    content: bytes


@dataclass(frozen=True)
class AllowedDifference:
    """`only` is the side that has the path alone; empty when both have it with other contents."""

    pattern: str
    only: str
    reason: str


ALLOWED = (
    AllowedDifference("bin/*", "", "console scripts are those of conda and rattler; see `console_script_target`"),
    AllowedDifference("lib/*.dist-info/INSTALLER", "", "names the installer"),
    AllowedDifference("lib/*.dist-info/RECORD", "", "has the hashes of the two above; see `record_rows`"),
    AllowedDifference("lib/*.dist-info/uv_cache.json", "uv", "tells when a local file was changed"),
    AllowedDifference("lib/*.dist-info/direct_url.json", "uv", "of local files: a path of the building host"),
    AllowedDifference("bin/activate*", "uv", "an image is activated for good"),
    AllowedDifference("bin/deactivate*", "uv", "likewise"),
    AllowedDifference("bin/pydoc.bat", "uv", "for Windows"),
    AllowedDifference("bin/pip3.*", "uv", "installers make this of pip, whatever its wheel says"),
    AllowedDifference("bin/python", "", "the interpreter may be reached by another link"),
    AllowedDifference("bin/python3*", "", "likewise"),
    AllowedDifference("pyvenv.cfg", "", "tells of the program that made it; see `home_of`"),
    AllowedDifference("lib/*/site-packages/_virtualenv.*", "uv", "mends what distutils does when it installs"),
    AllowedDifference(".lock", "uv", "of concurrent installers"),
    AllowedDifference(".gitignore", "uv", "for environments in a working tree"),
    AllowedDifference("CACHEDIR.TAG", "uv", "for backup programs of a host"),
)
"""Every difference that is right, with its reason."""
_INSTALL = ("pip", "install", "--no-index", "--no-deps", "--link-mode=copy")


def install_with_uv(wheels: Sequence[Path], prefix: Path, python: str, *, folder: Path, by_name: bool = True) -> None:
    """Make a virtual environment and install wheels into it, without index or network.

    Args:
        wheels: What to install, without what it needs.
        prefix: The environment's directory.
        python: The program that it is of.
        folder: Where uv may keep what it likes.
        by_name: Whether they are found in a folder, rather than named by their paths.
    """
    names = [f"{name}=={version}" for name, version in map(_name_and_version, wheels)]
    links = sorted({f"--find-links={wheel.parent}" for wheel in wheels}) if by_name else []
    named = [*links, *names] if by_name else [str(wheel) for wheel in wheels]
    _uv(folder, "venv", "--python", python, str(prefix))
    _uv(folder, *_INSTALL, "--python", str(prefix), *named)


def install_into_target(wheels: Sequence[Path], target: Path, *, folder: Path) -> None:
    """As `install_with_uv`, with `--target`: without an environment."""
    _uv(folder, *_INSTALL, "--python", sys.executable, "--target", str(target), *map(str, wheels))


def _uv(folder: Path, *arguments: str) -> None:
    environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin", "UV_CACHE_DIR": str(folder / "cache")}
    command = [find_uv_bin(), *arguments, "--quiet", "--no-config", "--offline"]
    subprocess.run(command, check=True, env=environ, umask=0o022)


def _name_and_version(path: Path) -> tuple[str, str]:
    with Wheel(path) as wheel:
        return wheel.name, wheel.version


def read_tree(root: Path) -> dict[str, Node]:
    """All files and links below a directory."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = Node(0, str(path.readlink()).encode())
        elif path.is_file():
            found[name] = Node(stat.S_IMODE(path.stat().st_mode), path.read_bytes())
    return found


def link_wheels(wheels: Iterable[Path], environment: VirtualEnvironment, *, requested: bool = True) -> dict[str, Node]:
    """The same environment as entries of a layer, by path relative to the prefix."""
    found = {}
    root = f"{environment.prefix[1:]}/"
    for entry in environment.entries():
        if entry.kind.name == "SYMLINK":
            found[entry.path.removeprefix(root)] = Node(0, entry.link.encode())
        elif entry.kind.name == "FILE":
            found[entry.path.removeprefix(root)] = Node(entry.mode, entry.read())
    for path in wheels:
        with Wheel(path) as wheel:
            for entry in wheel.entries(environment.installation, requested=requested):
                assert entry.path not in found
                found[entry.path.removeprefix(root)] = Node(entry.mode, entry.read())
    return found


def unexplained(ours: dict[str, Node], theirs: dict[str, Node]) -> list[str]:
    """Differences that are not allowed, and allowed ones of which nothing but the reason may differ."""
    found = [f"only uv: {path}" for path in sorted(theirs.keys() - ours.keys()) if not _allowed(path, "uv")]
    found += [f"only the image: {path}" for path in sorted(ours.keys() - theirs.keys()) if not _allowed(path, "image")]
    for path in sorted(ours.keys() & theirs.keys()):
        one, two = ours[path], theirs[path]
        if one.mode != two.mode and not path.startswith("bin/python"):
            found.append(f"mode: {path}: {one.mode:o} and {two.mode:o}")
        if one.content != two.content and not (_allowed(path, "") and _same_meaning(path, one.content, two.content)):
            found.append(f"content: {path}")
    return found


def _allowed(path: str, only: str) -> bool:
    return any(fnmatchcase(path, each.pattern) and each.only == only for each in ALLOWED)


def _same_meaning(path: str, ours: bytes, theirs: bytes) -> bool:
    """Whether all of a file is equal but what may differ."""
    if path.endswith("/RECORD"):
        return record_rows(ours) == record_rows(theirs)
    if path.startswith("bin/") and not path.startswith("bin/python"):
        return console_script_target(ours) == console_script_target(theirs)
    if path == "pyvenv.cfg":
        return home_of(ours) == home_of(theirs)
    return True


def record_rows(content: bytes) -> list[str]:
    """Sorted rows without what the host's uv adds, and without hashes of files that differ themselves."""
    rows = []
    for row in content.decode().splitlines():
        path = row.rpartition(",")[0].rpartition(",")[0]
        if not path.endswith(("uv_cache.json", "direct_url.json")):
            differing = path.endswith("INSTALLER") or "/bin/" in path
            rows.append(path if differing else row)
    return sorted(rows)


def console_script_target(content: bytes) -> tuple[str, list[str]]:
    """Directory of the interpreter, and all that a script imports and calls, or its other lines."""
    shebang, *lines = content.decode().splitlines()
    meant = [line.strip() for line in lines if "import " in line and line.strip() not in ("import re", "import sys")]
    meant += [line.strip() for line in lines if "sys.exit(" in line]
    return shebang.rpartition("/")[0], meant or lines


def home_of(content: bytes) -> tuple[str, ...]:
    """What Python reads of `pyvenv.cfg`."""
    values = dict(line.split(" = ", 1) for line in content.decode().splitlines())
    return str(Path(values["home"]).resolve()), values["include-system-site-packages"]
