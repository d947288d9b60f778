"""The readable middle: declaration → lock → plan → layers → image → destinations."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from docker_envs.builder.activate import ENTRYPOINT, PlannedActivation
from docker_envs.builder.alarms import is_alarming, true_findings, with_remedy
from docker_envs.builder.application.layer import Application
from docker_envs.builder.caches.cache import CacheDirectory, open_cache
from docker_envs.builder.caches.cached_layers import CachedLayers, Makers
from docker_envs.builder.caches.layer_store import LayerStore
from docker_envs.builder.caches.verify_cached import choose_sample, verify_cached
from docker_envs.builder.configure import add_layers, annotate, configure, timestamp_text
from docker_envs.builder.deliver import Delivery
from docker_envs.builder.files_layers import FilesMade, make_files_layers
from docker_envs.builder.layers import LayerMaker
from docker_envs.builder.packages.resolve import DOWNLOADS
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.builder.prepare import Prepared, has_record, home_of, prepare
from docker_envs.builder.recording import SYSTEM_TITLE, VENV_TITLE, record_build
from docker_envs.images.transports import Transports
from docker_envs.oci.edit import append_layer
from docker_envs.oci.image import Image, NamedImage
from docker_envs.records.record import record_entries, record_label
from docker_envs.report import SILENT, Reporter

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.findings import Finding
    from docker_envs.oci.layer import Layer
    from docker_envs.planner.plan import Plan, PlannedLayer

P = ParamSpec("P")
T = TypeVar("T")

#: Layers that are uploaded at once.
_UPLOADS = 4
#: A layer is uploaded while it is made if its packages have so many bytes, and so large a share of all. With many
#: layers, those that are ready are uploaded meanwhile anyway.
_STREAMED, _STREAMED_SHARE = 4 << 20, 1 / 4


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build made for one platform.

    Attributes:
        image: The image.
        plan: What it was made from.
        seconds: How long it took.
        activation: How the environment is activated.
        findings: What is worth knowing about the packages.
    """

    image: Image
    plan: Plan
    seconds: float
    activation: PlannedActivation
    findings: tuple[Finding, ...] = ()
    base_layers: int = 0

    @property
    def own_layers(self) -> tuple[Layer, ...]:
        """The layers on top of the base's: those of the plan first."""
        return self.image.layers[self.base_layers :]


@dataclass(frozen=True, slots=True)
class PlatformsResult:
    """What a build made for one or several platforms.

    Attributes:
        named: The images with their names.
        results: One per platform.
        seconds: How long it took.
    """

    named: NamedImage
    results: tuple[BuildResult, ...]
    seconds: float


def build(request: BuildRequest, *, reporter: Reporter = SILENT) -> BuildResult:
    """Build one image and bring it to its destinations.

    Raises:
        InvalidInputError: The request makes no sense.
        SolveError: No set of packages fits.
        FormatError: A package or the base breaks its specification.
        VerificationError: Something received is not what was promised.
        TransportError: Something cannot be read or written.
        BuildError: A package cannot be linked into a layer, or not run on the base.
    """
    return build_platforms([request], reporter=reporter).results[0]


def build_platforms(requests: Sequence[BuildRequest], *, reporter: Reporter = SILENT) -> PlatformsResult:
    """Build an image for each platform, and bring them, as an index if there are several, to their destinations.

    Args:
        requests: One per platform; the destinations are those of the first.
        reporter: Hears what is done.

    Raises:
        DockerEnvsError: As `build` does.
    """
    start = time.monotonic()
    first = requests[0]
    delivery = delivery_of(first, reporter)
    delivery.check()
    with open_cache(first.cache, read_only=first.cache_read_only, reporter=reporter) as cache:
        named, results = _build_all(requests, cache, delivery, reporter)
        delivery.deliver(named)
        delivery.attach(named)
        delivery.caches.finish()
    return PlatformsResult(named, results, time.monotonic() - start)


def delivery_of(request: BuildRequest, reporter: Reporter) -> Delivery:
    """What brings an image to the destinations of a request."""
    transports = Transports(request.connection, reporter=reporter)
    return Delivery(request.destinations, transports, access=request.access, caches=request.caches)


def _build_all(
    requests: Sequence[BuildRequest], cache: CacheDirectory, delivery: Delivery, reporter: Reporter
) -> tuple[NamedImage, tuple[BuildResult, ...]]:
    # What cannot be built for one platform is known before anything is made or sent for another.
    prepared = [_timed(prepare, request, cache, delivery, reporter) for request in requests]
    results = []
    for request, (each, before) in zip(requests, prepared, strict=True):
        made, seconds = _timed(make_image, request, each, cache, delivery, reporter)
        base_layers = len(each.base.layers)
        results.append(
            BuildResult(made.image, each.plan, before + seconds, each.activation, made.findings, base_layers)
        )
    image, *variants = (result.image for result in results)
    return NamedImage(image, requests[0].destinations.names, tuple(variants)), tuple(results)


