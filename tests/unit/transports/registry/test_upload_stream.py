"""Blobs that are sent before anybody knows their digest; what does not work ends in a push of the whole."""

from __future__ import annotations

import io
import threading

import pytest

from docker_envs.errors import TransportError
from docker_envs.oci.reference import Reference
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.http import HttpClient
from docker_envs.transports.registry.session import RegistrySession
from docker_envs.transports.registry.uploads import BlobUploader
from tests.simulators.http_server import Answer, refusal
from tests.simulators.registry import RegistrySimulator, TokenRules
from tests.unit.transports.registry.helpers import RULE, Known, Recorder, name
from tests.unit.transports.registry.test_upload_session import CONTENT, UPLOADS, blob_of

WHOLE = ["HEAD", "POST", "PUT 1000"]


class Run:
    """A blob that is streamed and then pushed."""

    def __init__(self, server: RegistrySimulator, credentials: Credentials | None = None) -> None:
        self.server, self.recorder, self.openings = server, Recorder(), 0
        session = RegistrySession(HttpClient(rule=RULE), Known(credentials), reporter=self.recorder)
        self.uploader = BlobUploader(session, RULE)

    def __call__(self, content: bytes = CONTENT, *, cancelled: threading.Event | None = None) -> list[str]:
        """The requests for the blob."""
        before, target, blob = len(self.server.log), name(self.server), blob_of(content)

        def opener() -> io.BytesIO:
            self.openings += 1
            return io.BytesIO(content)

        location = self.uploader.stream(opener, target)
        self.recorder.advanced = 0
        self.uploader.push(blob, target, task=self.recorder, cancelled=cancelled, location=location)
        assert self.server.repository("app").blobs[blob.digest] == content
        assert self.server.uploads == {}
        assert self.recorder.advanced == len(content)
        assert self.uploader.has_pushed(blob.digest, target)
        return [
            f"{request.method} {'…' if 'transfer-encoding' in request.headers else len(request.body) or ''}".rstrip()
            for request in self.server.log[before:]
            if "/blobs/" in request.path
        ]


def test_one_body_of_unknown_length(server: RegistrySimulator) -> None:
    run = Run(server)
    assert run() == ["POST", "PATCH …", "PUT"]
    assert run.openings == 1
    (patch,) = [request for request in server.log if request.method == "PATCH"]
    assert patch.body == CONTENT
    assert "content-range" not in patch.headers


def test_a_repository_is_asked_once_whether_it_is_new(server: RegistrySimulator) -> None:
    run = Run(server)
    assert run() == run(CONTENT[::-1])
    assert server.asked.count("GET /v2/app/tags/list") == 1


@pytest.mark.parametrize("answer", [None, refusal(401, "DENIED"), Answer(200, b"{")], ids=["tags", "denied", "damaged"])
def test_what_may_be_there_is_not_streamed(server: RegistrySimulator, answer: Answer | None) -> None:
    server.add_manifest("app", "1", b"{}", "application/json")
    server.faults = [("GET /v2/app/tags/list", answer)]
    run = Run(server)
    assert run() == WHOLE
    assert run.openings == 0


@pytest.mark.parametrize("status", [400, 404, 405, 411, 413, 501])
def test_registries_that_refuse_such_bodies_are_asked_once(server: RegistrySimulator, status: int) -> None:
    server.streams = status
    run = Run(server)
    assert run() == ["POST", "PATCH …", "DELETE", *WHOLE]
    assert run(CONTENT[::-1]) == WHOLE


@pytest.mark.parametrize("fault", [Answer(received=300), Answer(503), Answer(429), refusal(403, "DENIED")])
def test_what_breaks_is_pushed_as_a_whole(server: RegistrySimulator, fault: Answer) -> None:
    server.faults = [("PATCH", fault)]
    run = Run(server)
    assert run() == ["POST", "PATCH …", "DELETE", *WHOLE]
    assert run(CONTENT[::-1]) == ["POST", "PATCH …", "PUT"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(202),
        Answer(202, headers={"Location": "http://["}),
        Answer(202, headers={"Location": "ftp://example.org/x"}),
        Answer(202, headers={"Location": "/v2/app/blobs/uploads/99?state=a%20b"}),
        Answer(503),
    ],
    ids=["no location", "no URL", "another protocol", "unknown", "no upload"],
)
def test_wrong_locations(server: RegistrySimulator, answer: Answer) -> None:
    server.faults = [(f"POST {UPLOADS}", answer)]
    assert Run(server)()[-3:] == WHOLE


def test_a_new_location_after_the_bytes(server: RegistrySimulator) -> None:
    server.faults = [("PATCH", Answer(202, headers={"Location": f"{UPLOADS}99?state=a%20b"}))]
    run, target, blob = Run(server), name(server), blob_of(CONTENT)
    location = run.uploader.stream(lambda: io.BytesIO(CONTENT), target)
    assert location is not None
    assert "uploads/99" in location
    # There is nothing there, so the end is refused, and all goes anew.
    run.uploader.push(blob, target, location=location)
    assert server.repository("app").blobs == {blob.digest: CONTENT}


@pytest.mark.parametrize("uses", [1, 2, 3])
def test_tokens_that_expire_in_the_middle(guarded: RegistrySimulator, uses: int) -> None:
    guarded.tokens = TokenRules(users={"me": "hush"}, uses=uses)
    run = Run(guarded, Credentials("me", "hush"))
    requests = run()
    assert requests[-1] == "PUT"
    assert "HEAD" not in requests
    assert run.openings == requests.count("PATCH …")
    assert guarded.asked.count("GET /token") > 1


def test_bytes_that_changed_on_their_way(server: RegistrySimulator) -> None:
    run, target, blob = Run(server), name(server), blob_of(CONTENT)
    location = run.uploader.stream(lambda: io.BytesIO(CONTENT[::-1]), target)
    assert location is not None
    assert run.uploader.push(blob, target, location=location) == "uploaded"
    assert server.repository("app").blobs == {blob.digest: CONTENT}


def test_only_the_answer_was_lost(server: RegistrySimulator) -> None:
    run, target = Run(server), name(server)
    location = run.uploader.stream(lambda: io.BytesIO(CONTENT), target)
    server.add_blob("app", CONTENT)
    server.faults = [("PUT", Answer(504))]
    run.uploader.push(blob_of(CONTENT), target, location=location)
    assert [request.method for request in server.log][-2:] == ["PUT", "HEAD"]


def test_bytes_that_have_no_end(server: RegistrySimulator) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if chunk := super().read(size):
                return chunk
            raise TransportError("the upload was cancelled")

    assert Run(server).uploader.stream(lambda: Broken(CONTENT), name(server)) is None
    assert server.uploads == {}
    assert server.repository("app").blobs == {}


def test_cancelling_leaves_nothing(server: RegistrySimulator) -> None:
    run, cancelled = Run(server), threading.Event()
    cancelled.set()
    with pytest.raises(TransportError, match="cancelled"):
        run(cancelled=cancelled)
    assert server.uploads == {}
    assert server.repository("app").blobs == {}


def test_a_registry_that_is_not_there() -> None:
    run = Run(RegistrySimulator())
    target = Reference.parse("127.0.0.1:1/app:1")
    assert run.uploader.stream(lambda: io.BytesIO(CONTENT), target) is None
