from __future__ import annotations

import io
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.errors import AuthenticationError, DigestMismatchError, TransportError
from docker_envs.oci import media_types
from docker_envs.oci.blob import Blob
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.http import HttpClient
from docker_envs.transports.registry.session import Access, RegistrySession
from docker_envs.transports.registry.upload_session import Progress, UploadHabits, UploadSession
from docker_envs.transports.registry.uploads import BlobUploader
from tests.simulators.http_server import Answer, refusal
from tests.simulators.registry import RegistrySimulator, TokenRules
from tests.unit.transports.registry.helpers import RULE, Known, Recorder, name

if TYPE_CHECKING:
    from collections.abc import Callable

    from docker_envs.transports.fetch import RetryRule

CONTENT = random.Random(7).randbytes(1000)
UPLOADS = "/v2/app/blobs/uploads/"


def blob_of(content: bytes, opener: Callable[[], Any] | None = None) -> Blob:
    blob = Blob.of_bytes(content, media_types.OCI_LAYER_TAR)
    return Blob(blob.descriptor, opener or blob.opener)


class Run:
    """An upload of some bytes, with habits of our choice."""

    def __init__(
        self,
        server: RegistrySimulator,
        content: bytes = CONTENT,
        *,
        habits: UploadHabits | None = None,
        opener: Callable[[], Any] | None = None,
        cancelled: threading.Event | None = None,
        rule: RetryRule = RULE,
        credentials: Credentials | None = None,
    ) -> None:
        self.server, self.rule, self.recorder = server, rule, Recorder()
        session = RegistrySession(HttpClient(rule=rule), Known(credentials), reporter=self.recorder)
        repository = session.repository(name(server), access=Access.PUSH)
        self.habits = habits or UploadHabits()
        self.blob = blob_of(content, opener)
        self.upload = UploadSession(repository, self.blob, self.habits, Progress(self.recorder, cancelled))

    def __call__(self) -> list[str]:
        """The requests, as method and `Content-Range` or length of the body."""
        try:
            self.rule.run_verified(self.upload.attempt, progress=lambda: self.upload.kept)
        except BaseException:
            self.upload.abandon()
            raise
        assert self.server.repository("app").blobs[self.blob.digest] == CONTENT
        assert self.recorder.advanced == self.blob.size
        assert self.server.uploads == {}
        return self.requests

    @property
    def requests(self) -> list[str]:
        return [
            f"{request.method} {request.headers.get('content-range', len(request.body) or '')}".rstrip()
            for request in self.server.log
            if "/blobs/" in request.path
        ]


def chunked(length: int) -> UploadHabits:
    return UploadHabits(limit=length, chunk=length)


def test_one_piece_is_the_rule(server: RegistrySimulator) -> None:
    assert Run(server)() == ["POST", "PUT 1000"]


def test_what_was_kept_of_one_piece_is_not_sent_again(server: RegistrySimulator) -> None:
    server.faults = [("PUT", Answer(received=300))]
    run = Run(server)
    assert run() == ["POST", "PUT 300", "HEAD", "GET", "PATCH 300-999", "PUT"]
    (patch,) = [request for request in server.log if request.method == "PATCH"]
    assert patch.body == CONTENT[300:]


