"""Whether an image is what its record says: its layers are made again, and compared."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.caches.cache import CacheDirectory, open_cache
from docker_envs.builder.caches.layer_store import LayerStore
from docker_envs.builder.layers import LayerMaker
from docker_envs.builder.packages.resolve import DOWNLOADS
from docker_envs.builder.parallel import cores, map_parallel
from docker_envs.builder.recorded_plan import plan_recorded
from docker_envs.errors import FormatError, InvalidInputError, VerificationError
from docker_envs.images.difference import Difference, first_difference
from docker_envs.records.record import read_records
from docker_envs.report import counted
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from docker_envs.builder.recorded import AnyPackage
    from docker_envs.oci.image import Image
    from docker_envs.oci.layer import Layer
    from docker_envs.planner.plan import PlannedLayer
    from docker_envs.records.record import FoundRecord, Record
    from docker_envs.report import Reporter
    from docker_envs.streams import ByteSource


@dataclass(frozen=True, slots=True)
class VerifiedLayer:
    """A layer of an image, and what came out when it was made again.

    Attributes:
        layer: The layer in the image.
        title: Its packages, for people.
        difference: The first difference; None when there is none.
        recompressed: Whether only the compression differs.
    """

    layer: Layer
    title: str
    difference: Difference | None
    recompressed: bool


@dataclass(frozen=True, slots=True)
class Verification:
    """What came out for an image.

    Attributes:
        layers: Those that were made again, lowest first.
        others: Titles of layers of the records that hold no packages, and that only their digests prove.
    """

    layers: tuple[VerifiedLayer, ...]
    others: tuple[str, ...]

    @property
    def differing(self) -> list[VerifiedLayer]:
        """The layers that are not what their packages give."""
        return [each for each in self.layers if each.difference is not None]


def verify_image(
    image: Image,
    *,
    cache: Path,
    locate: Callable[[Record], Sequence[AnyPackage] | None],
    open_url: Callable[[str], ByteSource],
    reporter: Reporter,
) -> Verification:
    """Make the layers of an image again, from its records, and compare.

    Nothing but package archives is taken from the cache, and these are verified.

    Args:
        image: The image.
        cache: The cache directory.
        locate: Says where the packages of a record can be had; None for a record that is not in question.
        open_url: Opens an http(s) URL of a channel.
        reporter: Hears what is done.

    Raises:
        InvalidInputError: The image has no record, or layers of another format than this release makes.
        NotFoundError: A package cannot be found.
        FormatError: A record is damaged, or names layers that the image does not have.
        TransportError: Something cannot be read.
    """
    found = read_records(image)
    if not found:
        raise InvalidInputError(
            "the image has no record of an environment", hint="only images that `docker-envs build` made have one"
        )
    layers: list[VerifiedLayer] = []
    others: list[str] = []
    for each in found:
        lock = locate(each.record)
        if lock is None:
            continue
        with open_cache(cache, reporter=reporter) as opened:
            layers += _verify(image, each, opened, lock, open_url, reporter)
        made = {layer.layer.diff_id for layer in layers}
        others += [layer.title for layer in each.record.layers if layer.diff_id not in made]
    return Verification(tuple(layers), tuple(others))


def check_verification(found: Verification, name: str) -> None:
    """Fail when layers differ.

    Raises:
        VerificationError: One does; the message names the first difference.
    """
    if found.differing:
        first = found.differing[0]
        raise VerificationError(
            f"{name} is not what its packages give, in {counted(len(found.differing), 'layer')}: layer "
            f"{first.layer.digest.short} ({first.title}): {first.difference}",
            hint="`docker-envs cache verify` finds what is damaged in the cache",
        )


def _verify(
    image: Image,
    found: FoundRecord,
    cache: CacheDirectory,
    lock: Sequence[AnyPackage],
    open_url: Callable[[str], ByteSource],
    reporter: Reporter,
) -> list[VerifiedLayer]:
    record = found.record
    if record.digest_format != DIGEST_FORMAT:
        raise InvalidInputError(
            f"its layers have format {record.digest_format}, and this release makes format {DIGEST_FORMAT}",
            hint="use a release that makes the same",
        )
    in_image: dict[str, Layer] = {layer.diff_id: layer for layer in image.layers}
    recorded = [layer for layer in record.layers if layer.packages]
    for layer in recorded:
        if layer.diff_id not in in_image:
            raise FormatError(f"record of `{record.prefix}`", f"the image has no layer of diff_id {layer.diff_id}")
    with (
        tempfile.TemporaryDirectory(prefix="docker-envs-") as folder,
        ThreadPoolExecutor(cores()) as executor,
        # What the cache has of metadata and layers is in question.
        open_cache(Path(folder) / "known", reporter=reporter) as known,
    ):
        planned = plan_recorded(image, found, lock, cache=cache, known=known, open_url=open_url, reporter=reporter)
        packages = planned.plan.environment.packages
        planned.archives.fetch([package.sha256 for package in packages], workers=DOWNLOADS)
        maker = LayerMaker(
            LayerStore(Path(folder) / "layers"),
            planned.archives,
            compression=CompressionSetting.parse(record.settings.compression),
            executor=executor,
            reporter=reporter,
        )

        def verify(item: tuple[PlannedLayer, str], cancelled: threading.Event) -> VerifiedLayer:
            each, diff_id = item
            return _compared(each.title, in_image[diff_id], maker.layer(each, cancelled))

        pairs = list(zip(planned.plan.layers, (layer.diff_id for layer in recorded), strict=True))
        layers = map_parallel(verify, pairs, workers=cores(), cost=lambda pair: pair[0].size)
        for other in record.layers:
            entries = () if other.packages else planned.others.get(other.title, ())
            if entries and other.diff_id in in_image:
                made = maker.layer_of_entries(entries, title=other.title)
                layers.append(_compared(other.title, in_image[other.diff_id], made))
        return layers


def _compared(title: str, layer: Layer, made: Layer) -> VerifiedLayer:
    difference = first_difference(made, layer)
    return VerifiedLayer(layer, title, difference, not difference and made.digest != layer.digest)
