"""What was read of a wheel comes back as it was, for the same place only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.environments.pypi.installation import Installation
from docker_envs.environments.pypi.kept_wheel import decode_wheel, encode_wheel, wheel_key
from docker_envs.environments.pypi.package import PypiPackage
from docker_envs.environments.pypi.planned import read_wheel
from docker_envs.environments.pypi.target import PypiTarget
from tests.images import AMD64
from tests.packages.distribution import sha256_of, write_distribution

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.environments.pypi.planned import ReadWheel

PLACE = Installation("/opt/venv", "3.11", "lib/python3.11/site-packages", 1)
ENVIRONMENT = PypiTarget(AMD64, "3.11.2").environment


def read(folder: Path) -> ReadWheel:
    path = write_distribution(
        folder, "demo", "1.0", requires=["other>=1; python_version > '3'"], files={"demo.py": b"1"}
    )
    package = PypiPackage.from_url(path.as_uri(), sha256=sha256_of(path), size=path.stat().st_size)
    return read_wheel(path, package, PLACE, sha256=sha256_of(path), size=path.stat().st_size, environment=ENVIRONMENT)


def test_a_wheel_comes_back(tmp_path: Path) -> None:
    found = read(tmp_path)
    content = encode_wheel(found)
    assert content is not None
    assert decode_wheel(content, found.package, PLACE) == found
    assert found.requires == ("other",)


def test_what_is_kept_is_for_this_wheel(tmp_path: Path) -> None:
    found = read(tmp_path)
    content = encode_wheel(found)
    assert content is not None
    assert decode_wheel(content, replace(found.package, size=1), PLACE) is None
    assert decode_wheel(b"nonsense", found.package, PLACE) is None
    assert decode_wheel(content, replace(found.package, sha256=None), PLACE) is None


@pytest.mark.parametrize(
    "other",
    [
        {"package": {"requested": True}},
        {"package": {"sha256": "0" * 64}},
        {"package": {"direct": True, "url": "https://example.org/demo-1.0-py3-none-any.whl"}},
        {"place": {"prefix": "/opt/other"}},
        {"place": {"version": "3.12"}},
        {"target": PypiTarget(AMD64, "3.11.3")},
    ],
    ids=["requested", "digest", "direct", "prefix", "version", "markers"],
)
def test_all_that_it_depends_on_is_in_its_name(tmp_path: Path, other: dict[str, object]) -> None:
    package = read(tmp_path).package
    changes = {name: value for name, value in other.items() if isinstance(value, dict)}
    target = other.get("target")
    environment = target.environment if isinstance(target, PypiTarget) else ENVIRONMENT
    changed = wheel_key(
        replace(package, **changes.get("package", {})), replace(PLACE, **changes.get("place", {})), environment
    )
    assert changed != wheel_key(package, PLACE, ENVIRONMENT)


def test_without_a_digest_nothing_is_kept(tmp_path: Path) -> None:
    assert wheel_key(replace(read(tmp_path).package, sha256=None), PLACE, ENVIRONMENT) is None
