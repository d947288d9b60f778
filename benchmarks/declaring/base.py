"""A Debian base image that has Python and pip, made by mmdebstrap before anything is measured."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
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


def python_base(folder: Path, mirror: Mirror) -> str:
    """Make a base with apt, Python and pip.

    Args:
        folder: For what is made; does not exist.
        mirror: Where packages come from.

    Returns:
        The image, as `docker-envs copy` knows it.
    """
    folder.mkdir()
    tar, blob = folder / "base.tar", folder / "base.tar.gz"
    options = ("--variant=apt", "--include=python3,python3-pip,ca-certificates", SUITE, str(tar), debian_line(mirror))
    measure.run(mmdebstrap(*options))
    with tar.open("rb") as file, gzip.open(blob, "wb", compresslevel=1) as out:
        shutil.copyfileobj(file, out)
    layer = file_layer(Descriptor(media_types.OCI_LAYER_GZIP, _digest(blob), blob.stat().st_size), _digest(tar), blob)
    image = edit.append_layer(scratch(host_platform()), layer, history={"created_by": "mmdebstrap"})
    image = edit.with_config(image, image.config.with_env({"PATH": _PATH}))
    write_layout(folder / "layout", [NamedImage(image)])
    tar.unlink()
    blob.unlink()
    return f"oci:{folder}/layout"


def _digest(path: Path) -> Digest:
    with path.open("rb") as file:
        return Digest.sha256(hashlib.file_digest(file, "sha256").hexdigest())
