"""Pushes to and pulls from a real registry through a proxy that spoils requests and answers.

Whatever happens, a run ends in the right image or in one clear error, and no tag points to something incomplete. The
variable `WEATHER_SEED` repeats one of the random runs, `WEATHER_RUNS` says how many there are.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import AuthenticationError, DigestMismatchError, DockerEnvsError, NotFoundError
from docker_envs.oci.reference import Reference
from docker_envs.report import SILENT
from docker_envs.transports.fetch import RetryRule
from docker_envs.transports.http import HttpClient
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.transports.registry.session import RegistrySession
from docker_envs.transports.registry.upload_session import UploadHabits
from docker_envs.transports.registry.uploads import BlobUploader
from docker_envs.validate import validate_image
from tests.images import make_image, make_layer, read_blob
from tests.services import run_registry
from tests.simulators.fault_proxy import Fault, FaultProxy
from tests.simulators.images import tiny_layer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer

RULE = RetryRule(sleep=lambda _: None, silence=0.1, deadline=10)
RUNS = int(os.environ.get("WEATHER_RUNS", "300"))
# Most time is spent waiting.
THREADS = 4
# Seconds after which a run is said to hang.
PATIENCE = 20

PUSH_PLACES = ("HEAD .*/manifests", "HEAD .*/blobs", "POST", "PUT .*/blobs", "PUT .*/manifests")
PULL_PLACES = ("GET .*/manifests", "GET .*/blobs")
BODY_SENT = (Fault.REQUEST_CUT, Fault.REQUEST_CORRUPTED)
BODY_RECEIVED = (Fault.ANSWER_CUT, Fault.ANSWER_CORRUPTED, Fault.LENGTH_TOO_SMALL, Fault.LENGTH_TOO_LARGE)
RANGES = (Fault.RANGE_IGNORED, Fault.RANGE_WRONG)
REDIRECTS = (Fault.REDIRECT_SAME, Fault.REDIRECT_OTHER)


class Nobody:
    def find(self, *names: str) -> None:
        return None


def weather_client() -> RegistryClient:
    return RegistryClient(http=HttpClient(rule=RULE), rule=RULE, credentials=Nobody())


DIRECT = RegistryClient(credentials=Nobody())


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_registry(tmp_path_factory.mktemp("weather"), in_memory=True) as address:
        DIRECT.push_image(BASE, Reference.parse(f"{address}/base:1"))
        yield address


@pytest.fixture(scope="module")
def proxy(upstream: str) -> Iterator[FaultProxy]:
    with FaultProxy(upstream).running() as found:
        yield found


BASE = make_image(tiny_layer("base"), tiny_layer("of all"))


def check_tags(registry: str, repository: str) -> list[str]:
    """Read everything that the tags of a repository point to, in fine weather; the digests of their manifests."""
    name = Reference.parse(f"{registry}/{repository}:1")
    try:
        tags = list(DIRECT.tags(name))
    except NotFoundError:
        # Nothing came as far as the registry.
        return []
    found = []
    for tag in tags:
        image = DIRECT.image(name.with_tag(tag))
        validate_image(image, source=f"{repository}:{tag}")
        found.append(str(image.digest))
    return found


def places() -> Iterator[tuple[Fault, str]]:
    for fault in Fault:
        for place in (*PUSH_PLACES, *PULL_PLACES):
            sends, receives = place.startswith("PUT"), place.startswith("GET")
            digests = place.startswith("PUT") or place == "GET .*/manifests"
            if (
                (fault in BODY_SENT and not sends)
                or (fault in BODY_RECEIVED and not receives)
                or (fault is Fault.WRONG_DIGEST and not digests)
                or fault in RANGES
            ):
                continue
            yield fault, place


@pytest.mark.parametrize(("fault", "place"), list(places()), ids=lambda value: getattr(value, "name", value))
def test_one_fault(upstream: str, proxy: FaultProxy, fault: Fault, place: str) -> None:
    """A single fault is got over, whatever it is; only a refusal is not."""
    repository = f"one/{fault.name.lower()}"
    image = make_image(tiny_layer(f"{fault} {place}"), *BASE.layers)
    target = Reference.parse(f"{proxy.address}/{repository}:1")
    proxy.follow(place, fault)
    try:
        weather_client().push_image(image, target)
        validate_image(weather_client().image(target))
    except AuthenticationError:
        assert fault is Fault.UNAUTHORIZED
    else:
        assert fault is not Fault.UNAUTHORIZED or place == "HEAD .*/manifests"
        assert str(image.digest) in check_tags(upstream, repository)
    assert proxy.injected == {fault: 1}
    check_tags(upstream, repository)


def big_layer(name: str) -> Layer:
    return make_layer({"big": random.Random(name).randbytes(700_000)})


@pytest.mark.parametrize("breaks", [Fault.ANSWER_RESET, Fault.ANSWER_CUT, Fault.STALL_WITHIN])
@pytest.mark.parametrize("then", [*RANGES, Fault.ANSWER_RESET, Fault.INTERNAL_ERROR])
def test_downloads_go_on(upstream: str, proxy: FaultProxy, breaks: Fault, then: Fault) -> None:
    layer = big_layer("download")
    DIRECT.push_image(make_image(layer), Reference.parse(f"{upstream}/download:1"))
    (pulled,) = weather_client().image(Reference.parse(f"{proxy.address}/download:1")).layers
    # The first time all is lost, for so much was asked for at once.
    proxy.follow(f"GET .*{layer.digest}", breaks, breaks, then)
    assert read_blob(pulled) == read_blob(layer)
    assert proxy.injected.total() == 3


def test_blobs_that_are_shorter_than_announced_come_once(upstream: str, proxy: FaultProxy) -> None:
    layer = big_layer("download")
    DIRECT.push_image(make_image(layer), Reference.parse(f"{upstream}/download:1"))
    (pulled,) = weather_client().image(Reference.parse(f"{proxy.address}/download:1")).layers
    proxy.follow(f"GET .*{layer.digest}", Fault.LENGTH_TOO_LARGE)
    assert read_blob(pulled) == read_blob(layer)
    assert proxy.injected == {Fault.LENGTH_TOO_LARGE: 1}
    assert proxy.seen == [f"GET /v2/download/blobs/{layer.digest}"]


def test_large_blobs_that_come_wrong_are_an_error(upstream: str, proxy: FaultProxy) -> None:
    layer = big_layer("wrong")
    DIRECT.push_image(make_image(layer), Reference.parse(f"{upstream}/wrong:1"))
    (pulled,) = weather_client().image(Reference.parse(f"{proxy.address}/wrong:1")).layers
    proxy.follow(f"GET .*{layer.digest}", Fault.ANSWER_CORRUPTED)
    with pytest.raises(DigestMismatchError):
        read_blob(pulled)


def test_blobs_that_come_wrong_once_are_passed_on_right(upstream: str, proxy: FaultProxy) -> None:
    layer = big_layer("passed on")
    DIRECT.push_image(make_image(layer), Reference.parse(f"{upstream}/from:1"))
    client = weather_client()
    image = client.image(Reference.parse(f"{proxy.address}/from:1"))
    proxy.follow(f"GET .*{layer.digest}", Fault.ANSWER_CORRUPTED)
    # Under its other name, the registry is another one, so that nothing is mounted.
    client.push_image(image, Reference.parse(f"{upstream}/to:1"))
    assert proxy.injected == {Fault.ANSWER_CORRUPTED: 1}
    assert check_tags(upstream, "to") == [image.digest]


@pytest.mark.parametrize(
    ("fault", "patches"),
    [
        (None, ["0-299999", "300000-599999", "600000-*"]),
        (Fault.BAD_GATEWAY, ["0-299999", "300000-599999", "300000-599999", "600000-*"]),
        # What docker-registry got of a broken request, it neither gives up nor goes on with.
        (Fault.ANSWER_LOST, ["0-299999", "300000-599999", "0-299999", "300000-599999", "600000-*"]),
        (Fault.REQUEST_RESET, ["0-299999", "300000-599999", "0-299999", "300000-599999", "600000-*"]),
    ],
)
def test_chunks(upstream: str, proxy: FaultProxy, fault: Fault | None, patches: list[str]) -> None:
    layer = big_layer(f"chunks {fault}")
    target = Reference.parse(f"{proxy.address}/chunks:1")
    session = RegistrySession(HttpClient(rule=RULE), Nobody(), reporter=SILENT)
    uploader = BlobUploader(session, RULE, habits=lambda: UploadHabits(limit=300_000, chunk=300_000))
    proxy.follow("PATCH", None, fault)
    assert uploader.push(layer, target) == "uploaded"
    assert proxy.injected == ({fault: 1} if fault else {})
    assert proxy.ranges == [each.replace("*", str(layer.size - 1)) for each in patches]
    assert DIRECT.has_blob(replace(layer, origin=Reference.parse(f"{upstream}/chunks:1")))


STREAMED = [
    (fault, place)
    for fault in Fault
    for place in ("GET .*/tags/list", "POST", "PATCH", "PUT")
    if fault not in (*BODY_RECEIVED, *RANGES, Fault.WRONG_DIGEST) and (fault not in BODY_SENT or place == "PATCH")
]


@pytest.mark.parametrize(("fault", "place"), STREAMED, ids=lambda value: getattr(value, "name", value))
def test_streamed_blobs(upstream: str, proxy: FaultProxy, fault: Fault, place: str) -> None:
    """Whatever happens to what is sent before its digest is known, the blob arrives."""
    layer = big_layer(f"stream {fault} {place}")
    repository = f"stream/{place.partition(' ')[0].lower()}/{fault.name.lower()}"
    target = Reference.parse(f"{proxy.address}/{repository}:1")
    uploader = BlobUploader(RegistrySession(HttpClient(rule=RULE), Nobody(), reporter=SILENT), RULE)
    proxy.follow(place, fault)
    location = uploader.stream(layer.open_blob, target)
    try:
        assert uploader.push(layer, target, location=location) == "uploaded"
    except AuthenticationError:
        assert (fault, place) == (Fault.UNAUTHORIZED, "PUT")
        return
    assert proxy.injected == {fault: 1}
    assert DIRECT.has_blob(replace(layer, origin=Reference.parse(f"{upstream}/{repository}:1")))


def image_of(chance: random.Random, base: Image) -> Image:
    """Some new layers, perhaps on a base that is mounted, perhaps with one that others have too."""
    layers = [tiny_layer(f"layer {chance.random()}") for _ in range(chance.randint(1, 2))]
    if chance.random() < 0.5:
        layers.append(tiny_layer(f"shared {chance.randrange(3)}"))
    return make_image(*(base.layers if chance.random() < 0.4 else ()), *layers)


def run_once(proxy: FaultProxy, seed: int) -> str:
    """One push and pull, perhaps two; how it ended."""
    chance = random.Random(seed)
    repository = f"run/{seed}"
    target = Reference.parse(f"{proxy.address}/{repository}:1")
    proxy.change(seed, tuple(Fault), chance.choice((0.01, 0.05, 0.15, 0.4)))
    pushed = None
    try:
        image = image_of(chance, weather_client().image(Reference.parse(f"{proxy.address}/base:1")))
        for _ in range(chance.choice((1, 1, 2))):
            weather_client().push_image(image, target)
            pushed = str(image.digest)
        pulled = weather_client().image(target)
        validate_image(pulled)
        assert pulled.digest == image.digest
        outcome = "right"
    except DockerEnvsError as error:
        text = str(error)
        assert text
        assert "\n" not in text
        outcome = type(error).__name__
    found = check_tags(proxy.upstream, repository)
    assert pushed is None or found == [pushed]
    return outcome


def run_many(upstream: str, seeds: Sequence[int]) -> tuple[Counter[str], Counter[Fault]]:
    outcomes: Counter[str] = Counter()
    injected: Counter[Fault] = Counter()
    with FaultProxy(upstream).running() as proxy:
        for seed in seeds:
            before = time.monotonic()
            try:
                outcomes[run_once(proxy, seed)] += 1
            except BaseException as error:
                error.add_note(f"WEATHER_SEED={seed}")
                raise
            assert time.monotonic() - before < PATIENCE, f"WEATHER_SEED={seed}"
            injected += proxy.injected
    return outcomes, injected


def test_random_weather(upstream: str) -> None:
    if "WEATHER_SEED" in os.environ:
        run_many(upstream, [int(os.environ["WEATHER_SEED"])])
        return
    with ThreadPoolExecutor(THREADS) as threads:
        results = list(
            threads.map(partial(run_many, upstream), [range(first, RUNS, THREADS) for first in range(THREADS)])
        )
    outcomes = sum((each for each, _ in results), Counter[str]())
    injected = sum((each for _, each in results), Counter[Fault]())
    print(f"outcomes: {dict(outcomes)}")
    print(f"faults: { {fault.name: count for fault, count in injected.items()} }")
    assert outcomes.total() == RUNS
    assert outcomes["right"] > RUNS // 2
    assert set(injected) >= set(Fault) - set(RANGES)
