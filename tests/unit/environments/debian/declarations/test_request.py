from __future__ import annotations

import pytest

from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("git", ("git", "", "", "")),
        ("libstdc++6", ("libstdc++6", "", "", "")),
        ("git=1:2.39*", ("git", "", "1:2.39*", "")),
        ("libc6:arm64=2.36-9/bookworm", ("libc6", "arm64", "2.36-9", "bookworm")),
        ("git/bookworm-backports", ("git", "", "", "bookworm-backports")),
    ],
)
def test_requests(text: str, parts: tuple[str, ...]) -> None:
    request = PackageRequest.parse(f" {text}\n")
    assert (request.name, request.architecture, request.version, request.suite) == parts
    assert str(request) == text


def test_allowed_versions() -> None:
    request = PackageRequest.parse("git=1:2.3?.*")
    assert [version for version in ("1:2.39.5", "1:2.4", "2.39.5") if request.allows(version)] == ["1:2.39.5"]
    assert PackageRequest.parse("git").allows("3")


@pytest.mark.parametrize("text", ["", "Git", "git=", "git==1", "git>=1", "git foo", "-y", "git/", "git=1[0-9]"])
def test_malformed(text: str) -> None:
    with pytest.raises(InvalidInputError, match="does not name a Debian package"):
        PackageRequest.parse(text)
