"""Blobs into a registry: asked for, mounted from a repository beside it, or streamed.

Spec: OCI distribution-spec 1.1, "Pushing blobs" and "Mounting a blob from another repository".
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from docker_envs.errors import AuthenticationError, DockerEnvsError, NotFoundError, TransportError
from docker_envs.transports.authentication.keyed import Once
from docker_envs.transports.registry.listing import iter_tags
from docker_envs.transports.registry.session import Access
from docker_envs.transports.registry.upload_session import Progress, UploadHabits, UploadSession, has_blob
from docker_envs.transports.registry.upload_stream import stream_blob

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from docker_envs.digest import Digest
    from docker_envs.oci.blob import Blob
    from docker_envs.oci.reference import Reference
    from docker_envs.report import Task
    from docker_envs.streams import ByteSource
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
        self._is_new = Once(self._lacks_tags)

    def has_pushed(self, digest: Digest, target: Reference) -> bool:
        """Whether this uploader brought a blob into a repository, or found it there."""
        return (target.name, digest) in self._present

    def stream(self, opener: Callable[[], ByteSource], target: Reference) -> str | None:
        """Send a blob that nobody knows the digest of yet, in one body of unknown length, as Docker does.

        A repository with tags gets none, as it may have the blob already.

        Args:
            opener: Gives the blob's bytes while they are made, each time from the beginning.
            target: Registry and repository.

        Returns:
            The location of the upload, for `push` to end; None when it did not work, and nothing is left of it.
        """
        habits = self._habits[target.registry]
        if not habits.streams or not self._is_new(target):
            return None
        return stream_blob(self._session.repository(target, access=Access.PUSH), opener, habits)

    def push(
        self,
        blob: Blob,
        target: Reference,
        *,
        task: Task | None = None,
        cancelled: threading.Event | None = None,
        location: str | None = None,
    ) -> str:
        """Have a blob in a repository, in the cheapest way.

        Args:
            blob: The blob; opened only when its bytes must be sent, and verified meanwhile.
            target: Registry and repository.
            task: Told how many bytes were sent.
            cancelled: When set, sending stops at the next piece.
            location: Of an upload that has all the bytes, of `stream`.

        Returns:
            `exists`, `mounted` or `uploaded`.

        Raises:
            VerificationError: The bytes are not those of the digest; the registry keeps nothing.
            TransportError: The registry refused, or the connection broke too often.
        """
        outcome = self._push(blob, target, Progress(task, cancelled), location)
        self._present.add((target.name, blob.digest))
        return outcome

    def _push(self, blob: Blob, target: Reference, progress: Progress, streamed: str | None) -> str:
        repository = self._session.repository(target, access=Access.PUSH)
        if streamed is None and has_blob(repository, blob):
            return EXISTS
        mounted, location = (False, streamed) if streamed else self._mount(blob, target)
        if mounted:
            return MOUNTED
        habits, sent = self._habits[target.registry], blob.size if streamed else 0
        session = UploadSession(repository, blob, habits, progress, location, offset=sent)
        try:
            self._rule.run_verified(session.attempt, progress=lambda: session.kept, cancelled=progress.cancelled)
        except BaseException:
            session.abandon()
            raise
        return UPLOADED

    def _lacks_tags(self, target: Reference) -> bool:
        try:
            return next(iter_tags(self._session.repository(target, access=Access.PUSH)), None) is None
        except NotFoundError:
            return True
        except DockerEnvsError:
            return False

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
