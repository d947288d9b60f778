"""Bills of materials as CycloneDX 1.6 documents in JSON.

Spec: CycloneDX 1.6 (ECMA-424), "bom"; properties follow the CycloneDX property taxonomy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.fields import canonical_json, parse_json
from docker_envs.records.bill import TOOL
from docker_envs.records.licenses import spdx_expression
from docker_envs.version import __version__

if TYPE_CHECKING:
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component
    from cyclonedx.model.license import License

    from docker_envs.records.bill import Bill, ListedImage, ListedPackage

#: Media type of the documents.
CYCLONEDX_JSON = "application/vnd.cyclonedx+json"

_IMAGE, _BASE = "image", "base"


def cyclonedx_json(bill: Bill) -> bytes:
    """A bill as a CycloneDX document; the same bill always gives the same bytes."""
    from cyclonedx.output.json import JsonV1Dot6

    text = JsonV1Dot6(cyclonedx_bom(bill)).output_as_string()
    return canonical_json(parse_json(text.encode(), source="bill of materials"))


def cyclonedx_bom(bill: Bill) -> Bom:
    """A bill in the model of `cyclonedx-python-lib`."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType, Pedigree
    from cyclonedx.model.tool import ToolRepository

    image = _image(bill.image, _IMAGE)
    if bill.base is not None:
        image.pedigree = Pedigree(ancestors=[_image(bill.base, _BASE)])
    tool = Component(name=TOOL, version=__version__, type=ComponentType.APPLICATION)
    components = {listed.ref: _package(listed) for listed in bill.packages}
    bom = Bom(
        serial_number=bill.identity,
        components=components.values(),
        metadata=BomMetaData(timestamp=bill.created, component=image, tools=ToolRepository(components=[tool])),
    )
    bom.register_dependency(image, components.values())
    for listed in bill.packages:
        bom.register_dependency(components[listed.ref], [components[ref] for ref in listed.depends])
    return bom


def _image(image: ListedImage, ref: str) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    algorithm = {"sha256": HashAlgorithm.SHA_256, "sha512": HashAlgorithm.SHA_512}[image.digest.algorithm]
    return Component(
        name=image.name,
        version=str(image.digest),
        type=ComponentType.CONTAINER,
        bom_ref=ref,
        purl=image.purl,
        hashes=[HashType(alg=algorithm, content=image.digest.hex)],
    )


def _package(listed: ListedPackage) -> Component:
    from cyclonedx.model import (
        ExternalReference,
        ExternalReferenceType,
        HashAlgorithm,
        HashType,
        Property,
        XsUri,
    )
    from cyclonedx.model.component import Component, ComponentType

    package = listed.package
    address = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(listed.address))
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=listed.ref,
        purl=listed.purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=package.sha256)] if package.sha256 else [],
        licenses=[_license(package.license)] if package.license else [],
        external_references=[address] if listed.address else [],
        properties=[Property(name=f"{TOOL}:{name}", value=value) for name, value in listed.properties.items()],
    )


def _license(text: str) -> License:
    from cyclonedx.model.license import DisjunctiveLicense, LicenseAcknowledgement, LicenseExpression
    from cyclonedx.spdx import is_supported_id

    declared = LicenseAcknowledgement.DECLARED
    found = spdx_expression(text)
    if found is None:
        return DisjunctiveLicense(name=text, acknowledgement=declared)
    if is_supported_id(found):
        return DisjunctiveLicense(id=found, acknowledgement=declared)
    return LicenseExpression(found, acknowledgement=declared)
