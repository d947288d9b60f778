"""One image or many onto a new base, wherever they are; within a registry, no layer moves."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.builder.configure import BASE_DIGEST, BASE_NAME
from docker_envs.builder.rebasing.debian import check_debian_packages
from docker_envs.builder.rebasing.image import Base, check_base, rebase_image
from docker_envs.builder.rebasing.library import LibraryCheck
from docker_envs.builder.rebasing.once import Once
from docker_envs.builder.rebasing.python import check_python
from docker_envs.digest import Digest
from docker_envs.errors import DockerEnvsError, InvalidInputError, NotFoundError
from docker_envs.images.destination import check_destination, write_artifact
from docker_envs.images.location import Location, Transport
from docker_envs.images.rewrite import edit_artifact
from docker_envs.images.source import open_artifact, open_image
from docker_envs.images.transports import Transports
from docker_envs.oci import media_types
from docker_envs.oci.edit import to_oci
from docker_envs.oci.reference import Reference
from docker_envs.report import SilentReporter
from docker_envs.transports.parallel import run_parallel
from docker_envs.transports.registry.client import PUSH_WORKERS
from docker_envs.transports.registry.uploads import UPLOADED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.report import Reporter

_OLD_BASE_HINT = "name the base that the image was made on with `--old-base`"


class Status(StrEnum):
    """What became of an image."""

    REBASED = "rebased"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Move:
    """An image, and where the rebased one goes."""

    source: Location
    target: Location


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one image.

    Attributes:
        move: Which.
        status: What.
        digest: At the target now; of a dry run, what would be there.
        previous: Of the source.
        error: Why it failed.
    """

    move: Move
    status: Status
    digest: Digest | None = None
    previous: Digest | None = None
    error: DockerEnvsError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RebaseSettings:
    """What all images of one call have in common.

    Attributes:
        onto: The new base.
        old_base: The base that they are on; by default each says it itself.
        force: Whether C libraries are not compared.
        dry_run: Whether nothing is written.
        jobs: Images at once.
    """

    onto: Location
    old_base: Location | None = None
    force: bool = False
    dry_run: bool = False
    jobs: int = 8


