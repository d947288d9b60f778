"""Virtual environments in images, beside those that `uv pip install` makes of the same wheels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Kind
from docker_envs.archive.whiteout import iter_flattened
from docker_envs.records.record import read_records
from tests.installed_wheels import Node, install_into_target, install_with_uv, read_tree, unexplained

if TYPE_CHECKING:
    from collections.abc import Collection

    from docker_envs.oci.image import Image


def differences_to_uv(
    image: Image, prefix: Path, cache: Path, *, requested: Collection[str], folder: Path
) -> tuple[list[str], dict[str, Node]]:
    """What is not as uv puts it, and what there is.

    Args:
        image: Has an environment at the prefix.
        prefix: A path where uv may write.
        cache: Of the build that made the image.
        requested: Names of the distributions that the declaration names itself.
        folder: For temporary files.
    """
    install_with_uv(_wheels(image, cache), prefix, str(Path(sys.executable).resolve()), folder=folder)
    theirs, ours = read_tree(prefix), _tree(image, f"{str(prefix)[1:]}/")
    # Its home is that of another Python here; and only what a declaration names is requested, which `RECORD` tells.
    assert b"home = /usr/bin\n" in ours.pop("pyvenv.cfg").content
    del theirs["pyvenv.cfg"]
    marked = {path for path in ours if path.endswith("/REQUESTED")}
    assert {path.partition(".dist-info")[0].rpartition("/")[2].partition("-")[0] for path in marked} == set(requested)
    for path in {path for path in theirs if path.endswith("/REQUESTED")} - marked:
        del theirs[path]
    return [each for each in unexplained(ours, theirs) if "/RECORD" not in each], ours


def differences_to_target(image: Image, site_packages: str, cache: Path, *, folder: Path) -> tuple[list[str], int]:
    """What is not as `uv pip install --target` puts it, programs and what installers say of themselves left out.

    Args:
        image: Has distributions in a Python of another kind.
        site_packages: Path of that Python's, without `/` in front.
        cache: Of the build that made the image.
        folder: For temporary files.

    Returns:
        The differences, and how many files were compared.
    """
    target = folder / "target"
    install_into_target(_wheels(image, cache), target, folder=folder)
    theirs = {path: node for path, node in read_tree(target).items() if not path.startswith(("bin/", ".lock"))}
    names = {path.partition("/")[0] for path in theirs}
    ours = {path: node for path, node in _tree(image, f"{site_packages}/").items() if path.partition("/")[0] in names}
    of_installers = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
    found = [
        path
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
        and not (".dist-info/" in path and path.rpartition("/")[2] in of_installers)
    ]
    return found, len(ours)


def _wheels(image: Image, cache: Path) -> list[Path]:
    installed = [package for package in read_records(image)[0].record.packages if package.kind == "pypi"]
    return [next((cache / "packages" / f"sha256-{package.sha256}").glob("*.whl")) for package in installed]


def _tree(image: Image, root: str) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for entry in iter_flattened([layer.open_tar for layer in image.layers], source="test"):
        path = entry.path.removeprefix(root)
        if path != entry.path and entry.kind is Kind.SYMLINK:
            found[path] = Node(0, entry.link.encode())
        elif path != entry.path and entry.kind is Kind.FILE and not path.startswith("share/docker-envs/"):
            found[path] = Node(entry.mode, entry.read())
    return found
