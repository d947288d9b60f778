"""Whether distributions in an image are for the Python of another base."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.builder.packages.pythons import official_python
from docker_envs.errors import BuildError
from docker_envs.records.record import read_records

if TYPE_CHECKING:
    from docker_envs.builder.rebasing.image import Base
    from docker_envs.oci.image import Image


def check_python(image: Image, old: Base, new: Base) -> None:
    """Check that distributions of an image still have their Python on a new base.

    Only official images of Python say in their config which one they have; of others, nothing is known.

    Raises:
        BuildError: It has another.
        FormatError: A record is damaged.
        VerificationError: A layer is not what its digest says.
        TransportError: A layer cannot be read.

    Cost: the layers with records are read when the two bases have different Pythons.
    """
    before, after = official_python(old.image.config.env), official_python(new.image.config.env)
    if after is None or before == after:
        return
    below = {layer.diff_id for layer in old.image.layers}
    for found in read_records(image):
        python = found.record.python
        if python is None or found.layer.diff_id in below or before is None or python.program != before.program:
            continue
        raise BuildError(
            f"base image `{new.name}` has Python {after.version}, but distributions at `{found.record.prefix}` are for "
            f"Python {python.version}",
            hint="choose a base with that Python, or build the image anew; `--force` rebases all the same",
        )