class Rebaser:
    """Rebases images onto one base, of which each part is fetched once; safe for many threads.

    Attributes:
        bytes_sent: Bytes of the new base's layers that went into registries which did not have them; of a dry run,
            those that would at most.

    Args:
        settings: For all images.
        transports: How to get there.
        reporter: Hears of each image, and of the base's layers when they must be copied.

    Raises:
        NotFoundError: There is no such base.
        TransportError: It cannot be reached.
    """

    def __init__(self, settings: RebaseSettings, transports: Transports, *, reporter: Reporter) -> None:
        self._settings = settings
        self._transports = transports
        self._reporter = reporter
        self._bases: Once[tuple[str, str], Base] = Once()
        self._homes: Once[tuple[str, Digest], Reference] = Once()
        self._placed: Once[tuple[str, Digest], None] = Once()
        self._library = LibraryCheck()
        self._lock = threading.Lock()
        self.bytes_sent = 0
        # A tag that moves meanwhile is still one base for all images and platforms.
        self._onto = _pinned(settings.onto, transports)

    def rebase(self, move: Move) -> Outcome:
        """Rebase one image, or an index's images of all platforms.

        Raises:
            InvalidInputError: It is no container image, or does not say what its base is.
            NotFoundError: The image, its base, or the new base for its platform is not there.
            BuildError: It is not on its base, or cannot be on the new one, as with Debian packages.
            DockerEnvsError: See `open_artifact` and `write_artifact`.
        """
        check_destination(move.target)
        named = open_artifact(move.source, self._transports)
        target = move.target.reference if move.target.transport is Transport.REGISTRY else None
        changed = edit_artifact(
            named, lambda image: self._rebased(image, target), source=move.source, reporter=self._transports.reporter
        )
        before, after = named.artifact.digest, changed.artifact.digest
        status = Status.UNCHANGED if before == after else Status.REBASED
        if not self._settings.dry_run and (status is Status.REBASED or move.target != move.source):
            after = write_artifact(changed, move.target, self._transports)
        return Outcome(move, status, after, before)

    def _rebased(self, image: Image, target: Reference | None) -> Image:
        new = self._base(self._onto, image.platform)
        if self._is_on(image, new):
            return image
        old = self._old_base(image)
        if old.image.digest == new.image.digest:
            check_base(image, old)
            return image
        made = rebase_image(image, old, new)
        check_debian_packages(image, old, new)
        if not self._settings.force:
            self._library.check(image, old, new)
            check_python(image, old, new)
        if target is None:
            return made
        return replace(made, layers=(*self._bring(new, target), *made.layers[len(new.image.layers) :]))

    def _is_on(self, image: Image, new: Base) -> bool:
        """Whether an image says itself that it is on the new base."""
        _, digest = _named_base(image)
        onto = self._onto.reference.digest if self._onto.reference is not None else None
        own = image.config.diff_ids[: len(new.image.layers)]
        return digest in (new.image.digest, onto) and digest is not None and own == new.image.config.diff_ids

    def _base(self, location: Location, platform: Platform) -> Base:
        def fetch() -> Base:
            image = open_image(location, self._transports, platform=platform)
            reference = location.reference if location.transport is Transport.REGISTRY else None
            return Base(image, str(location), reference)

        return self._bases.get((str(location), str(platform)), fetch)

    def _old_base(self, image: Image) -> Base:
        if self._settings.old_base is not None:
            return self._base(self._settings.old_base, image.platform)
        name, digest = _named_base(image)
        if name is None:
            raise InvalidInputError("the image does not say what its base is", hint=_OLD_BASE_HINT)
        reference = Reference.parse(name)
        location = Location(Transport.REGISTRY, reference.with_digest(Digest(digest)) if digest else reference)
        try:
            return self._base(location, image.platform)
        except NotFoundError as error:
            message = f"the base that the image names is gone: {error}"
            raise NotFoundError(message, hint=_OLD_BASE_HINT, status=error.status) from error

    def _bring(self, new: Base, target: Reference) -> tuple[Layer, ...]:
        """The new base's layers, in a repository; bytes move once into each registry that lacks them."""
        base, layers = new.image.digest, to_oci(new.image).layers
        if new.reference is None or new.reference.registry != target.registry:
            home = self._homes.get((target.registry, base), partial(self._copy, layers, target))
            layers = tuple(replace(layer, origin=home) for layer in layers)
        if not self._settings.dry_run:
            self._placed.get((target.name, base), lambda: self._push(layers, target))
        return layers

    def _copy(self, layers: Sequence[Layer], target: Reference) -> Reference:
        if self._settings.dry_run:
            self._count(sum(layer.size for layer in layers))
        else:
            self._push(layers, target)
        return target

    def _push(self, layers: Sequence[Layer], target: Reference) -> None:
        def push(layer: Layer, cancelled: threading.Event) -> None:
            task = self._reporter.start("push", f"layer {layer.digest.short}", layer.size)
            outcome = self._transports.registry.push_layer(layer, target, task=task, cancelled=cancelled)
            task.finish(outcome)
            self._count(layer.size if outcome == UPLOADED else 0)

        own = [layer for layer in layers if not media_types.is_foreign(layer.media_type)]
        run_parallel([partial(push, layer) for layer in own], workers=PUSH_WORKERS)

    def _count(self, size: int) -> None:
        with self._lock:
            self.bytes_sent += size


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of all images, in their order; for `bytes_sent` see `Rebaser`."""

    outcomes: tuple[Outcome, ...]
    bytes_sent: int

    def count(self, status: Status) -> int:
        """How many images ended so."""
        return sum(outcome.status is status for outcome in self.outcomes)


def rebase_images(moves: Sequence[Move], settings: RebaseSettings, transports: Transports) -> Summary:
    """Rebase images in parallel; one that fails does not stop the others.

    Raises:
        InvalidInputError: Two images shall go to the same place, or one to a digest.
        NotFoundError: There is no such base.
        TransportError: The base cannot be reached.
    """
    _check_targets(moves)
    reporter = transports.reporter
    if len(moves) > 1:
        # Each image is a line; its layers are none.
        transports = Transports(transports.connection, reporter=_Warnings(reporter))
    rebaser = Rebaser(settings, transports, reporter=reporter)
    outcomes: dict[int, Outcome] = {}

    def job(number: int, _: threading.Event) -> None:
        move = moves[number]
        task = reporter.start("rebase", str(move.source))
        try:
            outcomes[number] = rebaser.rebase(move)
        except DockerEnvsError as error:
            outcomes[number] = Outcome(move, Status.FAILED, error=error)
        task.finish(outcomes[number].status)

    run_parallel([partial(job, number) for number in range(len(moves))], workers=settings.jobs)
    return Summary(tuple(outcomes[number] for number in range(len(moves))), rebaser.bytes_sent)


def _check_targets(moves: Sequence[Move]) -> None:
    seen: set[Location] = set()
    for move in moves:
        if move.target in seen:
            raise InvalidInputError(f"two images shall go to `{move.target}`")
        if move.target.reference is not None and move.target.reference.digest is not None:
            raise InvalidInputError(
                f"`{move.target}` is a digest, which another image cannot have",
                hint="say where the rebased image goes with `--to NAME:TAG`",
            )
        seen.add(move.target)


def _pinned(location: Location, transports: Transports) -> Location:
    if location.transport is not Transport.REGISTRY or location.registry_reference.digest is not None:
        return location
    reference = location.registry_reference
    digest = transports.registry.digest(reference)
    if digest is None:
        raise NotFoundError(f"base image `{location}` not found")
    return replace(location, reference=reference.with_digest(digest))


def _named_base(image: Image) -> tuple[str | None, str | None]:
    """Name and digest of the base that annotations, or else labels, name."""
    for texts in (image.annotations, image.config.labels):
        if BASE_NAME in texts:
            return texts[BASE_NAME], texts.get(BASE_DIGEST)
    return None, None


class _Warnings(SilentReporter):
    """Passes on what users should know, without progress."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def warning(self, text: str) -> None:
        self._reporter.warning(text)
