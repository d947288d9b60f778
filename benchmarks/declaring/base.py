"""A Debian system that has Python and pip, made by mmdebstrap before anything is measured, and an image of it."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import measure
from docker_envs.digest import Digest
from docker_envs.oci import edit, media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.image import NamedImage, scratch
from docker_envs.oci.layer import file_layer
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import host_platform

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.declaring.mirror import Mirror

SUITE = "trixie"
ARCHIVE = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_HOOKS = "/usr/share/mmdebstrap/hooks/maybe-merged-usr"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def debian_line(mirror: Mirror) -> str:
    """Debian's archive as a line of apt's list."""
    return f"deb [signed-by={KEYRING}] {mirror.url(ARCHIVE)} {SUITE} main"


def mmdebstrap(*options: str) -> list[str]:
    """The command, as fast as it can be here."""
    mode = "root" if os.geteuid() == 0 else "unshare"
    return ["mmdebstrap", f"--mode={mode}", f"--hook-dir={_HOOKS}", "--quiet", *options]


@dataclass(frozen=True)
class PythonSystem:
    """A system with apt, Python and pip, and what it was made of.

    Attributes:
        folder: Has `system.tar`, the packages in `archives`, and the indexes in `lists` as apt keeps them.
    """

    folder: Path

    @property
    def tar(self) -> Path:
        """The whole system."""
        return self.folder / "system.tar"

    @property
    def archives(self) -> Path:
        """A folder with the packages."""
        return self.folder / "archives"


def python_system(folder: Path, mirror: Mirror) -> PythonSystem:
    """Make the system.

    Args:
        folder: For what is made; does not exist.
        mirror: Where packages come from.
    """
    made = PythonSystem(folder)
    made.archives.mkdir(parents=True)
    keep = f'cp "$1"/var/cache/apt/archives/*.deb {made.archives}/; cp -a "$1"/var/lib/apt/lists {folder}/lists'
    options = ["--variant=apt", "--include=python3,python3-pip,ca-certificates", f"--customize-hook={keep}"]
    options += ['--aptopt=APT::Keep-Downloaded-Packages "true"', "--skip=essential/unlink"]
    measure.run(mmdebstrap(*options, SUITE, str(made.tar), debian_line(mirror)))
    return made


def python_base(folder: Path, system: PythonSystem) -> str:
    """Make an image of a system.

    Args:
        folder: For what is made; does not exist.
        system: What is in it.

    Returns:
        The image, as `docker-envs copy` knows it.
    """
    folder.mkdir()
    tar, blob = system.tar, folder / "base.tar.gz"
    with tar.open("rb") as file, gzip.open(blob, "wb", compresslevel=1) as out:
        shutil.copyfileobj(file, out)
    layer = file_layer(Descriptor(media_types.OCI_LAYER_GZIP, _digest(blob), blob.stat().st_size), _digest(tar), blob)
    image = edit.append_layer(scratch(host_platform()), layer, history={"created_by": "mmdebstrap"})
    image = edit.with_config(image, image.config.with_env({"PATH": _PATH}))
    write_layout(folder / "layout", [NamedImage(image)])
    blob.unlink()
    return f"oci:{folder}/layout"


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest.sha256(hashlib.file_digest(file, "sha256").hexdigest())
