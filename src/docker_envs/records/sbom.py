"""The bill of materials of an image, in the format that somebody wants."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.records.bill import make_bill
from docker_envs.records.cyclonedx import CYCLONEDX_JSON, cyclonedx_json
from docker_envs.records.spdx import SPDX_JSON, spdx_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.oci.image import Image
    from docker_envs.records.record import Record


class SbomFormat(StrEnum):
    """A format, by the name that people know."""

    SPDX = "spdx"
    CYCLONEDX = "cyclonedx"

    @property
    def media_type(self) -> str:
        """Media type of its documents."""
        return SPDX_JSON if self is SbomFormat.SPDX else CYCLONEDX_JSON


def make_sbom(image: Image, records: Sequence[Record], kind: SbomFormat) -> bytes:
    """The bill of an image with these records; a function of both, to the byte.

    Raises:
        FormatError: A record names a package that can be none.
    """
    bill = make_bill(image, records)
    return spdx_json(bill) if kind is SbomFormat.SPDX else cyclonedx_json(bill)
