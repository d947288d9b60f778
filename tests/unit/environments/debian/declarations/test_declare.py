"""What options and files say about Debian packages, as one declaration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from docker_envs.environments.debian.declarations.declaration import AptDeclaration, Seed
from docker_envs.environments.debian.declarations.declare import AptSettings, declare_packages
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import AptSource, debian_sources
from docker_envs.errors import InvalidInputError

GIT = (PackageRequest("git"),)
OTHER = AptSource("https://deb.example.org", ("stable",), ("main",))
TIME = datetime(2026, 1, 31, tzinfo=UTC)


def declare(**settings: Any) -> AptDeclaration:
    return declare_packages(GIT, AptSettings(**settings), source="here")


def test_packages_alone_leave_the_rest_open() -> None:
    assert declare() == AptDeclaration(requests=GIT, source="here")


def test_a_suite_is_one_of_debian_with_its_updates() -> None:
    assert declare(suite="bookworm").sources == debian_sources("bookworm")
    found = declare(suite="sid", mirror="https://mirror.example.org", components=("main", "contrib"))
    assert found.sources == (AptSource("https://mirror.example.org/debian", ("sid",), ("main", "contrib")),)


def test_the_rest_is_kept_as_it_is_said() -> None:
    found = declare(sources=(OTHER,), seed=Seed.APT, recommends=True)
    assert found == AptDeclaration(requests=GIT, sources=(OTHER,), seed=Seed.APT, recommends=True, source="here")


def test_a_snapshot_of_debian() -> None:
    assert {source.uri for source in declare(suite="trixie", snapshot=TIME).archives()} == {
        "http://snapshot.debian.org/archive/debian/20260131T000000Z",
        "http://snapshot.debian.org/archive/debian-security/20260131T000000Z",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"suite": "sid", "sources": (OTHER,)},
            "`suite` is about Debian's own archives, and `sources` names others",
            id="a suite and archives",
        ),
        pytest.param(
            {"mirror": "http://host", "sources": (OTHER,)},
            "`mirror` is about Debian's own archives, and `sources` names others",
            id="a mirror and archives",
        ),
        pytest.param({"mirror": "http://host"}, "`mirror` says nothing without `suite`", id="a mirror alone"),
        pytest.param({"components": ("main",)}, "`components` says nothing without `suite`", id="components alone"),
        pytest.param({"suite": "a b"}, "'a b' is neither a suite nor a component of an archive", id="no suite"),
        pytest.param({"suite": "../x"}, "'../x' is neither a suite nor a component of an archive", id="a way out"),
        pytest.param({"suite": "sid", "mirror": "host"}, "`host/debian` is not the address of an archive", id="no URL"),
        pytest.param(
            {"sources": (OTHER,), "snapshot": TIME}, "`https://deb.example.org` has no snapshots", id="no snapshots"
        ),
    ],
)
def test_contradictions(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        declare(**settings)
    assert str(caught.value) == message


def test_messages_call_things_as_the_author_did() -> None:
    with pytest.raises(InvalidInputError, match="`--apt-mirror` says nothing without `--apt-suite`"):
        declare_packages(
            (), AptSettings(mirror="http://host"), source="", names={"suite": "--apt-suite", "mirror": "--apt-mirror"}
        )
