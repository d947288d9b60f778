"""Descriptors: what a blob is, how long it is, and the digest that proves it.

Spec: OCI image-spec 1.1, descriptor.md; image-index.md, "platform".
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from docker_envs.digest import Digest
    from docker_envs.fields import Fields

_KNOWN = frozenset({"mediaType", "digest", "size", "urls", "annotations", "platform"})
_PLATFORM_KNOWN = frozenset({"os", "architecture", "variant"})
_ARCHITECTURE_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}


@dataclass(frozen=True, slots=True)
class Platform:
    """Operating system and CPU that an image is for; `str()` is `os/architecture[/variant]`."""

    os: str
    architecture: str
    variant: str | None = None
    #: Other fields of an index's `platform` (`os.version`, …); kept as they came, and no part of the identity.
    extra: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse `linux/amd64`, `linux/arm64/v8` and the like.

        Raises:
            InvalidInputError: The text has another shape.
        """
        parts = text.lower().split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise InvalidInputError(f"invalid platform {text!r}", hint="write it as `linux/amd64` or `linux/arm64`")
        architecture = _ARCHITECTURE_ALIASES.get(parts[1], parts[1])
        return cls(parts[0], architecture, parts[2] if len(parts) == 3 else None)

    @classmethod
    def from_fields(cls, fields: Fields) -> Platform:
        """From an index's `platform` object or an image config."""
        return cls(fields.require("os", str), fields.require("architecture", str), fields.get("variant", str) or None)

    def accepts(self, other: Platform) -> bool:
        """Whether an image for `other` serves who asked for this platform; no variant here means any."""
        if (self.os, self.architecture) != (other.os, other.architecture):
            return False
        if self.variant == other.variant or self.variant is None:
            return True
        return self.architecture == "arm64" and {self.variant, other.variant} == {"v8", None}

    def to_json(self) -> dict[str, Any]:
        """The object of the specification."""
        document = {**self.extra, "architecture": self.architecture, "os": self.os}
        return document if self.variant is None else {**document, "variant": self.variant}

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to a blob by its digest.

    Attributes:
        media_type: Type of the blob.
        digest: Digest of the blob's bytes as stored.
        size: Length in bytes.
        urls: Where else it may be had (foreign layers).
        annotations: Arbitrary strings.
        platform: In an index, what the manifest is for.
        extra: Fields that we do not know; kept as they came.
    """

    media_type: str
    digest: Digest
    size: int
    urls: tuple[str, ...] = ()
    annotations: dict[str, str] = field(default_factory=dict, hash=False)
    platform: Platform | None = None
    extra: dict[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def from_fields(cls, fields: Fields) -> Descriptor:
        """Parse one descriptor.

        Raises:
            FormatError: A field is missing or has the wrong type.
        """
        return cls(
            media_type=fields.require("mediaType", str),
            digest=fields.digest("digest"),
            size=fields.size("size"),
            urls=tuple(fields.strings("urls")),
            annotations=fields.string_map("annotations"),
            platform=_index_platform(fields.object("platform")) if fields.get("platform", dict) else None,
            extra={name: value for name, value in fields.document.items() if name not in _KNOWN},
        )

    def with_media_type(self, media_type: str) -> Descriptor:
        """The same blob under another type."""
        return replace(self, media_type=media_type)

    def to_json(self) -> dict[str, Any]:
        """The object of the specification, unknown fields included."""
        document: dict[str, Any] = {
            **self.extra,
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
        }
        if self.urls:
            document["urls"] = list(self.urls)
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform is not None:
            document["platform"] = self.platform.to_json()
        return document


def _index_platform(fields: Fields) -> Platform:
    extra = {name: value for name, value in fields.document.items() if name not in _PLATFORM_KNOWN}
    return replace(Platform.from_fields(fields), extra=extra)
