"""The readable middle of an update: record → packages → plan → the layers that differ → image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.activate import PlannedActivation, plan_activation
from docker_envs.builder.base_system import check_library, find_library, required_glibc
from docker_envs.builder.cached_layers import CachedLayers, Makers
from docker_envs.builder.configure import timestamp_text
from docker_envs.builder.layer_store import LayerStore
from docker_envs.builder.layers import LayerMaker
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.builder.recording import check_packages
from docker_envs.builder.request import ActivationMode
from docker_envs.builder.resolve import DOWNLOADS, read_packages
from docker_envs.builder.updating.choose import choose_packages, located_packages
from docker_envs.builder.updating.groups import updated_groups
from docker_envs.builder.updating.place import NewLayers, find_place, replace_layers
from docker_envs.builder.verify import link_options
from docker_envs.environments.conda.linking.bytecode import CompilePolicy
from docker_envs.environments.conda.linking.plan_environment import plan_environment
from docker_envs.errors import FormatError, InvalidInputError, NotFoundError
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.plan import make_plan
from docker_envs.records.choose import choose_found
from docker_envs.records.record import RecordedLayer, RecordedPackage, record_entries
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.builder.cache import CacheDirectory
    from docker_envs.builder.fetching import Archives
    from docker_envs.builder.remote_caches import RemoteCaches
    from docker_envs.builder.updating.choose import Wanted
    from docker_envs.builder.updating.place import Place
    from docker_envs.digest import Digest
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.planner.plan import Plan
    from docker_envs.records.record import Record
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource

_ENTRYPOINT_TITLE = "entrypoint"


@dataclass(frozen=True, slots=True)
class _Side:
    """An environment as it is or will be: its plan, what activates it, and its packages' archives."""

    plan: Plan
    activation: PlannedActivation
    archives: Archives


@dataclass(frozen=True, slots=True)
class Update:
    """What becomes of an image, known before any layer is made.

    Attributes:
        place: The environment in the image.
        before: What is there.
        after: What will be.
        kept: Layers of the image that stay, by their keys.
    """

    place: Place
    before: _Side
    after: _Side
    kept: dict[Digest, Layer]

    @property
    def changes_packages(self) -> bool:
        """Whether there will be other packages."""
        return bool(self.removed or self.added)

    @property
    def removed(self) -> list[RecordedPackage]:
        """Packages that are there and will not be, in this build."""
        return _without(self.place.record.packages, self.packages)

    @property
    def added(self) -> list[RecordedPackage]:
        """Packages that will be there and are not, in this build."""
        return _without(self.packages, self.place.record.packages)

    @property
    def packages(self) -> tuple[RecordedPackage, ...]:
        """All packages that will be there, by name."""
        found = self.after.plan.environment.packages
        names = {package.qualified_name for package in found}
        return tuple(package.recorded(names) for package in sorted(found, key=lambda package: package.name))


def _without(packages: Sequence[RecordedPackage], others: Sequence[RecordedPackage]) -> list[RecordedPackage]:
    known = {(package.name, package.sha256) for package in others}
    return [package for package in packages if (package.name, package.sha256) not in known]


