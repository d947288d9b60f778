"""The readable middle of an update: record → packages → plan → the layers that differ → image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.caches.cached_layers import CachedLayers, Makers
from docker_envs.builder.caches.layer_store import LayerStore
from docker_envs.builder.layers import LayerMaker
from docker_envs.builder.packages.base_system import CLibrary, check_library, find_library, required_glibc
from docker_envs.builder.packages.resolve import DOWNLOADS
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.builder.recorded import recorded_packages
from docker_envs.builder.recorded_plan import plan_recorded
from docker_envs.builder.recording import check_packages
from docker_envs.builder.updating.assemble import assemble
from docker_envs.builder.updating.choose import choose_packages
from docker_envs.builder.updating.groups import updated_groups
from docker_envs.builder.updating.place import find_place
from docker_envs.builder.updating.planned import Side, Update, plan_update
from docker_envs.errors import BuildError, InvalidInputError, NotFoundError
from docker_envs.records.choose import choose_found
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docker_envs.builder.caches.cache import CacheDirectory
    from docker_envs.builder.caches.remote_caches import RemoteCaches
    from docker_envs.builder.recorded import AnyPackage
    from docker_envs.builder.updating.choose import Wanted
    from docker_envs.builder.updating.place import Place
    from docker_envs.oci.image import Image
    from docker_envs.records.record import FoundRecord
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
        found = choose_found(image, prefix=self._prefix, source=source)
        place, record = find_place(image, found), found.record
        if record.digest_format != DIGEST_FORMAT:
            raise InvalidInputError(
                f"its layers have format {record.digest_format}, and this release makes format {DIGEST_FORMAT}",
                hint="build the image anew",
            )
        have = recorded_packages(record, self._wanted.channels)
        chosen = choose_packages(record, have, self._wanted, repodata=self._cache.repodata, reporter=self._reporter)
        own = [layer.packages for layer in record.layers if layer.packages]
        try:
            before = self._side(place, found, have, own)
        except NotFoundError as error:
            raise NotFoundError(
                f"a package that the image has cannot be had any more: {error}", hint="build the image anew"
            ) from error
        groups = updated_groups(record, chosen, other_layers=len(image.layers) - len(own))
        update = plan_update(place, before, self._side(place, found, list(chosen.values()), groups))
        self._check(update)
        return update

    def _side(
        self, place: Place, found: FoundRecord, packages: Sequence[AnyPackage], groups: Sequence[Sequence[str]]
    ) -> Side:
        planned = plan_recorded(
            place.image,
            found,
            packages,
            cache=self._cache,
            known=self._cache,
            open_url=self._open_url,
            reporter=self._reporter,
            caches=self._caches,
            layers=groups,
        )
        return Side(planned.plan, planned.archives, planned.place)

    def _check(self, update: Update) -> None:
        place, conda = update.place, update.after.plan.environment.conda
        before = update.before.plan.environment.conda
        check_packages(update.after.plan.environment.packages, prefix=place.record.prefix)
        _check_wheels(update)
        wanted, known = required_glibc(conda.metadata), required_glibc(before.metadata)
        if wanted is not None and not self._force and (known is None or _version(wanted[0]) > _version(known[0])):
            library = self._library(update, wanted)
            if library is not None:
                check_library(library, wanted, base="of the image")
        files = [f"`{layer.title}`" for layer in place.record.layers if not layer.packages]
        old, new = before.python, conda.python
        if files and old is not None and new is not None and old.site_packages != new.site_packages:
            self._reporter.warning(f"{', '.join(files)}: as before, for Python {old.version}")
        for finding in sorted({*conda.findings} - {*before.findings}):
            self._reporter.warning(str(finding))

    def _library(self, update: Update, wanted: tuple[str, str]) -> CLibrary | None:
        version = update.after.plan.environment.debian.glibc
        if version is not None:
            return CLibrary("glibc", version, "by the package `libc6`")
        return find_library(update.place.below, wanted, reads_layers=False)

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


def _check_wheels(update: Update) -> None:
    """Check that wheels still fit.

    Raises:
        BuildError: They are for another Python, or miss what they require and had.
    """
    wheels = update.after.plan.environment.pypi.packages
    before, after = update.before.place, update.after.place
    if not wheels or before is None or after is None:
        return
    free_threaded = before.target.free_threaded, after.target.free_threaded
    if before.installation != after.installation or len(set(free_threaded)) > 1:
        raise BuildError(
            f"the wheels in the image are for Python {before.target.python}, not {after.target.python}",
            hint="build the image anew, with wheels for its new Python",
        )
    if new := sorted({*update.after.unmet} - {*update.before.unmet}):
        problems = ", ".join(f"`{name}` needs `{requirement}`" for name, requirement in new)
        raise BuildError(
            f"wheels in the image would lack what they need: {problems}",
            hint="build the image anew, so that wheels are chosen as well",
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