def _timed(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    start = time.monotonic()
    return work(*args, **kwargs), time.monotonic() - start


def plan_only(request: BuildRequest, *, reporter: Reporter = SILENT) -> Prepared:
    """Everything up to the plan: base, lock and packages are read, nothing is made or sent.

    Raises:
        DockerEnvsError: As `build` does.
    """
    delivery = delivery_of(request, reporter)
    with open_cache(request.cache, read_only=request.cache_read_only, reporter=reporter) as cache:
        return prepare(request, cache, delivery, reporter)


@dataclass(frozen=True, slots=True)
class Made:
    """An image that is not delivered yet.

    Attributes:
        image: The image.
        findings: What is worth knowing about the packages.
        files: Its layers of files.
    """

    image: Image
    findings: tuple[Finding, ...] = ()
    files: tuple[FilesMade, ...] = ()


def make_image(
    request: BuildRequest,
    prepared: Prepared,
    cache: CacheDirectory,
    delivery: Delivery,
    reporter: Reporter,
    *,
    kept: Sequence[FilesMade] = (),
) -> Made:
    """From the plan to the image; packages are fetched and layers made as far as they are not there.

    Args:
        request: What was prepared.
        prepared: What is known about it.
        cache: Where layers are kept.
        delivery: Gets layers while others are made.
        reporter: Hears what is done.
        kept: Layers of files that need not be made again, see `make_files_layers`.

    Raises:
        DockerEnvsError: As `build` does.
    """
    files_wanted = (*prepared.projects, *request.files)
    if not request.declares_packages and not files_wanted and not prepared.accounts.entries:
        return Made(configure(prepared.base, request.container, env={}))
    with ThreadPoolExecutor(cores()) as executor:
        maker = partial(
            LayerMaker,
            LayerStore.of(cache),
            prepared.archives,
            compression=request.compression,
            reporter=reporter,
        )
        makers = Makers(maker(executor=executor), maker(executor=None))
        # What is wrong with them is known before packages are fetched.
        files = make_files_layers(
            _application(request, prepared), files_wanted, makers.during, recorded=has_record(request), kept=kept
        )
        store = LayerStore.of(cache, trusted=delivery.caches.names)
        sources = CachedLayers(store, delivery.caches, makers, prepared.archives, reporter=reporter)
        missing = sources.find(prepared.plan.layers)
        sample = choose_sample(sources.all_from_caches(prepared.plan.layers), request.caches.verify)
        wanted = [package.sha256 for planned in (*missing, *sample) for package in planned.packages]
        prepared.archives.fetch(wanted, workers=DOWNLOADS)
        verify_cached(sources, sample)
        # When nothing has to be made, the target may have it all, which one request at the end finds out.
        uploads = _UPLOADS if missing and (request.destinations.push or delivery.caches.are_written) else 0
        layers = _make_layers(prepared.plan, sources, delivery, uploads=uploads)
        found = [each for planned in prepared.plan.layers for each in sources.findings(planned)]
        findings = true_findings(prepared.plan.environment, found)
        image = _assemble(request, prepared, layers, files, makers.during)
    for finding in findings:
        if is_alarming(finding, prepared.plan.environment):
            reporter.warning(with_remedy(finding))
    return Made(image, tuple(findings), files)


def _make_layers(plan: Plan, sources: CachedLayers, delivery: Delivery, *, uploads: int) -> list[Layer]:
    streamed = max(_STREAMED, _STREAMED_SHARE * sum(planned.size for planned in plan.layers))

    def make(planned: PlannedLayer, cancelled: threading.Event) -> Layer:
        with delivery.stream(cancelled) as stream:
            tee = stream.tee if uploads and planned.size >= streamed else None
            layer = sources.layer(planned, cancelled, local=delivery.has_files, tee=tee)
            if uploads:
                delivery.begin(layer, cancelled, stream.location())
        if delivery.caches.are_written:
            keep = delivery.caches.keep if uploads else delivery.caches.postpone
            keep(planned, sources.known(planned, layer), cancelled)
        return layer

    # Uploads and downloads wait for the network, so they get threads of their own.
    waiting = _UPLOADS * (1 + delivery.caches.are_written)
    return map_parallel(make, plan.layers, workers=cores() + waiting, cost=lambda planned: planned.size)


def _application(request: BuildRequest, prepared: Prepared) -> Application:
    return Application(
        prefix=prepared.prefix,
        platform=request.platform,
        python=prepared.python,
        accounts=prepared.accounts,
        epoch=request.epoch,
        has_base=request.base is not None or bool(prepared.plan.environment.debian.packages),
    )


def _assemble(
    request: BuildRequest,
    prepared: Prepared,
    layers: list[Layer],
    files: Sequence[FilesMade],
    maker: LayerMaker,
) -> Image:
    activation = prepared.activation
    created = timestamp_text(prepared.plan.environment.timestamp if request.epoch is None else request.epoch)
    image = add_layers(prepared.base, prepared.plan, layers, created=created)
    prefix, place = prepared.prefix, prepared.place
    others = [(each.title, each.layer) for each in files]
    own = []
    if system := prepared.plan.environment.debian.entries:
        own.append((SYSTEM_TITLE, maker.layer_of_entries(system, title=SYSTEM_TITLE)))
    if place is not None and place.environment is not None:
        own.append((VENV_TITLE, maker.layer_of_entries(place.environment.entries(), title=VENV_TITLE)))
    others = [*own, *others]
    entries = activation.entries(prefix)
    if entries:
        others.append(("entrypoint", maker.layer_of_entries(entries, title="entrypoint")))
    for title, layer in others:
        image = _append(image, layer, created, title)
    labels: dict[str, str] = {}
    if has_record(request):
        titles = [title for title, _ in others]
        made = [*layers, *(layer for _, layer in others)]
        record = record_build(request, prepared.plan, activation.activation, made, titles, prefix=prefix, place=place)
        layer = maker.layer_of_entries(record_entries(record), title="record")
        labels = record_label(image, layer)
        image = _append(image, layer, created, "record of the environment")
    image = configure(
        image,
        request.container,
        env={**prepared.env, **activation.activation.variables},
        removed=activation.activation.removed,
        wrapper=f"{prefix}/{ENTRYPOINT}" if entries else None,
    )
    return annotate(image, labels, base=home_of(request), base_image=prepared.base, created=created)


def _append(image: Image, layer: Layer, created: str, what: str) -> Image:
    return append_layer(image, layer, history={"created": created, "created_by": f"docker-envs build: {what}"})
