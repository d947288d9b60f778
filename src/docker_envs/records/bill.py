"""What a bill of materials says, whatever its format: an image, its base, and the packages in it.

It is a function of the image and its records alone: no name of a registry, clock or random number is in it, so that the
same image always has the same bill, and whoever has the image can make it anew.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.digest import Digest
from docker_envs.errors import DockerEnvsError, FormatError
from docker_envs.oci.reference import Reference
from docker_envs.records.purl import image_url, package_url
from docker_envs.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packageurl import PackageURL

    from docker_envs.oci.image import Image
    from docker_envs.records.record import Record, RecordedPackage

#: What made a document.
TOOL = "docker-envs"

_ANNOTATION = "org.opencontainers.image."
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image in a bill.

    Attributes:
        name: What people call it.
        digest: Of its manifest; of a base perhaps of its index.
        purl: Its package URL.
    """

    name: str
    digest: Digest
    purl: PackageURL


@dataclass(frozen=True, slots=True)
class ListedPackage:
    """A package in a bill.

    Attributes:
        ref: Names it inside the bill, and nothing else there.
        package: The package.
        purl: Its package URL.
        prefix: Absolute path of its environment.
        layer: diff_id of its layer; empty when no layer has it.
        depends: `ref` of each package that it needs, sorted.
    """

    ref: str
    package: RecordedPackage
    purl: PackageURL
    prefix: str
    layer: str
    depends: tuple[str, ...]

    @property
    def address(self) -> str:
        """The URL of its archive; empty where that is no place in a network."""
        return self.package.url if self.package.url.startswith(("https://", "http://")) else ""

    @property
    def properties(self) -> dict[str, str]:
        """What formats have no field for; of sizes, bytes."""
        properties = {
            "environment": self.prefix,
            "layer": self.layer,
            "size": str(self.package.size) if self.package.size else "",
            "source": " ".join(filter(None, (self.package.source, self.package.source_version))),
        }
        return {name: value for name, value in properties.items() if value}


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill of materials.

    Attributes:
        image: The image.
        base: What it was built on, if that is known.
        created: When the image says that it was made.
        packages: All packages, environment by environment.
    """

    image: ListedImage
    base: ListedImage | None
    created: dt.datetime
    packages: tuple[ListedPackage, ...]

    @property
    def identity(self) -> uuid.UUID:
        """Names the bill: another one for each image, and for each release that may write it otherwise."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"{self.image.purl}#{TOOL}-{__version__}")


def make_bill(image: Image, records: Sequence[Record]) -> Bill:
    """The bill of an image.

    Args:
        image: The image; of its layers nothing is read.
        records: Of its environments, lowest first.

    Raises:
        FormatError: A package has no name.
    """
    return Bill(_listed_image(image), _base(image), created_of(image), tuple(_packages(records)))


def _listed_image(image: Image) -> ListedImage:
    name = image.config.labels.get(f"{_ANNOTATION}title", "").strip() or "image"
    return ListedImage(name, image.digest, image_url(name, image.digest, architecture=image.platform.architecture))


def _base(image: Image) -> ListedImage | None:
    base = base_of(image)
    if base is None:
        return None
    reference, digest = base.reference, base.digest
    purl = image_url(reference.repository.rsplit("/", 1)[-1], digest, reference=reference)
    return ListedImage(base.name, digest, purl)


@dataclass(frozen=True, slots=True)
class Base:
    """What an image was built on, as it says itself.

    Attributes:
        name: Its name, as the image has it.
        digest: Of its manifest or index.
        reference: Both.
    """

    name: str
    digest: Digest
    reference: Reference


def base_of(image: Image) -> Base | None:
    """The base that annotations or labels name, if they do.

    Spec: OCI image-spec 1.1, annotations.md, "Pre-Defined Annotation Keys".
    """
    notes = {**image.config.labels, **image.annotations}
    name = notes.get(f"{_ANNOTATION}base.name", "")
    try:
        digest = Digest(notes.get(f"{_ANNOTATION}base.digest", ""))
        return Base(name, digest, Reference.parse(name).with_digest(digest))
    except DockerEnvsError:
        return None  # anybody may have written them


def created_of(image: Image) -> dt.datetime:
    """When an image says that it was made, in whole seconds; 1970 when it does not."""
    try:
        created = dt.datetime.fromisoformat(str(image.config.document.get("created")))
        return created.astimezone(dt.UTC).replace(microsecond=0) if created.tzinfo else _EPOCH
    except (ValueError, OverflowError):
        return _EPOCH


def _packages(records: Sequence[Record]) -> Iterator[ListedPackage]:
    for number, record in enumerate(records):
        if not all(package.name for package in record.packages):
            raise FormatError(f"record of `{record.prefix}`", "a package has no name")
        layers = {name: layer.diff_id for layer in record.layers for name in layer.packages}
        urls = {each.qualified_name: package_url(each, record.distribution) for each in record.packages}
        refs = {name: f"{url}{f'#{number}' if number else ''}" for name, url in urls.items()}
        for package in record.packages:
            depends = tuple(sorted({refs[name] for name in package.depends if name in refs}))
            layer = layers.get(package.qualified_name, "")
            ref = refs[package.qualified_name]
            yield ListedPackage(ref, package, urls[package.qualified_name], record.prefix, layer, depends)
