"""The readable middle: declaration → lock → plan → layers → image → destinations."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.builder.configure import add_layers, annotate, configure, environment_variables, timestamp_text
from docker_envs.builder.deliver import Delivery
from docker_envs.builder.fetching import PackageFetcher
from docker_envs.builder.layer_store import LayerStore
from docker_envs.builder.layers import LayerMaker
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.environments.base import Target
from docker_envs.environments.conda.link_plan import LinkOptions
from docker_envs.environments.conda.metadata import read_metadata
from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.environments.conda.solve import solve, topological_order
from docker_envs.environments.conda.virtual_packages import virtual_packages
from docker_envs.errors import BuildError, InvalidInputError
from docker_envs.oci.image import Image, scratch
from docker_envs.planner.plan import Plan, PlannedPackage, make_plan
from docker_envs.report import SILENT, Reporter, counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.builder.request import BuildRequest
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.oci.layer import Layer
    from docker_envs.planner.plan import PlannedLayer

#: Packages that are downloaded, and layers that are uploaded, at once.
_DOWNLOADS = 8
_UPLOADS = 4


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before a layer is made.

    Attributes:
        base: The base image, of which only manifest and config were read.
        plan: What will be made.
        archives: Host path of each package's archive, by its sha256.
    """

    base: Image
    plan: Plan
    archives: dict[str, Path]


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What a build made.

    Attributes:
        image: The image.
        plan: What it was made from.
        seconds: How long it took.
    """

    image: Image
    plan: Plan
    seconds: float

    @property
    def own_layers(self) -> tuple[Layer, ...]:
        """The layers on top of the base's."""
        return self.image.layers[len(self.image.layers) - len(self.plan.layers) :]


def build(request: BuildRequest, *, reporter: Reporter = SILENT) -> BuildResult:
    """Build one image and bring it to its destinations.

    Raises:
        InvalidInputError: The request makes no sense.
        SolveError: No set of packages fits.
        FormatError: A package or the base breaks its specification.
        VerificationError: Something received is not what was promised.
        TransportError: Something cannot be read or written.
        BuildError: A package cannot be linked into a layer.
    """
    start = time.monotonic()
    delivery = Delivery(request.destinations, plain_http=request.plain_http, reporter=reporter)
    delivery.check()
    prepared = _prepare(request, delivery, reporter)
    layers = _make_layers(request, prepared, delivery, reporter)
    image = _assemble(request, prepared, layers)
    delivery.deliver(image)
    return BuildResult(image, prepared.plan, time.monotonic() - start)


def plan_only(request: BuildRequest, *, reporter: Reporter = SILENT) -> Prepared:
    """Everything up to the plan: base, lock and packages are read, nothing is made or sent.

    Raises:
        DockerEnvsError: As `build` does.
    """
    return _prepare(request, Delivery(request.destinations, plain_http=request.plain_http, reporter=reporter), reporter)


def _prepare(request: BuildRequest, delivery: Delivery, reporter: Reporter) -> Prepared:
    target = Target(request.platform, request.prefix)
    base = (
        scratch(request.platform) if request.base is None else delivery.registry.image(request.base, request.platform)
    )
    if not request.platform.accepts(base.platform):
        raise BuildError(f"base image `{request.base}` is for `{base.platform}`, not for `{request.platform}`")
    found = _read_packages(_lock(request, reporter), request, delivery, reporter)
    plan = make_plan(
        _in_order([planned for planned, _ in found]),
        options=LinkOptions(prefix=target.prefix),
        budget=request.max_layers - len(base.layers),
        compression=request.compression,
    )
    _report(plan, reporter)
    return Prepared(base, plan, {planned.sha256: path for planned, path in found})


def _read_packages(
    lock: Sequence[CondaPackage], request: BuildRequest, delivery: Delivery, reporter: Reporter
) -> list[tuple[PlannedPackage, Path]]:
    fetcher = PackageFetcher(request.cache / "packages", open_url=delivery.open_url, reporter=reporter)
    task = reporter.start("read", counted(len(lock), "package"), sum(package.size or 0 for package in lock) or None)

    def read(package: CondaPackage, cancelled: threading.Event) -> tuple[PlannedPackage, Path]:
        fetched = fetcher.fetch(package, cancelled)
        metadata = read_metadata(PackageArchive(fetched.host_path))
        _check_identity(package, metadata.name, fetched.host_path)
        task.advance(fetched.size)
        return PlannedPackage(package, metadata, fetched.sha256, fetched.size), fetched.host_path

    found = map_parallel(read, lock, workers=_DOWNLOADS, cost=lambda package: package.size or 0)
    task.finish()
    return found


def _in_order(packages: Sequence[PlannedPackage]) -> list[PlannedPackage]:
    by_name = {planned.metadata.name: planned for planned in packages}
    if len(by_name) != len(packages):
        names = [planned.metadata.name for planned in packages]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(f"the lock names the package `{twice}` twice")
    return [by_name[name] for name in topological_order([planned.metadata for planned in packages])] if packages else []


def _lock(request: BuildRequest, reporter: Reporter) -> tuple[CondaPackage, ...]:
    declaration = request.declaration
    if declaration is None:
        return ()
    if declaration.packages is not None:
        return declaration.packages
    task = reporter.start("solve", counted(len(declaration.specs), "spec"))
    lock = solve(
        declaration.channels,
        declaration.specs,
        platform=request.platform,
        virtual_packages=virtual_packages(request.platform, request.virtual_packages),
        cache=request.cache / "repodata",
    )
    task.finish(counted(len(lock), "package"))
    return lock


def _check_identity(package: CondaPackage, name: str, path: Path) -> None:
    if package.name.lower() != name.lower():
        raise BuildError(f"`{path.name}` holds the package `{name}` instead of `{package.name}`")


def _report(plan: Plan, reporter: Reporter) -> None:
    for name, scripts in plan.link_scripts.items():
        reporter.warning(f"package `{name}` has scripts that are not run: {', '.join(scripts)}")
    for clobber in plan.clobbers:
        losers = ", ".join(f"`{name}`" for name in clobber.losers)
        reporter.warning(f"`{clobber.path}` comes from `{clobber.winner}`, and is left out of {losers}")


def _make_layers(request: BuildRequest, prepared: Prepared, delivery: Delivery, reporter: Reporter) -> list[Layer]:
    # Uploads wait for the network, so they get threads of their own while no more layers are made at once than there
    # are cores.
    making = threading.Semaphore(cores())
    uploads = _UPLOADS if request.destinations.push else 0
    with ThreadPoolExecutor(cores()) as executor:
        maker = LayerMaker(
            LayerStore(request.cache / "layers"),
            prepared.archives,
            compression=request.compression,
            executor=executor,
            reporter=reporter,
        )

        def make(planned: PlannedLayer, cancelled: threading.Event) -> Layer:
            with making:
                layer = maker.layer(planned, cancelled)
            delivery.begin(layer, cancelled)
            return layer

        return map_parallel(make, prepared.plan.layers, workers=cores() + uploads, cost=lambda planned: planned.size)


def _assemble(request: BuildRequest, prepared: Prepared, layers: list[Layer]) -> Image:
    if request.declaration is None:
        return configure(prepared.base, request.container, env={})
    created = timestamp_text(prepared.plan.timestamp if request.epoch is None else request.epoch)
    image = add_layers(prepared.base, prepared.plan, layers, created=created)
    env = environment_variables(
        prepared.base.config.env, prefix=request.prefix, variables=request.declaration.variables
    )
    image = configure(image, request.container, env=env)
    return annotate(image, base=request.base, base_image=prepared.base, created=created)
