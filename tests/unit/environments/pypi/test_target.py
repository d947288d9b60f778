"""Tags and markers of targets; of this machine, they are those that packaging finds."""

from __future__ import annotations

import platform
import sys
from dataclasses import replace

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from docker_envs.environments.pypi.target import PypiTarget
from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform
from tests.unit.environments.pypi.support import ALPINE, AMD64, ARM64

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def host() -> PypiTarget:
    name, version = platform.libc_ver()
    if name != "glibc" or sys.implementation.name != "cpython":
        pytest.skip("packaging finds tags of other kinds")
    major, minor = map(int, version.split(".")[:2])
    here = Platform("linux", ARCHITECTURES[platform.machine()])
    return PypiTarget(here, platform.python_version(), "glibc", (major, minor))


def test_tags_of_this_machine() -> None:
    assert list(map(str, host().tags)) == list(map(str, sys_tags()))


def test_markers_of_this_machine() -> None:
    ours, theirs = host().environment, default_environment()
    assert ours.keys() == theirs.keys()
    unknown = {"platform_release", "platform_version"}
    assert {**ours, **dict.fromkeys(unknown, "")} == {**theirs, **dict.fromkeys(unknown, "")}


@pytest.mark.parametrize(
    ("target", "first", "some", "none"),
    [
        (AMD64, "cp311-cp311-manylinux_2_36_x86_64", "py3-none-manylinux1_x86_64", "cp311-cp311-manylinux_2_37_x86_64"),
        (ARM64, "cp311-cp311-manylinux_2_36_aarch64", "cp37-abi3-manylinux2014_aarch64",
         "cp311-cp311-manylinux2010_aarch64"),
        (ALPINE, "cp311-cp311-musllinux_1_2_x86_64", "cp311-cp311-musllinux_1_0_x86_64",
         "cp311-cp311-manylinux_2_17_x86_64"),
        (replace(AMD64, python="3.14", free_threaded=True), "cp314-cp314t-manylinux_2_36_x86_64",
         "cp314-none-manylinux_2_5_x86_64", "cp313-abi3-manylinux_2_36_x86_64"),
        (replace(AMD64, platform=Platform("linux", "riscv64")), "cp311-cp311-manylinux_2_36_riscv64",
         "cp311-cp311-manylinux_2_17_riscv64", "cp311-cp311-manylinux2014_riscv64"),
        (replace(AMD64, libc_version=None), "cp311-cp311-manylinux_2_28_x86_64", "py3-none-any",
         "cp311-cp311-manylinux_2_29_x86_64"),
    ],
    ids=["amd64", "arm64", "alpine", "free-threaded", "riscv64", "unknown"],
)  # fmt: skip
def test_tags(target: PypiTarget, first: str, some: str, none: str) -> None:
    tags = list(map(str, target.tags))
    assert tags[0].startswith(f"{first.rpartition('-')[0]}-linux_")
    assert tags[1] == first
    assert some in tags
    assert none not in tags
    assert tags[-1] == "py30-none-any"
    assert len(tags) == len(set(tags))


@pytest.mark.parametrize(
    "change",
    [
        {"platform": Platform("windows", "amd64")},
        {"platform": Platform("linux", "mips")},
        {"libc": "uclibc"},
        {"python": "2.7"},
        {"python": "3"},
        {"python": "3.11.0rc1"},
    ],
)
def test_what_is_no_target(change: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError):
        replace(AMD64, **change)  # type: ignore[arg-type]  # each is a field
