"""Images deleted where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError, NotFoundError, TransportError
from docker_envs.images.location import Location, Transport
from docker_envs.transports.files.layout import open_layout_files, read_artifacts
from docker_envs.transports.files.layout_writing import remove_entry

if TYPE_CHECKING:
    from docker_envs.images.transports import Transports
    from docker_envs.oci.reference import Reference

# What registries answer that can delete by digest only, or not at all.
_UNSUPPORTED = frozenset({400, 405, 501})


def delete_image(location: Location, transports: Transports, *, manifest: bool = False, dry_run: bool = False) -> str:
    """Delete a tag, or a manifest with all its tags.

    Args:
        location: A name in a registry, or an entry of a layout.
        transports: How to get there.
        manifest: Delete what the tag names now, whatever other tags it has.
        dry_run: Only look whether it is there.

    Returns:
        What was deleted, for people.

    Raises:
        NotFoundError: There is no such image.
        InvalidInputError: Nothing can be deleted there.
        TransportError: The registry does not delete, or not a tag alone.
    """
    if location.transport is Transport.LAYOUT and not location.is_stream:
        return _delete_entry(location, dry_run=dry_run)
    if location.transport is not Transport.REGISTRY:
        raise InvalidInputError(
            f"nothing can be deleted from `{location}`", hint="only from registries, and from layouts as `oci:DIR:TAG`"
        )
    reference = location.registry_reference
    digest = transports.registry.digest(reference)
    if digest is None:
        raise NotFoundError(f"`{reference}` not found")
    by_digest = reference.digest is not None or manifest
    target = reference.with_digest(digest) if by_digest else reference
    if not dry_run:
        _delete(target, transports, by_digest=by_digest)
    return f"manifest `{reference.name}@{digest}`" if by_digest else f"tag `{reference}`"


def _delete(target: Reference, transports: Transports, *, by_digest: bool) -> None:
    try:
        transports.registry.delete(target)
    except TransportError as error:
        if error.status not in _UNSUPPORTED:
            raise
        if by_digest:
            raise TransportError(
                f"`{target.registry}` deletes nothing", hint="its administrator must allow it", status=error.status
            ) from error
        raise TransportError(
            f"`{target.registry}` cannot delete a tag alone",
            hint="`--manifest` deletes what it names, with all other tags of that",
            status=error.status,
        ) from error


def _delete_entry(location: Location, *, dry_run: bool) -> str:
    if location.name is None:
        raise InvalidInputError(f"`{location}` names no image", hint="name one: `oci:DIR:TAG`")
    if dry_run:
        read_artifacts(open_layout_files(location.host_path), reference=location.name)
    else:
        remove_entry(location.host_path, location.name)
    return f"`{location}`"