class Updater:
    """Updates images.

    Args:
        wanted: What shall change.
        prefix: Which environment; not needed for an image with one.
        force: Whether a base that the packages cannot run on is taken all the same.
        cache: Where packages, metadata and layers are kept.
        caches: Remote caches that may have metadata and layers.
        open_url: Opens an http(s) URL of a channel.
        reporter: Hears what is done.
    """

    def __init__(
        self,
        wanted: Wanted,
        *,
        prefix: str | None,
        force: bool,
        cache: CacheDirectory,
        caches: RemoteCaches,
        open_url: Callable[[str], ByteSource],
        reporter: Reporter,
    ) -> None:
        self._wanted = wanted
        self._prefix = prefix
        self._force = force
        self._cache = cache
        self._caches = caches
        self._open_url = open_url
        self._reporter = reporter

    def plan(self, image: Image, *, source: str) -> Update:
        """Choose packages, and find out which layers stay.

        Args:
            image: The image; only its record is read.
            source: What people call it.

        Raises:
            DockerEnvsError: As `build` does, and where the image has no record, or not the layers that it names.
        """
        place = find_place(image, choose_found(image, prefix=self._prefix, source=source))
        record = place.record
        if record.digest_format != DIGEST_FORMAT:
            raise InvalidInputError(
                f"its layers have format {record.digest_format}, and this release makes format {DIGEST_FORMAT}",
                hint="build the image anew",
            )
        have = located_packages(record, self._wanted)
        chosen = choose_packages(record, have, self._wanted, repodata=self._cache.repodata, reporter=self._reporter)
        own = [layer.packages for layer in record.layers if layer.packages]
        try:
            before = self._side(place, have, own)
        except NotFoundError as error:
            raise NotFoundError(
                f"a package that the image has cannot be had any more: {error}", hint="build the image anew"
            ) from error
        groups = updated_groups(record, [package.name for package in chosen], other_layers=len(image.layers) - len(own))
        after = self._side(place, chosen, groups)
        self._check(place, before, after)
        layers = [layer for layer, known in zip(place.layers, record.layers, strict=True) if known.packages]
        kept = {planned.key: layer for planned, layer in zip(before.plan.layers, layers, strict=True)}
        return Update(place, before, after, kept)

    def _side(self, place: Place, packages: Sequence[CondaPackage], groups: Sequence[Sequence[str]]) -> _Side:
        record = place.record
        options = link_options(record)
        read, archives = read_packages(
            packages, cache=self._cache, caches=self._caches, open_url=self._open_url, reporter=self._reporter
        )
        conda = plan_environment(read, options)
        plan = make_plan(
            PlannedEnvironment(conda),
            budget=len(groups),
            compression=CompressionSetting.parse(record.settings.compression),
            layers=groups,
        )
        mode = _activation_mode(record)
        env = place.image.config.env
        first = plan_activation(conda, archives, prefix=record.prefix, env=env, mode=mode)
        # Variables that the environment sets are no part of what it is activated in.
        env = {name: value for name, value in env.items() if name == "PATH" or name not in first.activation.variables}
        return _Side(plan, plan_activation(conda, archives, prefix=record.prefix, env=env, mode=mode), archives)

    def _check(self, place: Place, before: _Side, after: _Side) -> None:
        conda = after.plan.environment.conda
        check_packages(conda.packages, prefix=place.record.prefix)
        wanted, known = required_glibc(conda.metadata), required_glibc(before.plan.environment.conda.metadata)
        if wanted is not None and not self._force and (known is None or _version(wanted[0]) > _version(known[0])):
            found = find_library(place.below, wanted, reads_layers=False)
            if found is not None:
                check_library(found, wanted, base="of the image")
        python, was = conda.python, before.plan.environment.conda.python
        files = [layer.title for layer in place.record.layers if not layer.packages]
        if files and python is not None and was is not None and python.site_packages != was.site_packages:
            self._reporter.warning(
                f"{', '.join(f'`{title}`' for title in files)} stay as they are, for Python {was.version}"
            )
        for finding in sorted({*after.plan.environment.findings} - {*before.plan.environment.findings}):
            self._reporter.warning(str(finding))

    def make(self, update: Update, *, local: bool) -> Image:
        """Make the layers that differ, and the image.

        Args:
            update: What becomes of the image.
            local: Whether the bytes of its layers will be needed here.

        Raises:
            DockerEnvsError: As `build` does.
        """
        plan, archives = update.after.plan, update.after.archives
        with ThreadPoolExecutor(cores()) as executor:
            compression = CompressionSetting.parse(update.place.record.settings.compression)
            maker = partial(
                LayerMaker, LayerStore.of(self._cache), archives, compression=compression, reporter=self._reporter
            )
            makers = Makers(maker(executor=executor), maker(executor=None))
            store = LayerStore.of(self._cache, trusted=self._caches.names)
            sources = CachedLayers(store, self._caches, makers, archives, reporter=self._reporter)
            new = [planned for planned in plan.layers if planned.key not in update.kept]
            wanted = [package.sha256 for planned in sources.find(new) for package in planned.packages]
            archives.fetch(wanted, workers=DOWNLOADS)
            made = map_parallel(
                lambda planned, cancelled: sources.layer(planned, cancelled, local=local),
                new,
                workers=cores(),
                cost=lambda planned: planned.size,
            )
            layers = {**update.kept, **{planned.key: layer for planned, layer in zip(new, made, strict=True)}}
            return _assemble(update, [layers[planned.key] for planned in plan.layers], makers.during)


