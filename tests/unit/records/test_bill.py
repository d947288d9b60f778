"""Bills of materials: what they say follows from image and records alone."""

from __future__ import annotations

import datetime as dt

import pytest

from docker_envs.errors import FormatError
from docker_envs.oci.edit import with_config
from docker_envs.records.bill import make_bill
from tests.recorded import BASE_DIGEST, image, image_on_base, package, record

ENVIRONMENT = record(package("python", depends=("zlib", "elsewhere")), package("zlib"))


def test_packages_with_layers_and_what_they_need() -> None:
    python, zlib = make_bill(image(), [ENVIRONMENT]).packages
    assert python.depends == (zlib.ref,)
    assert zlib.properties == {"environment": "/opt/conda", "layer": f"sha256:{1:064x}", "size": "100"}
    assert zlib.address == zlib.package.url


def test_environments_with_the_same_package() -> None:
    packages = make_bill(image(), [ENVIRONMENT, record(*ENVIRONMENT.packages, prefix="/opt/other")]).packages
    assert len({each.ref for each in packages}) == 4
    assert packages[2].depends == (packages[3].ref,)
    assert packages[3].prefix == "/opt/other"


def test_base() -> None:
    base = make_bill(image_on_base(), []).base
    assert base is not None
    assert str(base.purl) == f"pkg:oci/debian@{BASE_DIGEST}?repository_url=docker.io/library/debian&tag=12"


@pytest.mark.parametrize("name", ["", "Not A Name", "debian"])
def test_base_that_is_none(name: str) -> None:
    assert make_bill(image(base_name=name, base_digest="sha256:12"), []).base is None


def test_base_in_labels_alone() -> None:
    made = image()
    labels = {f"org.opencontainers.image.base.{k}": v for k, v in {"name": "debian", "digest": BASE_DIGEST}.items()}
    assert make_bill(with_config(made, made.config.with_labels(labels)), []).base is not None


@pytest.mark.parametrize(
    ("created", "seconds"),
    [
        ("2024-05-06T07:08:09.123456789+02:00", 1714972089),
        ("2024-05-06T05:08:09Z", 1714972089),
        ("0001-01-01T00:00:00+10:00", 0),
        ("2024-05-06T05:08:09", 0),
        ("yesterday", 0),
        (None, 0),
    ],
)
def test_created(created: str | None, seconds: int) -> None:
    assert make_bill(image(created=created), []).created == dt.datetime.fromtimestamp(seconds, dt.UTC)


def test_identity_is_the_image() -> None:
    assert make_bill(image(), []).identity == make_bill(image(), []).identity
    assert make_bill(image(), []).identity != make_bill(image_on_base(), []).identity


def test_local_channels_are_no_addresses() -> None:
    (only,) = make_bill(image(), [record(package(channel="file:///local"))]).packages
    assert only.address == ""


def test_package_without_a_name() -> None:
    with pytest.raises(FormatError, match="no name"):
        make_bill(image(), [record(package(""))])
