"""The readable middle of an update: record → packages → plan → the layers that differ → image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.base_system import check_library, find_library, required_glibc
from docker_envs.builder.cached_layers import CachedLayers, Makers
from docker_envs.builder.layer_store import LayerStore
from docker_envs.builder.layers import LayerMaker
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.builder.recorded_plan import link_options
from docker_envs.builder.recording import check_packages
from docker_envs.builder.resolve import DOWNLOADS, read_packages
from docker_envs.builder.updating.assemble import assemble
from docker_envs.builder.updating.choose import choose_packages, located_packages
from docker_envs.builder.updating.groups import updated_groups
from docker_envs.builder.updating.place import find_place
from docker_envs.builder.updating.planned import Side, Update, plan_update
from docker_envs.environments.conda.linking.plan_environment import plan_environment
from docker_envs.errors import InvalidInputError, NotFoundError
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.plan import make_plan
from docker_envs.records.choose import choose_found
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.builder.cache import CacheDirectory
    from docker_envs.builder.remote_caches import RemoteCaches
    from docker_envs.builder.updating.choose import Wanted
    from docker_envs.environments.conda.package import CondaPackage
    from docker_envs.oci.image import Image
    from docker_envs.records.record import Record
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource


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
            before = self._side(record, have, own)
        except NotFoundError as error:
            raise NotFoundError(
                f"a package that the image has cannot be had any more: {error}", hint="build the image anew"
            ) from error
        groups = updated_groups(record, [package.name for package in chosen], other_layers=len(image.layers) - len(own))
        update = plan_update(place, before, self._side(record, chosen, groups))
        self._check(update)
        return update

    def _side(self, record: Record, packages: Sequence[CondaPackage], groups: Sequence[Sequence[str]]) -> Side:
        read, archives = read_packages(
            packages, cache=self._cache, caches=self._caches, open_url=self._open_url, reporter=self._reporter
        )
        conda = plan_environment(read, link_options(record))
        plan = make_plan(
            PlannedEnvironment(conda),
            budget=len(groups),
            compression=CompressionSetting.parse(record.settings.compression),
            layers=groups,
        )
        return Side(plan, archives)

    def _check(self, update: Update) -> None:
        place, conda = update.place, update.after.plan.environment.conda
        before = update.before.plan.environment.conda
        check_packages(conda.packages, prefix=place.record.prefix)
        wanted, known = required_glibc(conda.metadata), required_glibc(before.metadata)
        if wanted is not None and not self._force and (known is None or _version(wanted[0]) > _version(known[0])):
            found = find_library(place.below, wanted, reads_layers=False)
            if found is not None:
                check_library(found, wanted, base="of the image")
        files = [f"`{layer.title}`" for layer in place.record.layers if not layer.packages]
        old, new = before.python, conda.python
        if files and old is not None and new is not None and old.site_packages != new.site_packages:
            self._reporter.warning(f"{', '.join(files)}: as before, for Python {old.version}")
        for finding in sorted({*conda.findings} - {*before.findings}):
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
        compression = CompressionSetting.parse(update.place.record.settings.compression)
        store = LayerStore.of(self._cache)
        maker = partial(LayerMaker, store, archives, compression=compression, reporter=self._reporter)
        with ThreadPoolExecutor(cores()) as executor:
            makers = Makers(maker(executor=executor), maker(executor=None))
            store = LayerStore.of(self._cache, trusted=self._caches.names)
            sources = CachedLayers(store, self._caches, makers, archives, reporter=self._reporter)
            missing = sources.find(update.new_layers)
            archives.fetch([package.sha256 for planned in missing for package in planned.packages], workers=DOWNLOADS)
            made = map_parallel(
                lambda planned, cancelled: (planned.key, sources.layer(planned, cancelled, local=local)),
                update.new_layers,
                workers=cores(),
                cost=lambda planned: planned.size,
            )
            layers = {**update.kept, **dict(made)}
            for finding in sorted({each for planned in update.new_layers for each in sources.findings(planned)}):
                self._reporter.warning(str(finding))
            return assemble(update, [layers[planned.key] for planned in plan.layers], makers.during)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
