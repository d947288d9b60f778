"""Which requirements of wheels are not met by what is there."""

from __future__ import annotations

import pytest

from docker_envs.environments.pypi.consistency import unmet_requirements
from docker_envs.environments.pypi.installation import Installation
from docker_envs.environments.pypi.package import PypiPackage
from docker_envs.environments.pypi.planned import ReadWheel


def wheel(name: str, *conditions: str) -> ReadWheel:
    package = PypiPackage.from_url(f"https://x.example/{name}-1.5-py3-none-any.whl")
    place = Installation("/opt/conda", "3.11", "lib/python3.11/site-packages", 0)
    return ReadWheel(package, "0" * 64, 1, place, {}, f"{name}-1.5.dist-info", conditions=conditions)


@pytest.mark.parametrize(
    ("requirement", "unmet"),
    [
        ("numpy", False),
        ("numpy>=2,<3", False),
        ("numpy<2", True),
        ("NumPy==2.1.*", False),
        ("numpy>=2.2; python_version >= '3'", True),
        ("other==1.5", False),
        ("other>2", True),
        ("missing", True),
        ("early>=1.0rc1", False),
    ],
)
def test_requirements(requirement: str, unmet: bool) -> None:
    found = unmet_requirements([wheel("web", requirement), wheel("other")], {"numpy": "2.1.0", "early": "1.0rc2"})
    assert found == ([("web", requirement.partition(";")[0])] if unmet else [])
