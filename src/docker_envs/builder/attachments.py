"""Documents about an image that was pushed: bills of materials of each platform's image, declarations of them all.

What is listed already is not made, so an unchanged build asks once and sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from docker_envs.builder.request import AttachmentKind
from docker_envs.digest import Digest
from docker_envs.errors import TransportError
from docker_envs.oci.blob import Blob
from docker_envs.oci.document import document_artifact
from docker_envs.records.attached import DECLARATION_TYPE, SOURCE_ANNOTATION
from docker_envs.records.record import RECORD_LABEL, read_records
from docker_envs.records.sbom import SbomFormat, make_sbom

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from docker_envs.builder.request import Attachments, DeclarationFile
    from docker_envs.images.transports import Transports
    from docker_envs.oci.artifact import Artifact
    from docker_envs.oci.descriptor import Descriptor
    from docker_envs.oci.image import Image, NamedImage
    from docker_envs.oci.reference import Reference

_CREATED = "org.opencontainers.image.created"
_FILE_NAMES = {SbomFormat.SPDX: "sbom.spdx.json", SbomFormat.CYCLONEDX: "sbom.cdx.json"}
_MEDIA_TYPES = {".yml": "application/yaml", ".yaml": "application/yaml", ".lock": "application/yaml",
                ".toml": "application/toml"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Document:
    """A document that shall be attached; `make` gives its bytes."""

    subject: Descriptor
    artifact_type: str
    media_type: str
    title: str
    source: str
    created: str
    make: Callable[[], bytes]

    def artifact(self) -> Artifact:
        annotations = {SOURCE_ANNOTATION: self.source, _CREATED: self.created}
        return document_artifact(
            Blob.of_bytes(self.make(), self.media_type),
            artifact_type=self.artifact_type,
            title=self.title,
            subject=self.subject,
            annotations={name: value for name, value in annotations.items() if value},
        )

    def is_listed(self, referrers: Sequence[Descriptor]) -> bool:
        return any(
            entry.extra.get("artifactType") == self.artifact_type
            and entry.annotations.get(SOURCE_ANNOTATION) == self.source
            for entry in referrers
        )


def attach_documents(
    named: NamedImage, attachments: Attachments, targets: Sequence[Reference], transports: Transports
) -> None:
    """Attach what is wanted and not there yet.

    Args:
        named: The image, or images of several platforms.
        attachments: What is wanted.
        targets: Where the image was pushed to.
        transports: How to get there.

    Raises:
        TransportError: A registry does not take it, and it is required.

    Cost: for each image and repository, one request when all is there (two where a registry has no list of referrers).
    """
    documents = list(_wanted(named, attachments))
    for target in dict.fromkeys(replace(target, tag=None, digest=None) for target in targets) if documents else ():
        try:
            _attach(documents, target, transports)
        except TransportError as error:
            if attachments.required:
                raise
            transports.reporter.warning(
                f"the image has no bill of materials or declaration attached in `{target.name}`: {error}"
            )


def _attach(documents: Sequence[_Document], target: Reference, transports: Transports) -> None:
    listed: dict[Digest, list[Descriptor]] = {}
    for document in documents:
        digest = document.subject.digest
        if digest not in listed:
            listed[digest] = transports.registry.referrers(target.with_digest(digest))
        if not document.is_listed(listed[digest]):
            artifact = document.artifact()
            transports.registry.push_artifact(artifact, target.with_digest(artifact.digest))


def _wanted(named: NamedImage, attachments: Attachments) -> Iterator[_Document]:
    if AttachmentKind.SBOM in attachments.kinds:
        for image in named.images:
            if RECORD_LABEL in image.config.labels:
                for kind in SbomFormat:
                    yield _bill(image, kind)
    if AttachmentKind.DECLARATION in attachments.kinds:
        for file in attachments.declarations:
            yield _declaration(named, file)


def _bill(image: Image, kind: SbomFormat) -> _Document:
    return _Document(
        subject=image.manifest.descriptor,
        artifact_type=kind.media_type,
        media_type=kind.media_type,
        title=_FILE_NAMES[kind],
        source="image",
        created=_created(image),
        make=lambda: make_sbom(image, [found.record for found in read_records(image)], kind),
    )


def _declaration(named: NamedImage, file: DeclarationFile) -> _Document:
    media_type = _MEDIA_TYPES.get(PurePosixPath(file.name).suffix, "text/plain")
    return _Document(
        subject=named.descriptor,
        artifact_type=DECLARATION_TYPE,
        media_type=media_type,
        title=file.name,
        source=Digest.of(file.content),
        created=_created(named.image),
        make=lambda: file.content,
    )


def _created(image: Image) -> str:
    return str(image.config.document.get("created") or "")