def test_registries_that_keep_nothing_of_a_broken_request(server: RegistrySimulator) -> None:
    server.resumable = False
    server.faults = [("PUT", Answer(received=300))]
    assert Run(server)() == ["POST", "PUT 300", "HEAD", "GET", "DELETE", "POST", "PUT 1000"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_a_server_refuses_for_a_moment(server: RegistrySimulator, status: int) -> None:
    server.faults = [("PUT", Answer(status))]
    assert Run(server)() == ["POST", "PUT 1000", "HEAD", "GET", "DELETE", "POST", "PUT 1000"]


def test_only_the_answer_was_lost(server: RegistrySimulator) -> None:
    server.add_blob("app", CONTENT)
    server.faults = [("PUT", Answer(504))]
    run = Run(server)
    run.rule.run(run.upload.attempt)
    assert run.requests == ["POST", "PUT 1000", "HEAD"]


def test_a_registry_that_claims_to_have_more_than_it_got(server: RegistrySimulator) -> None:
    server.faults = [("PUT", Answer(received=0)), (f"GET {UPLOADS}", Answer(204, headers={"Range": "0-5000"}))]
    assert Run(server)()[-2:] == ["POST", "PUT 1000"]


def test_chunks(server: RegistrySimulator) -> None:
    openings: list[int] = []

    def opener() -> io.BytesIO:
        openings.append(1)
        return io.BytesIO(CONTENT)

    run = Run(server, habits=chunked(400), opener=opener)
    assert run() == ["POST", "PATCH 0-399", "PATCH 400-799", "PATCH 800-999", "PUT"]
    assert len(openings) == 1


@pytest.mark.parametrize(("shortest", "length"), [(100, 400), (600, 600)])
def test_registries_that_speak_of_chunks_get_them(server: RegistrySimulator, shortest: int, length: int) -> None:
    server.shortest_chunk = shortest
    requests = Run(server, habits=UploadHabits(chunk=400))()
    assert requests[1] == f"PATCH 0-{length - 1}"


def test_small_blobs_are_no_chunks(server: RegistrySimulator) -> None:
    server.shortest_chunk = 2000
    assert Run(server, habits=UploadHabits(chunk=100))() == ["POST", "PUT 1000"]


@pytest.mark.parametrize("resumable", [True, False])
def test_a_chunk_that_breaks(server: RegistrySimulator, *, resumable: bool) -> None:
    server.resumable = resumable
    server.faults = [("PATCH", None), ("PATCH", Answer(received=100))]
    resumed = ["GET", "PATCH 500-899", "PATCH 900-999", "PUT"]
    anew = ["GET", "POST", "PATCH 0-399", "PATCH 400-799", "PATCH 800-999", "PUT"]
    requests = Run(server, habits=chunked(400))()
    assert [each for each in requests if each != "DELETE"] == [
        "POST", "PATCH 0-399", "PATCH 400-799", *(resumed if resumable else anew)
    ]  # fmt: skip


def test_a_chunk_of_which_less_was_kept_than_we_sent(server: RegistrySimulator) -> None:
    location = {"Location": f"{UPLOADS}1?state=a%20b", "Range": "0-99"}
    server.faults = [("PATCH", Answer(202, headers=location))]
    requests = Run(server, habits=chunked(400))()
    # In truth nothing was.
    assert requests == ["POST", "PATCH 0-399", "GET", "DELETE", "POST", *requests[5:]]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 416])
def test_registries_that_refuse_chunks_get_one_piece(server: RegistrySimulator, status: int) -> None:
    server.chunks = status
    run = Run(server, habits=chunked(400))
    assert run() == ["POST", "PATCH 0-399", "DELETE", "POST", "PUT 1000"]
    assert not run.habits.chunks


@pytest.mark.parametrize("status", [404, 416])
def test_uploads_that_the_registry_lost_begin_anew(server: RegistrySimulator, status: int) -> None:
    server.faults = [("PATCH", None), ("PATCH", refusal(status, "BLOB_UPLOAD_UNKNOWN"))]
    run = Run(server, habits=chunked(600))
    assert run() == ["POST", "PATCH 0-599", "PATCH 600-999", "DELETE", "POST", "PATCH 0-599", "PATCH 600-999", "PUT"]
    assert run.habits.chunks


def test_bodies_that_are_too_large_become_chunks(server: RegistrySimulator) -> None:
    """Proxies in front of registries often limit bodies, to 1 MB or 100 MB."""
    server.largest_body = 3 << 20
    content = CONTENT * 5000
    run = Run(server, content)
    run.rule.run(run.upload.attempt)
    assert server.repository("app").blobs[run.blob.digest] == content
    assert run.requests[-2:] == ["PATCH 3750000-4999999", "PUT"]
    assert run.habits.limit == 1_250_000


def test_bodies_that_are_too_large_in_any_way(server: RegistrySimulator) -> None:
    server.largest_body = 10
    run = Run(server)
    with pytest.raises(TransportError, match="status 413"):
        run()
    assert run.requests == ["POST", "PUT 1000", "DELETE"]


