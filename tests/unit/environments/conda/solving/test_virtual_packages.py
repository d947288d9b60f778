"""Virtual packages are those of the target, never of the host."""

from __future__ import annotations

import pytest

from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage, virtual_packages
from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("__cuda", VirtualPackage("__cuda", "0", "0")),
        ("__cuda=12.4", VirtualPackage("__cuda", "12.4", "0")),
        ("__archspec=1=x86_64_v3", VirtualPackage("__archspec", "1", "x86_64_v3")),
    ],
)
def test_parse(text: str, expected: VirtualPackage) -> None:
    package = VirtualPackage.parse(text)
    assert package == expected
    assert VirtualPackage.parse(str(package)) == package


@pytest.mark.parametrize(
    "text", ["", "cuda=12", "__cuda=", "__cuda=12=", "__cuda 12", "__cuda==12", "__CUDA=1", "__cuda=1\n"]
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        VirtualPackage.parse(text)
    assert str(caught.value) == f"invalid virtual package {text!r}"
    assert caught.value.hint == "write it as `__cuda=12.4`"


@pytest.mark.parametrize(
    ("architecture", "archspec"), [("amd64", "x86_64"), ("arm64", "aarch64"), ("ppc64le", "ppc64le"), ("mips", None)]
)
def test_defaults_follow_the_platform(architecture: str, archspec: str | None) -> None:
    found = {package.name: package for package in virtual_packages(Platform("linux", architecture))}
    assert found.keys() - {"__archspec"} == {"__glibc", "__linux", "__unix"}
    assert (found["__archspec"].build if archspec else None) == archspec
    assert ("__archspec" in found) is (archspec is not None)
    assert "__cuda" not in found


def test_an_override_replaces_its_default_and_cuda_is_there_when_asked_for() -> None:
    overrides = [VirtualPackage("__glibc", "2.17"), VirtualPackage("__cuda", "12.4")]
    found = virtual_packages(Platform("linux", "amd64"), overrides)
    assert [package.name for package in found] == ["__archspec", "__cuda", "__glibc", "__linux", "__unix"]
    assert [str(package) for package in found if package in overrides] == ["__cuda=12.4=0", "__glibc=2.17=0"]
