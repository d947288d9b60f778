from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.errors import (
    AuthenticationError,
    TransportError,
)
from docker_envs.oci import media_types
from docker_envs.oci.reference import Reference
from docker_envs.report import SILENT
from docker_envs.transports.authentication.credentials import Credentials
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.transports.registry.registries_conf import RegistriesConf, RegistryEntry
from docker_envs.transports.registry.session import RegistrySession
from tests.images import make_image
from tests.simulators.http_server import Answer, HttpSimulator, json_answer, refusal
from tests.simulators.images import tiny_image, tiny_layer

if TYPE_CHECKING:
    from tests.simulators.http_server import Request
    from tests.simulators.registry import RegistrySimulator

from tests.unit.transports.registry.helpers import RULE, Known, Recorder, client, name, store


def test_layers_in_an_object_store_are_fetched_without_credentials(guarded: RegistrySimulator) -> None:
    image = store(guarded, tiny_image())
    found = client(Credentials("me", "hush")).image(name(guarded))
    with image.layers[0].open_blob() as blob:
        content = blob.read()
    with HttpSimulator(lambda _: Answer(200, content)).running() as objects:
        guarded.blob_host = objects.url
        with found.layers[0].open_blob() as blob:
            assert blob.read() == content
        assert objects.log[0].authorization is None
        assert objects.log[0].query == {"signature": ["secret"]}
    assert (guarded.log[-1].authorization or "").startswith("Bearer ")


def test_tokens_for_pull_push_and_mount(guarded: RegistrySimulator) -> None:
    store(guarded, tiny_image(), repository="library/base")
    one = client(Credentials("me", "hush"))
    base = one.image(name(guarded, "library/base:1"))
    one.push_image(make_image(*base.layers, tiny_layer("new\n")), name(guarded))
    scopes = [request.query["scope"] for request in guarded.log if request.path == "/token"]
    push = "repository:app:pull,push"
    pull = "repository:library/base:pull"
    assert scopes == [[pull], [push], [push, pull]]


def test_expired_tokens_are_replaced_in_the_middle(guarded: RegistrySimulator) -> None:
    assert guarded.tokens is not None
    guarded.tokens.uses = 2
    # HEAD and POST use the first one up, so that it expires under the PUT, which is sent again.
    layer = tiny_layer("x")
    assert client(Credentials("me", "hush")).push_layer(layer, name(guarded)) == "uploaded"
    assert [request.method for request in guarded.log if "/blobs/" in request.path] == ["HEAD", "POST", "PUT", "PUT"]
    assert len(guarded.log[-1].body) == layer.size


def test_anonymous_pulls_with_tokens(guarded: RegistrySimulator) -> None:
    image = store(guarded, tiny_image())
    assert client().image(name(guarded)).digest == image.digest


def test_anonymous_pushes_are_refused_with_a_hint(guarded: RegistrySimulator) -> None:
    with pytest.raises(
        AuthenticationError, match=r"no permission to push to .*: the registry wants credentials"
    ) as caught:
        client().push_image(tiny_image(), name(guarded))
    assert caught.value.hint == f"log in with `docker-envs login {guarded.address}`"


def test_wrong_passwords_are_not_shown(guarded: RegistrySimulator) -> None:
    with pytest.raises(AuthenticationError, match="refused the credentials of user `me`") as caught:
        client(Credentials("me", "hush-wrong")).push_image(tiny_image(), name(guarded))
    assert "hush" not in str(caught.value) + str(caught.value.__cause__)


def test_what_a_registry_repeats_of_a_request_is_not_shown() -> None:
    def answer(request: Request) -> Answer:
        if request.authorization is None:
            return refusal(401, "UNAUTHORIZED", **{"WWW-Authenticate": "Basic"})
        return refusal(403, "DENIED", f"not with {request.authorization}")

    found = Credentials("me", "hush")
    with HttpSimulator(answer).running() as registry, pytest.raises(AuthenticationError) as caught:
        client(found).image(name(registry))
    assert "DENIED: not with Basic …" in str(caught.value)


def test_upload_locations_elsewhere_get_no_credentials(guarded: RegistrySimulator) -> None:
    answer = Answer(201)
    with HttpSimulator(lambda _: answer).running() as elsewhere:
        guarded.faults = [("POST", Answer(202, headers={"Location": f"{elsewhere.url}/upload?a=b"}))]
        assert client(Credentials("me", "hush")).push_layer(tiny_layer("x"), name(guarded)) == "uploaded"
        (put,) = elsewhere.log
    assert put.authorization is None
    assert put.query == {"a": ["b"], "digest": [tiny_layer("x").digest]}


def test_foreign_layers_on_private_hosts_are_refused(
    server: RegistrySimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The registry is elsewhere: the simulator is the proxy that leads to it."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", server.url)
    layer = tiny_layer("x").with_media_type(media_types.DOCKER_LAYER_FOREIGN)
    foreign = replace(layer, descriptor=replace(layer.descriptor, urls=("http://10.0.0.1/secret",)))
    store(server, make_image(foreign))
    one = client(plain_http=["registry.invalid"])
    found = one.image(Reference.parse("registry.invalid/app:1"))
    with pytest.raises(TransportError, match=r"refused to go to `http://10.0.0.1`"):
        found.layers[0].open_blob()
    assert "GET /secret" not in server.asked


@pytest.mark.parametrize(
    ("link", "reason"),
    [("http://[::1", "which is no URL"), ("ftp://a.example/v2/", "refused to go to `ftp://a.example`")],
)
def test_pages_elsewhere_are_refused(server: RegistrySimulator, link: str, reason: str) -> None:
    server.faults = [("GET /v2/app/tags", json_answer({"tags": ["1"]}, Link=f'<{link}>; rel="next"'))]
    with pytest.raises(TransportError, match=reason):
        list(client().tags(name(server)))


