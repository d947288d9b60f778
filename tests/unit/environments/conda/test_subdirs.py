"""Platforms under both of their names."""

from __future__ import annotations

import pytest

from docker_envs.environments.conda.subdirs import parse_platform, subdir_of
from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform


@pytest.mark.parametrize(
    ("text", "subdir"),
    [
        ("linux/amd64", "linux-64"),
        ("linux/arm64", "linux-aarch64"),
        ("linux/arm64/v8", "linux-aarch64"),
        ("linux/386", "linux-32"),
        ("linux/arm/v7", "linux-armv7l"),
        ("linux/x86_64", "linux-64"),
        ("linux/aarch64", "linux-aarch64"),
        ("linux-64", "linux-64"),
        ("linux-aarch64", "linux-aarch64"),
        ("linux-ppc64le", "linux-ppc64le"),
        ("linux-s390x", "linux-s390x"),
        ("linux-riscv64", "linux-riscv64"),
    ],
)
def test_both_spellings(text: str, subdir: str) -> None:
    assert subdir_of(parse_platform(text)) == subdir


@pytest.mark.parametrize(
    "platform", [Platform("windows", "amd64"), Platform("linux", "mips"), Platform("darwin", "arm64")]
)
def test_platforms_without_packages(platform: Platform) -> None:
    with pytest.raises(InvalidInputError, match="conda has no packages for containers of platform") as caught:
        subdir_of(platform)
    assert caught.value.hint is not None
    assert "`linux/amd64`" in caught.value.hint


@pytest.mark.parametrize("text", ["osx-64", "win-64", "linux", "", "linux/"])
def test_texts_that_are_no_platform(text: str) -> None:
    with pytest.raises(InvalidInputError):
        subdir_of(parse_platform(text))
