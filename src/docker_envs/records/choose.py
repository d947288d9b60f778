"""The one record that is meant, of those that an image has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError, NotFoundError
from docker_envs.records.record import read_records
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.records.record import FoundRecord, Record


def choose_record(image: Image, *, prefix: str | None, source: str) -> Record:
    """The record of an image's environment; see `choose_found`."""
    return choose_found(image, prefix=prefix, source=source).record


def choose_found(image: Image, *, prefix: str | None, source: str) -> FoundRecord:
    """The record of an image's environment, and its layer.

    Args:
        image: The image; only layers with records are read.
        prefix: Which one; not needed when there is only one.
        source: What people call the image.

    Raises:
        NotFoundError: There is none.
        InvalidInputError: There are several, or none with this prefix.
        DockerEnvsError: See `read_records`.
    """
    # One that was built over another hides its file.
    records = {found.record.prefix: found for found in read_records(image)}
    if not records:
        raise NotFoundError(
            f"`{source}` has no record of an environment",
            hint="images built by docker-envs have one; `docker-envs show` finds packages in any image",
        )
    if prefix is None and len(records) > 1:
        names = ", ".join(f"`{name}`" for name in sorted(records))
        raise InvalidInputError(f"`{source}` has several environments", hint=f"choose one with `--prefix`: {names}")
    if prefix is not None and prefix not in records:
        raise InvalidInputError(f"`{source}` has no environment in `{prefix}`", hint=suggest(prefix, records))
    return records[prefix] if prefix is not None else next(iter(records.values()))