def test_warnings_are_passed_on_once(server: RegistrySimulator) -> None:
    image, reporter = store(server, tiny_image()), Recorder()
    warned = Answer(200, image.manifest.raw, {"Warning": '299 - "this tag will go away"'})
    server.faults = [("GET /v2/app/manifests", warned)] * 2
    one = client(reporter=reporter)
    one.image(name(server))
    one.image(name(server))
    assert reporter.warnings == [f"`{server.address}` warns: this tag will go away"]


class Docker:
    """Stands for the network: answers as Docker Hub would, and remembers whom it was asked about."""

    rule = RULE

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.named: list[tuple[str, bool]] = []

    def open(self, url: str, *, headers: Any = None) -> Any:
        raise AssertionError(url)

    def name_host(self, host: str, *, insecure: bool = False) -> None:
        self.named.append((host, insecure))

    def check_target(self, source: str, target: str) -> None: ...

    def request(self, method: str, url: str, **options: Any) -> Any:
        self.urls.append(f"{method} {url}")
        raise TransportError("no network here")


def test_docker_hub_is_elsewhere() -> None:
    hub = Docker()
    with pytest.raises(TransportError):
        RegistryClient(http=hub, credentials=Known()).image(Reference.parse("debian:12"))
    assert hub.urls == ["GET https://registry-1.docker.io/v2/"]


@pytest.mark.parametrize(
    ("registry", "insecure", "expected"),
    [
        ("registry.example", ("registry.example",), ["https", "http", "https"]),
        ("registry.example:5000", ("registry.example",), ["https"]),
        ("127.0.0.1:5000", ("127.0.0.1:5000",), ["https", "http", "https"]),
    ],
)
def test_insecure_registries_may_lack_tls(registry: str, insecure: tuple[str, ...], expected: list[str]) -> None:
    network = Docker()
    one = RegistryClient(http=network, credentials=Known(), insecure=insecure)
    with pytest.raises(TransportError):
        one.image(Reference.parse(f"{registry}/app"))
    assert [url.partition("://")[0].split()[1] for url in network.urls] == expected


def test_hosts_that_the_user_names_are_known() -> None:
    network = Docker()
    one = RegistryClient(http=network, credentials=Known(), plain_http=("a.example",), insecure=("b.example:1",))
    assert sorted(network.named) == [("a.example", False), ("b.example:1", True)]
    with pytest.raises(TransportError):
        one.image(Reference.parse("c.example/app"))
    assert network.named[-1] == ("c.example", False)


def test_a_registry_without_tls_that_is_insecure(server: RegistrySimulator) -> None:
    image = store(server, tiny_image())
    assert client(insecure=[server.address]).image(name(server)).digest == image.digest


@pytest.mark.parametrize(("prefix", "is_insecure"), [("a.example", True), ("*.example", True), ("a.example/b", False)])
def test_insecure_registries_without_a_repository(prefix: str, *, is_insecure: bool) -> None:
    network = Docker()
    settings = RegistriesConf({prefix: RegistryEntry(prefix, insecure=True)})
    with pytest.raises(TransportError):
        RegistrySession(network, Known(), registries=settings, reporter=SILENT).endpoint("a.example")
    assert network.named == [("a.example", is_insecure)]


def test_insecure_registries_of_podmans_settings(server: RegistrySimulator) -> None:
    network = Docker()
    settings = RegistriesConf({"a.example": RegistryEntry("a.example", insecure=True)})
    one = RegistryClient(http=network, credentials=Known(), registries=settings)
    for work in (
        lambda: one.image(Reference.parse("a.example/app")),
        lambda: one.push_image(tiny_image(), Reference.parse("a.example/app")),
    ):
        network.urls.clear()
        with pytest.raises(TransportError):
            work()
        assert network.urls[:2] == ["GET https://a.example/v2/", "GET http://a.example/v2/"]
    assert ("a.example", True) in network.named


@pytest.mark.parametrize("location", ["ftp://elsewhere.example/upload", "http://[::1", "http://127.0.0.1:port/"])
def test_upload_locations_that_are_refused(server: RegistrySimulator, location: str) -> None:
    server.faults = [("POST", Answer(202, headers={"Location": location}))]
    with pytest.raises(TransportError, match=r"refused to go|which is no URL"):
        client().push_layer(tiny_layer("x"), name(server))


@pytest.mark.parametrize(
    ("registry", "plain", "expected"),
    [
        ("registry.example:5000", (), ["https"]),
        ("registry.example:5000", ("registry.example",), ["https"]),
        ("registry.example:5000", ("registry.example:5000",), ["http"]),
        ("127.0.0.1:5000", (), ["http"]),
        ("localhost", (), ["http"]),
        ("[::1]:5000", (), ["http"]),
    ],
)
def test_plain_http_only_here_or_when_asked_for(registry: str, plain: tuple[str, ...], expected: list[str]) -> None:
    network = Docker()
    with pytest.raises(TransportError):
        RegistryClient(http=network, credentials=Known(), plain_http=plain).image(Reference.parse(f"{registry}/app"))
    assert [url.partition("://")[0].split()[1] for url in network.urls] == expected


def test_a_broken_ping_does_not_lead_to_tls(server: RegistrySimulator) -> None:
    """The first connection breaks, nobody speaks TLS there, and plain HTTP gets its other tries."""
    image = store(server, tiny_image())
    server.faults = [("GET /v2/", Answer(silent=True))] * 3
    assert client().image(name(server)).digest == image.digest
