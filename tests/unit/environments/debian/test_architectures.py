from __future__ import annotations

import pytest

from docker_envs.environments.debian.architectures import debian_architecture
from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform


@pytest.mark.parametrize(
    ("platform", "architecture"),
    [
        ("linux/amd64", "amd64"),
        ("linux/amd64/v3", "amd64"),
        ("linux/arm64", "arm64"),
        ("linux/arm64/v8", "arm64"),
        ("linux/arm/v7", "armhf"),
        ("linux/arm/v5", "armel"),
        ("linux/ppc64le", "ppc64el"),
        ("linux/386", "i386"),
    ],
)
def test_architectures(platform: str, architecture: str) -> None:
    assert debian_architecture(Platform.parse(platform)) == architecture


@pytest.mark.parametrize("platform", ["windows/amd64", "linux/sparc", "linux/arm64/v9"])
def test_no_architecture(platform: str) -> None:
    with pytest.raises(InvalidInputError, match=f"Debian has no packages for `{platform}`"):
        debian_architecture(Platform.parse(platform))
