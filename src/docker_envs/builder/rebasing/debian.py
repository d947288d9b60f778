"""Whether an image has Debian packages on its base: these are nothing without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.builder.recording import SYSTEM_TITLE
from docker_envs.errors import BuildError
from docker_envs.records.record import DEB, read_records

if TYPE_CHECKING:
    from docker_envs.builder.rebasing.image import Base
    from docker_envs.oci.config import ImageConfig
    from docker_envs.oci.image import Image


def check_debian_packages(image: Image, old: Base, new: Base) -> None:
    """Check that an image brings no Debian packages of its own.

    Which packages there are follows from what the base has. The accounts, alternatives and list of dpkg that come with
    them are those of the base and theirs, and would hide those of another base.

    Args:
        image: Its records are read if its history has such packages, or does not say.
        old: The base that it is on.
        new: The one that it shall go to.

    Raises:
        BuildError: It has some.
        FormatError: A record is damaged.
        VerificationError: A layer is not what its digest says.
        TransportError: A layer cannot be read.
    """
    if not _may_have_some(image.config):
        return
    below = {layer.diff_id for layer in old.image.layers}
    for found in read_records(image):
        if found.layer.diff_id not in below and any(each.kind == DEB for each in found.record.packages):
            raise BuildError(
                f"the image has Debian packages that were chosen for `{old.name}`, with a list of what both have",
                hint=f"build it anew on `{new.name}`; its conda packages and wheels come from the cache",
            )


def _may_have_some(config: ImageConfig) -> bool:
    history = config.history
    if sum(not entry.get("empty_layer") for entry in history) != len(config.diff_ids):
        return True
    return any(SYSTEM_TITLE in str(entry.get("created_by")) for entry in history)
