"""The same image built again and again while its files change."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.builder.application.layer import owners_of
from docker_envs.builder.application.sources import look_at
from docker_envs.builder.build import delivery_of, make_image
from docker_envs.builder.caches.cache import open_cache
from docker_envs.builder.packages.pythons import has_projects
from docker_envs.builder.prepare import Prepared, prepare
from docker_envs.images.container import ContainerSettings
from docker_envs.oci.image import NamedImage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.builder.application.contents import FilesLayer
    from docker_envs.builder.application.sources import Look
    from docker_envs.builder.deliver import Delivery
    from docker_envs.builder.files_layers import FilesMade
    from docker_envs.builder.request import BuildRequest
    from docker_envs.oci.image import Image
    from docker_envs.report import Reporter


@dataclass(frozen=True, slots=True)
class _Kept:
    """What one build leaves to the next.

    Attributes:
        request: What was built.
        delivery: Its way to the destinations.
        prepared: Base, packages and plan.
        image: What came of it.
        files: Its layers of files.
        looks: What the files of each declared layer looked like before they were read.
    """

    request: BuildRequest
    delivery: Delivery
    prepared: Prepared
    image: Image
    files: tuple[FilesMade, ...]
    looks: tuple[Look, ...]


class RepeatedBuild:
    """Builds and delivers an image, each time with what has not changed since the time before.

    Base and packages are those of the first build for as long as nothing but files and container settings changes in
    what is asked for; then nothing is read, solved or asked for on the network again.

    Args:
        reporter: Hears what is done.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._kept: _Kept | None = None

    def build(self, request: BuildRequest) -> Image:
        """Build the image, and deliver it unless it is the one of the time before.

        Args:
            request: What is wanted, for one platform.

        Raises:
            DockerEnvsError: As `docker_envs.builder.build.build` does; the next build then keeps nothing.
        """
        kept, self._kept = self._kept, None
        if kept is not None and _lasting(kept.request) != _lasting(request):
            kept = None
        with open_cache(request.cache, read_only=request.cache_read_only, reporter=self._reporter) as cache:
            if kept is None:
                delivery = delivery_of(request, self._reporter)
                delivery.check()
                prepared = prepare(request, cache, delivery, self._reporter)
            else:
                delivery, prepared = kept.delivery, kept.prepared
            wanted = (*prepared.projects, *request.files)
            looks = tuple(look_at(layer) for layer in wanted)
            files = () if kept is None else _unchanged(kept, wanted, looks)
            made = make_image(request, prepared, cache, delivery, self._reporter, kept=files)
            if kept is None or made.image.digest != kept.image.digest:
                delivery.deliver(NamedImage(made.image, request.destinations.names))
        self._kept = _Kept(request, delivery, prepared, made.image, made.files, looks)
        return made.image


def _lasting(request: BuildRequest) -> tuple[BuildRequest, int, frozenset[str], bool]:
    """What decides about base, packages and plan: how many layers there are, who owns files, whether one is a project.

    Which files there are does not.
    """
    others = replace(request, files=(), container=ContainerSettings())
    return others, len(request.files), frozenset(owners_of(request.files)), has_projects(request)


def _unchanged(kept: _Kept, layers: Sequence[FilesLayer], looks: Sequence[Look]) -> tuple[FilesMade, ...]:
    """The lowest layers that would be the same; directories of one may decide about those above."""
    others = len(kept.files) - len(layers)
    for count, (wanted, before, now) in enumerate(zip(layers, kept.looks, looks, strict=True), others):
        if kept.files[count].declared != wanted or before != now:
            return kept.files[:count]
    return kept.files