def _assemble(update: Update, layers: list[Layer], maker: LayerMaker) -> Image:
    place, before, after = update.place, update.before, update.after
    others = _others(update, maker)
    titles = [planned.title for planned in after.plan.layers]
    record = _record(update, layers, others)
    top = maker.layer_of_entries(record_entries(record), title="record")
    was, now = before.activation.activation, after.activation.activation
    return replace_layers(
        place,
        NewLayers(
            layers=[*layers, *(layer for _, layer in others), top],
            titles=[*titles, *(title for title, _ in others), "record of the environment"],
            created=_created(update),
            variables={name: value for name, value in now.variables.items() if was.variables.get(name) != value},
            removed=[
                *(name for name in was.variables if name not in now.variables),
                *(name for name in now.removed if name not in was.removed),
            ],
            entrypoint=bool(after.activation.entrypoint),
        ),
    )


def _others(update: Update, maker: LayerMaker) -> list[tuple[str, Layer]]:
    """The layers without packages: as they are, but for the entrypoint if the packages want another one."""
    place, script = update.place, update.after.activation.entrypoint
    pairs = zip(place.record.layers, place.layers, strict=True)
    others = [(known.title, layer) for known, layer in pairs if not known.packages]
    if script == update.before.activation.entrypoint:
        return others
    others = [(title, layer) for title, layer in others if title != _ENTRYPOINT_TITLE]
    if script:
        entries = update.after.activation.entries(place.record.prefix)
        others.append((_ENTRYPOINT_TITLE, maker.layer_of_entries(entries, title=_ENTRYPOINT_TITLE)))
    return others


def _record(update: Update, layers: Sequence[Layer], others: Sequence[tuple[str, Layer]]) -> Record:
    plan, old = update.after.plan, update.place.record
    conda = plan.environment.conda
    compiling = CompilePolicy.ALWAYS if conda.is_compiled else CompilePolicy.NEVER
    of_packages = [
        RecordedLayer(diff_id=str(layer.diff_id), packages=tuple(each.qualified_name for each in planned.packages))
        for planned, layer in zip(plan.layers, layers, strict=True)
    ]
    return msgspec.structs.replace(
        old,
        packages=update.packages,
        layers=(*of_packages, *(RecordedLayer(diff_id=str(layer.diff_id), title=title) for title, layer in others)),
        settings=msgspec.structs.replace(old.settings, compile=compiling.value),
        requires={"glibc": wanted[0]} if (wanted := required_glibc(conda.metadata)) else {},
    )


def _created(update: Update) -> str:
    """When the newest package was built, unless another time was declared."""
    before, after = (timestamp_text(side.plan.environment.timestamp) for side in (update.before, update.after))
    declared = str(update.place.image.config.document.get("created") or before)
    return after if declared == before else declared


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _activation_mode(record: Record) -> ActivationMode:
    try:
        return ActivationMode(record.settings.activation)
    except ValueError as error:
        raise FormatError(
            f"record of `{record.prefix}`", f"unknown `activation` {record.settings.activation!r}"
        ) from error
