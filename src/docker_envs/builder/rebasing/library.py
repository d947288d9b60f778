"""Whether what is in an image can run with the C library of another base."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker_envs.builder.packages.base_system import check_library, find_library, library_of_config
from docker_envs.builder.rebasing.once import Once
from docker_envs.errors import BuildError, FormatError
from docker_envs.records.record import read_records

if TYPE_CHECKING:
    from docker_envs.builder.packages.base_system import CLibrary
    from docker_envs.builder.rebasing.image import Base
    from docker_envs.digest import Digest
    from docker_envs.oci.image import Image

_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,3}")


class LibraryCheck:
    """Compares C libraries of bases, reading as little as possible, and each base once; safe for many threads."""

    def __init__(self) -> None:
        self._found: Once[tuple[Digest, str], CLibrary | None] = Once()

    def check(self, image: Image, old: Base, new: Base) -> None:
        """Check that an image's programs run on a new base.

        What runs on the old base's library runs on a later one, and well-known bases say in their configs which they
        have. Otherwise the records of the environments say what these need; without one, nothing is known.

        Raises:
            BuildError: They do not run there.
            FormatError: A record is damaged.
            VerificationError: A layer is not what its digest says.
            TransportError: A layer cannot be read.
        """
        before, after = library_of_config(old.image.config), library_of_config(new.image.config)
        known = before is not None and after is not None
        if before and after and before.name == after.name and before.version_tuple <= after.version_tuple:
            return
        wanted = _required(image, old.image)
        if wanted is not None:
            found = self._found.get(
                (new.image.digest, wanted[0]), lambda: find_library(new.image, wanted, reads_layers=False)
            )
            if found is not None:
                check_library(found, wanted, base=new.name)
        elif known and before and after:
            raise BuildError(
                f"base image `{new.name}` has {_text(after)}, but the image was made on {_text(before)}",
                hint="choose a newer base; `--force` rebases all the same",
            )


def _required(image: Image, old: Image) -> tuple[str, str] | None:
    """The newest glibc that an environment above the old base asks for, and the environment's prefix."""
    below = {layer.diff_id for layer in old.layers}
    wanted = []
    for found in read_records(image):
        version = found.record.requires.get("glibc")
        if version is None or found.layer.diff_id in below:
            continue
        if not _VERSION.fullmatch(version):
            raise FormatError(f"record of `{found.record.prefix}`", f"requires.glibc: {version!r} is no version")
        wanted.append((version, found.record.prefix))
    return max(wanted, key=lambda item: tuple(map(int, item[0].split("."))), default=None)


def _text(library: CLibrary) -> str:
    return f"{' '.join(filter(None, (library.name, library.version)))} ({library.evidence})"
