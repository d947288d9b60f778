"""A blob sent before its digest is known: POST, and one PATCH without a length; `UploadSession` ends it with a PUT.

That is how Docker pushes, so registries take it that refuse chunks of a known length. What does not work is not tried
again here: whoever knows the digest can do better.

Spec: Docker Registry HTTP API V2, "Stream upload"; RFC 9112, section 7.1 (chunked transfer coding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.errors import AuthenticationError, DockerEnvsError, TransportError
from docker_envs.transports.fetch import Body
from docker_envs.transports.registry.upload_session import abandon_upload

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.streams import ByteSource
    from docker_envs.transports.registry.session import Repository
    from docker_envs.transports.registry.upload_session import UploadHabits


def stream_blob(repository: Repository, opener: Callable[[], ByteSource], habits: UploadHabits) -> str | None:
    """Begin an upload and send all bytes that an opener gives.

    Args:
        repository: Where to.
        opener: Called anew when the registry wants another token.
        habits: Of the registry; changed when it refuses such bodies.

    Returns:
        The location of the upload, or None when it did not work; then nothing of it is left.
    """
    location = None
    try:
        with repository.request("POST", "blobs/uploads/", expected=(202,), retry=False) as response:
            location = repository.location(response)
        headers = {"Content-Type": "application/octet-stream"}
        with repository.request(
            "PATCH", location, headers=headers, body=Body(opener, None), expected=range(200, 300), retry=False
        ) as response:
            return repository.location(response) if response.headers.get("Location") else location
    except DockerEnvsError as error:
        refused = isinstance(error, TransportError) and error.status is not None and not error.transient
        if refused and not isinstance(error, AuthenticationError):
            habits.streams = False
    if location is not None:
        abandon_upload(repository, location)
    return None
