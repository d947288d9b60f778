"""Lists of what registries have, over several pages and in registries that lack the newer parts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import FormatError, NotFoundError, TransportError
from docker_envs.oci import media_types
from docker_envs.oci.artifact import Artifact
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.manifest import Index
from docker_envs.transports.registry.listing import referrers_tag
from tests.simulators.http_server import Answer, json_answer, refusal
from tests.simulators.images import tiny_image
from tests.unit.oci.test_artifact import signature
from tests.unit.transports.registry.helpers import client, name, store

if TYPE_CHECKING:
    from tests.simulators.registry import RegistrySimulator

TYPE = "application/vnd.example.signature.v1"


def test_tags_come_in_pages(server: RegistrySimulator) -> None:
    following = '</v2/app/tags/list?n=2&last=b>; rel="next"'
    server.faults = [
        ("GET /v2/app/tags/list", json_answer({"name": "app", "tags": ["a", "b"]}, Link=following)),
        ("GET /v2/app/tags/list", json_answer({"name": "app", "tags": ["c"]})),
    ]
    assert list(client().tags(name(server))) == ["a", "b", "c"]
    assert server.log[-1].query == {"n": ["2"], "last": ["b"]}


def test_repositories_without_tags_have_none(server: RegistrySimulator) -> None:
    server.faults = [("GET /v2/app/tags/list", json_answer({"name": "app", "tags": None}))]
    assert list(client().tags(name(server))) == []


def test_the_catalog_comes_in_pages(server: RegistrySimulator) -> None:
    following = f'<{server.url}/v2/_catalog?last=b>; rel="next"'
    server.faults = [
        ("GET /v2/_catalog", json_answer({"repositories": ["a", "b"]}, Link=following)),
        ("GET /v2/_catalog", json_answer({"repositories": ["c/d"]})),
    ]
    assert list(client().repositories(server.address)) == ["a", "b", "c/d"]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (refusal(404, "NAME_UNKNOWN", "unknown"), NotFoundError, "NAME_UNKNOWN"),
        (Answer(200, b"<html>"), FormatError, "list of"),
        (json_answer({"tags": [1]}), FormatError, r"tags\[0\]"),
        (json_answer({"tags": "x"}), FormatError, "tags"),
    ],
)
def test_bad_lists(server: RegistrySimulator, answer: Answer, error: type[Exception], message: str) -> None:
    server.faults = [("GET /v2/app/tags/list", answer)]
    with pytest.raises(error, match=message):
        list(client().tags(name(server)))


def test_referrers_of_the_api(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    one, two = signature(image.digest), Artifact.of_image(tiny_image())
    first = Index.make([one.descriptor])
    listed = json.loads(first.raw)
    listed["manifests"][0]["artifactType"] = TYPE
    answers = [
        json_answer(listed, Link=f'</v2/app/referrers/{image.digest}?page=2>; rel="next"'),
        Answer(200, Index.make([two.descriptor]).raw, {"Content-Type": media_types.OCI_INDEX}),
    ]
    server.faults = [("GET /v2/app/referrers", answer) for answer in (*answers, *answers)]
    assert [entry.digest for entry in client().referrers(name(server))] == [one.digest, two.digest]
    # Registries may pass the filter over.
    assert [entry.digest for entry in client().referrers(name(server), TYPE)] == [one.digest]


def test_referrers_under_the_tag_that_stands_in(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    server.faults = [("GET /v2/app/referrers", refusal(404, "NOT_FOUND"))] * 3
    assert client().referrers(name(server)) == []
    artifact = signature(image.digest)
    client().push_artifact(artifact, name(server, f"app@{artifact.digest}"))
    assert list(server.repository("app").manifests).count(referrers_tag(image.digest)) == 1
    (entry,) = client().referrers(name(server))
    assert (entry.digest, entry.extra["artifactType"]) == (artifact.digest, TYPE)
    assert client().referrers(name(server), "application/other") == []


def test_a_second_referrer_joins_the_first(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    one = signature(image.digest)
    raw = one.raw.replace(b"[1,2]", b"[3,4]")
    two = Artifact(Descriptor(one.media_type, Digest.of(raw), len(raw)), raw, one.blobs)
    for artifact in (one, two, one):
        client().push_artifact(artifact, name(server, f"app@{artifact.digest}"))
    tagged = json.loads(server.repository("app").manifests[referrers_tag(image.digest)][1])
    assert [entry["digest"] for entry in tagged["manifests"]] == [one.digest, two.digest]


def test_registries_that_know_subjects_need_no_tag(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    artifact = signature(image.digest)
    headers = {"Docker-Content-Digest": str(artifact.digest), "OCI-Subject": str(image.digest)}
    server.faults = [("PUT /v2/app/manifests", Answer(201, headers=headers))]
    client().push_artifact(artifact, name(server, "app:signed"))
    assert referrers_tag(image.digest) not in server.repository("app").manifests


def test_referrers_of_nothing(server: RegistrySimulator) -> None:
    with pytest.raises(NotFoundError, match="not found"):
        client().referrers(name(server))


@pytest.mark.parametrize("status", [200, 202, 204])
def test_deletions(server: RegistrySimulator, status: int) -> None:
    server.faults = [("DELETE /v2/app/manifests/1", Answer(status))]
    client().delete(name(server))
    assert server.asked[-1] == "DELETE /v2/app/manifests/1"


def test_registries_that_delete_nothing(server: RegistrySimulator) -> None:
    server.faults = [("DELETE", refusal(405, "UNSUPPORTED", "the operation is unsupported"))]
    with pytest.raises(TransportError, match="status 405") as caught:
        client().delete(name(server))
    assert caught.value.status == 405
