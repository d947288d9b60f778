"""Package URLs, as the definitions of their types have them."""

from __future__ import annotations

from typing import Any

import pytest
from packageurl import PackageURL
from packageurl.contrib.purl2url import get_download_url

from docker_envs.digest import Digest
from docker_envs.oci.reference import Reference
from docker_envs.records.purl import channel_of, image_url, package_url
from docker_envs.records.record import RecordedDistribution
from tests.recorded import CHANNEL, debian_package, package

DIGEST = Digest("sha256:" + "a" * 64)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "pkg:conda/zlib@1.3.1?build=h_0&channel=conda-forge&subdir=linux-64&type=conda"),
        (
            {"channel": "https://repo.anaconda.com/pkgs/main"},
            "pkg:conda/zlib@1.3.1?build=h_0&channel=main&subdir=linux-64&type=conda",
        ),
        (
            {"channel": "https://conda.anaconda.org/conda-forge/label/dev"},
            "pkg:conda/zlib@1.3.1?build=h_0&channel=conda-forge/label/dev&subdir=linux-64&type=conda",
        ),
        (
            {"channel": "https://conda.example/a/b"},
            "pkg:conda/zlib@1.3.1?build=h_0&channel=https://conda.example/a/b&subdir=linux-64&type=conda",
        ),
        ({"channel": "file:///local"}, "pkg:conda/zlib@1.3.1?build=h_0&channel=local&subdir=linux-64&type=conda"),
        (
            {"url": f"{CHANNEL}/noarch/zlib-1.3.1-h_0.tar.bz2", "subdir": "noarch"},
            "pkg:conda/zlib@1.3.1?build=h_0&channel=conda-forge&subdir=noarch&type=tar.bz2",
        ),
        ({"url": "", "build": "", "subdir": ""}, "pkg:conda/zlib@1.3.1"),
        ({"kind": "pypi", "name": "Flask_Cors"}, "pkg:pypi/flask-cors@1.3.1"),
    ],
    ids=["conda-forge", "defaults", "label", "other-host", "local", "tar.bz2", "unknown", "pypi"],
)
def test_package_url(fields: dict[str, Any], url: str) -> None:
    made = package_url(package(**fields))
    assert str(made) == url
    assert PackageURL.from_string(url) == made


@pytest.mark.parametrize(
    ("fields", "distribution", "url"),
    [
        (
            {},
            RecordedDistribution(id="debian", version="12"),
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=debian-12",
        ),
        (
            {"source": "glibc"},
            RecordedDistribution(id="ubuntu", version="24.04"),
            "pkg:deb/ubuntu/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=ubuntu-24.04&upstream=glibc",
        ),
        (
            {"name": "libstdc++6", "version": "1:12-1", "source": "gcc-12", "source_version": "12-2"},
            RecordedDistribution(id="debian"),
            "pkg:deb/debian/libstdc%2B%2B6@1:12-1?arch=amd64&distro=debian&upstream=gcc-12%4012-2",
        ),
        (
            {"name": "vim", "version": "2:9-1+b1", "source_version": "2:9-1", "subdir": "all"},
            None,
            "pkg:deb/debian/vim@2:9-1%2Bb1?arch=all&upstream=vim%402:9-1",
        ),
    ],
    ids=["debian", "source", "source-version", "rebuilt"],
)
def test_debian_package_url(fields: dict[str, Any], distribution: RecordedDistribution | None, url: str) -> None:
    made = package_url(debian_package(**fields), distribution)
    assert str(made) == url
    assert PackageURL.from_string(url) == made


@pytest.mark.parametrize("channel", [CHANNEL, "https://repo.anaconda.com/pkgs/main"])
def test_readers_find_the_archive(channel: str) -> None:
    listed = package(channel=channel)
    assert get_download_url(str(package_url(listed))) == listed.url  # type: ignore[no-untyped-call]


def test_image_url() -> None:
    reference = Reference.parse("debian:12")
    assert str(image_url("Debian", DIGEST, architecture="arm64", reference=reference)) == (
        f"pkg:oci/debian@{DIGEST}?arch=arm64&repository_url=docker.io/library/debian&tag=12"
    )
    assert str(image_url("image", DIGEST)) == f"pkg:oci/image@{DIGEST}"


def test_channel_of() -> None:
    assert channel_of(package()) == CHANNEL
    assert channel_of(package(channel="file:///local")) == "file:///local"
    assert channel_of(package(url="")) == ""
