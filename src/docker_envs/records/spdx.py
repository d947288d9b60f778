"""Bills of materials as SPDX 2.3 documents in JSON.

Spec: SPDX 2.3, clauses 6 (document creation), 7 (packages), 10 (other licences) and 11 (relationships).
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from docker_envs.fields import canonical_json
from docker_envs.records.bill import TOOL
from docker_envs.records.licenses import spdx_expression
from docker_envs.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from spdx_tools.spdx.model import Document, ExternalPackageRef, ExtractedLicensingInfo, Package, Relationship

    from docker_envs.records.bill import Bill, ListedImage, ListedPackage

#: Media type of the documents.
SPDX_JSON = "application/spdx+json"

_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE, _BASE = "SPDXRef-image", "SPDXRef-base"
# What clause 6.5 advises to those whose documents are at no address of their own.
_NAMESPACE = "https://spdx.org/spdxdocs"
_NO_ID_CHARACTERS = re.compile(r"[^A-Za-z0-9.-]+")


def spdx_json(bill: Bill) -> bytes:
    """A bill as an SPDX document; the same bill always gives the same bytes."""
    from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter

    document: dict[str, Any] = DocumentConverter().convert(spdx_document(bill))  # type: ignore[no-untyped-call]
    for package in document["packages"]:
        for reference in package["externalRefs"]:
            # The library writes the spelling of 2.2, which the schema of 2.3 does not take.
            reference["referenceCategory"] = reference["referenceCategory"].replace("_", "-")
    return canonical_json(document)


def spdx_document(bill: Bill) -> Document:
    """A bill in the model of `spdx-tools`."""
    from spdx_tools.spdx.model import Actor, ActorType, CreationInfo, Document

    creation = CreationInfo(
        spdx_version="SPDX-2.3",
        spdx_id=_DOCUMENT,
        name=bill.image.name,
        document_namespace=f"{_NAMESPACE}/{TOOL}-{bill.identity}",
        creators=[Actor(ActorType.TOOL, f"{TOOL}-{__version__}")],
        created=bill.created.replace(tzinfo=None),
    )
    images = [_image(bill.image, _IMAGE), *([_image(bill.base, _BASE)] if bill.base else [])]
    return Document(
        creation,
        packages=[*images, *(_package(each) for each in bill.packages)],
        relationships=list(_relationships(bill)),
        extracted_licensing_info=_other_licenses(bill),
    )


def _image(image: ListedImage, spdx_id: str) -> Package:
    from spdx_tools.spdx.model import Checksum, ChecksumAlgorithm, Package, PackagePurpose, SpdxNoAssertion

    algorithm = {"sha256": ChecksumAlgorithm.SHA256, "sha512": ChecksumAlgorithm.SHA512}[image.digest.algorithm]
    return Package(
        spdx_id=spdx_id,
        name=image.name,
        version=str(image.digest),
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(algorithm, image.digest.hex)],
        external_references=[_purl_reference(str(image.purl))],
        primary_package_purpose=PackagePurpose.CONTAINER,
    )


def _package(listed: ListedPackage) -> Package:
    from license_expression import Licensing
    from spdx_tools.spdx.model import Checksum, ChecksumAlgorithm, Package, SpdxNoAssertion

    package = listed.package
    declared = _license_id(package.license) if package.license else ""
    return Package(
        spdx_id=_spdx_id(listed.ref),
        name=package.name,
        version=package.version or None,
        download_location=listed.address or SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, package.sha256)] if package.sha256 else [],
        license_declared=Licensing().parse(declared) if declared else SpdxNoAssertion(),
        license_concluded=SpdxNoAssertion(),
        copyright_text=SpdxNoAssertion(),
        source_info="\n".join(f"{name}: {value}" for name, value in listed.properties.items()) or None,
        external_references=[_purl_reference(str(listed.purl))],
    )


def _purl_reference(purl: str) -> ExternalPackageRef:
    from spdx_tools.spdx.model import ExternalPackageRef, ExternalPackageRefCategory

    return ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl)


def _relationships(bill: Bill) -> Iterator[Relationship]:
    from spdx_tools.spdx.model import Relationship, RelationshipType

    yield Relationship(_DOCUMENT, RelationshipType.DESCRIBES, _IMAGE)
    if bill.base is not None:
        yield Relationship(_IMAGE, RelationshipType.DESCENDANT_OF, _BASE)
    for listed in bill.packages:
        own = _spdx_id(listed.ref)
        yield Relationship(_IMAGE, RelationshipType.CONTAINS, own)
        for needed in listed.depends:
            yield Relationship(own, RelationshipType.DEPENDS_ON, _spdx_id(needed))


def _spdx_id(ref: str) -> str:
    """An id for people to recognise, and with a digest, since names differ in characters that ids cannot have."""
    name = ref.removeprefix("pkg:").partition("?")[0]
    return f"SPDXRef-{_plain(name)}-{_short_digest(ref)}"


def _license_id(text: str) -> str:
    """A licence as an expression: of SPDX's own ids, or of one that stands for a text that is none."""
    found = spdx_expression(text)
    return found if found is not None else f"LicenseRef-{_plain(text)[:64]}-{_short_digest(text)}"


def _other_licenses(bill: Bill) -> list[ExtractedLicensingInfo]:
    from spdx_tools.spdx.model import ExtractedLicensingInfo

    texts = {listed.package.license for listed in bill.packages} - {""}
    others = {_license_id(text): text for text in texts if spdx_expression(text) is None}
    return [ExtractedLicensingInfo(name, text, text) for name, text in sorted(others.items())]


def _plain(text: str) -> str:
    return _NO_ID_CHARACTERS.sub("-", text)


def _short_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
