"""Blobs into a registry: asked for, mounted from a repository beside it, or streamed.

Spec: OCI distribution-spec 1.1, "Pushing blobs" and "Mounting a blob from another repository".
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from docker_envs.errors import AuthenticationError, TransportError
from docker_envs.transports.registry.session import Access
from docker_envs.transports.registry.upload_session import Progress, UploadHabits, UploadSession, has_blob

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from docker_envs.digest import Digest
    from docker_envs.oci.blob import Blob
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Task
    from docker_envs.transports.fetch import RetryRule
    from docker_envs.transports.registry.session import RegistrySession

EXISTS = "exists"
MOUNTED = "mounted"
UPLOADED = "uploaded"


class BlobUploader:
    """Pushes blobs; safe for many threads.

    Args:
        session: Sends the requests.
        rule: How an upload that broke is gone on with.
        habits: What is assumed of a registry at first.
    """

    def __init__(
        self, session: RegistrySession, rule: RetryRule, *, habits: Callable[[], UploadHabits] = UploadHabits
    ) -> None:
        self._session = session
        self._rule = rule
        self._habits: defaultdict[str, UploadHabits] = defaultdict(habits)
        # Pairs of repositories that the registry refused to mount between.
        self._no_mounts: set[tuple[str, str]] = set()
        # Blobs that repositories have for sure, since they were pushed or asked for here.
        self._present: set[tuple[str, Digest]] = set()

    def has_pushed(self, digest: Digest, target: Reference) -> bool:
        """Whether this uploader brought a blob into a repository, or found it there."""
        return (target.name, digest) in self._present

    def push(
        self, blob: Blob, target: Reference, *, task: Task | None = None, cancelled: threading.Event | None = None
    ) -> str:
        """Have a blob in a repository, in the cheapest way.

        Args:
            blob: The blob; opened only when its bytes must be sent, and verified meanwhile.
            target: Registry and repository.
            task: Told how many bytes were sent.
            cancelled: When set, sending stops at the next piece.

        Returns:
            `exists`, `mounted` or `uploaded`.

        Raises:
            VerificationError: The bytes are not those of the digest; the registry keeps nothing.
            TransportError: The registry refused, or the connection broke too often.
        """
        outcome = self._push(blob, target, task, cancelled)
        self._present.add((target.name, blob.digest))
        return outcome

    def _push(self, blob: Blob, target: Reference, task: Task | None, cancelled: threading.Event | None) -> str:
        repository = self._session.repository(target, access=Access.PUSH)
        if has_blob(repository, blob):
            return EXISTS
        mounted, location = self._mount(blob, target)
        if mounted:
            return MOUNTED
        progress = Progress(task, cancelled)
        session = UploadSession(repository, blob, self._habits[target.registry], progress, location)
        try:
            self._rule.run_verified(session.attempt, progress=lambda: session.kept, cancelled=progress.cancelled)
        except BaseException:
            session.abandon()
            raise
        return UPLOADED

    def _mount(self, blob: Blob, target: Reference) -> tuple[bool, str | None]:
        """Whether the registry mounted the blob, else perhaps the location of the upload that it began instead."""
        source = blob.origin
        if source is None or source.registry != target.registry or source.repository == target.repository:
            return False, None
        pair = (target.name, source.repository)
        if pair in self._no_mounts:
            return False, None
        try:
            repository = self._session.repository(target, access=Access.PUSH, mount_from=source)
            query = urlencode({"mount": blob.digest, "from": source.repository})
            with repository.request("POST", f"blobs/uploads/?{query}", expected=(201, 202)) as response:
                if response.status == 202:
                    return False, repository.location(response)
                return response.headers.get("Docker-Content-Digest", blob.digest) == blob.digest, None
        except TransportError as error:
            if error.status is None and not isinstance(error, AuthenticationError):
                raise
            # Some registries refuse what they will not mount, instead of beginning an upload.
            self._no_mounts.add(pair)
            return False, None