def test_progress_renews_patience(server: RegistrySimulator) -> None:
    """Many more breaks than attempts, each after some bytes."""
    server.faults = [("PUT", Answer(received=40)), *[("PATCH", Answer(received=40))] * 20]
    requests = Run(server)()
    assert len([each for each in requests if each.startswith("PATCH")]) == 21
    assert "DELETE" not in requests


def test_without_progress_patience_ends(server: RegistrySimulator) -> None:
    server.faults = [("PUT", Answer(silent=True)), *[("PATCH", Answer(received=0))] * 20, *[("PUT", Answer(500))] * 20]
    with pytest.raises(TransportError):
        Run(server)()
    assert [request.method for request in server.log].count("PUT") <= RULE.attempts
    assert server.uploads == {}


@pytest.mark.parametrize("length", [1000, 300])
def test_uploads_that_are_cancelled_are_taken_back(server: RegistrySimulator, length: int) -> None:
    cancelled = threading.Event()

    class Stream(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= 300:
                cancelled.set()
            return super().read(min(size or 0, 300))

    with pytest.raises(TransportError, match="the upload was cancelled"):
        Run(server, habits=chunked(length), opener=lambda: Stream(CONTENT), cancelled=cancelled)()
    assert server.asked[-1].startswith("DELETE /v2/app/blobs/uploads/")
    assert server.uploads == {}


def test_uploads_that_are_refused_are_taken_back(server: RegistrySimulator) -> None:
    server.faults = [("PUT", refusal(403, "DENIED", "quota exceeded"))]
    with pytest.raises(AuthenticationError, match="quota exceeded"):
        Run(server)()
    assert server.uploads == {}


def test_uploads_that_cannot_be_taken_back(server: RegistrySimulator) -> None:
    server.faults = [("PUT", refusal(403, "DENIED")), ("DELETE", Answer(500))]
    with pytest.raises(AuthenticationError):
        Run(server)()
    assert server.asked[-1].startswith("DELETE")


def test_bytes_that_became_wrong_on_the_way_are_sent_again_once(server: RegistrySimulator) -> None:
    server.faults = [("PUT", refusal(400, "DIGEST_INVALID"))]
    assert Run(server)() == ["POST", "PUT 1000", "DELETE", "HEAD", "POST", "PUT 1000"]
    server.repository("app").blobs.clear()
    server.log.clear()
    server.faults = [("PUT", refusal(400, "DIGEST_INVALID", "again"))] * 2
    with pytest.raises(TransportError, match="DIGEST_INVALID: again"):
        Run(server)()
    assert [request.method for request in server.log].count("PUT") == 2


def test_wrong_bytes_never_become_a_blob(server: RegistrySimulator) -> None:
    with pytest.raises(DigestMismatchError):
        Run(server, habits=chunked(400), opener=lambda: io.BytesIO(CONTENT[::-1]))()
    assert server.repository("app").blobs == {}
    assert server.uploads == {}


def test_a_source_that_was_wrong_once(server: RegistrySimulator) -> None:
    contents = [CONTENT[::-1], CONTENT]
    Run(server, opener=lambda: io.BytesIO(contents.pop(0)))()


@pytest.mark.parametrize("uses", [1, 2, 3])
def test_tokens_that_expire_in_the_middle(guarded: RegistrySimulator, uses: int) -> None:
    guarded.tokens = TokenRules(users={"me": "hush"}, uses=uses)
    requests = Run(guarded, habits=chunked(400), credentials=Credentials("me", "hush"))()
    assert [each for each in requests if each.startswith("PATCH")][-1] == "PATCH 800-999"
    assert guarded.asked.count("GET /token") > 1


def test_what_was_learnt_of_a_registry_holds_for_all_blobs(server: RegistrySimulator) -> None:
    server.chunks, server.shortest_chunk = 405, 10
    session = RegistrySession(HttpClient(rule=RULE), Known(), reporter=Recorder())
    uploader = BlobUploader(session, RULE, habits=lambda: UploadHabits(chunk=400))
    for content in (CONTENT, CONTENT[::-1]):
        assert uploader.push(blob_of(content), name(server)) == "uploaded"
    assert [request.method for request in server.log].count("PATCH") == 1
