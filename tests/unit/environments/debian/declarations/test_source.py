from __future__ import annotations

from datetime import UTC, datetime

import pytest

from docker_envs.environments.debian.declarations.declaration import AptDeclaration, Seed, merge_apt_declarations
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import (
    AptSource,
    debian_sources,
    parse_snapshot,
    snapshot_text,
)
from docker_envs.errors import InvalidInputError

TIME = datetime(2025, 5, 20, tzinfo=UTC)


def test_sources_of_a_release() -> None:
    main, security = debian_sources("bookworm", ("main", "contrib"), mirror="https://host/")
    assert (main.uri, main.suites) == ("https://host/debian", ("bookworm", "bookworm-updates"))
    assert (security.root, security.suites) == ("https://host/debian-security/", ("bookworm-security",))
    assert {main.components, security.components} == {("main", "contrib")}


def test_rolling_releases_have_no_updates() -> None:
    assert [source.suites for source in debian_sources("sid")] == [("sid",)]


def test_snapshots() -> None:
    declaration = AptDeclaration(sources=debian_sources("bookworm"), snapshot=TIME)
    assert [source.uri for source in declaration.archives()] == [
        "http://snapshot.debian.org/archive/debian/20250520T000000Z",
        "http://snapshot.debian.org/archive/debian-security/20250520T000000Z",
    ]
    assert not any(source.check_valid_until for source in declaration.archives())


def test_archives_without_history_have_no_snapshot() -> None:
    with pytest.raises(InvalidInputError, match=r"`https://host/ubuntu` has no snapshots"):
        AptSource("https://host/ubuntu", ("noble",), ("main",)).at(TIME)


@pytest.mark.parametrize("text", ["20250520T000000Z", "2025-05-20T00:00:00Z", "20250520", "2025-05-20"])
def test_times_of_snapshots(text: str) -> None:
    assert parse_snapshot(text) == TIME
    assert snapshot_text(parse_snapshot(text)) == "20250520T000000Z"


def test_no_time() -> None:
    with pytest.raises(InvalidInputError, match="'yesterday' is not the time of a snapshot"):
        parse_snapshot("yesterday")


@pytest.mark.parametrize(
    ("uri", "suites", "components", "message"),
    [
        ("ftp://host/debian", ("sid",), ("main",), "is not the address of an archive"),
        ("http://host/debian", (), ("main",), "without a suite"),
        ("http://host/debian", ("../../x",), ("main",), "neither a suite nor a component"),
        ("http://host/debian", ("sid",), ("a b",), "neither a suite nor a component"),
        ("http://host/debian", ("sid",), (), "need components"),
        ("http://host/debian", ("./",), ("main",), "need components"),
    ],
)
def test_malformed(uri: str, suites: tuple[str, ...], components: tuple[str, ...], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        AptSource(uri, suites, components)


def test_the_default_is_debian() -> None:
    assert AptDeclaration().archives() == debian_sources()


def test_merge() -> None:
    git, curl = PackageRequest("git"), PackageRequest("curl")
    one = AptDeclaration((git,), debian_sources("bookworm"), TIME, Seed.APT, source="one")
    two = AptDeclaration((curl, git), recommends=True, source="two")
    assert merge_apt_declarations([one, two]) == AptDeclaration(
        (git, curl), debian_sources("bookworm"), TIME, Seed.APT, recommends=True, source="one, two"
    )


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://me:sec@ret@host:8080/debian", "https://host:8080/debian"),
        ("http://host/debian/", "http://host/debian/"),
        ("file:/srv/debian", "file:///srv/debian"),
    ],
)
def test_addresses_without_credentials(uri: str, expected: str) -> None:
    assert AptSource(uri, ("./",)).public_uri == expected


@pytest.mark.parametrize(
    "uri", ["https:me:secret@host", "me:secret@host/debian", "http://me:secret@[x", "https://", "file:", "ftp://host"]
)
def test_what_is_no_address(uri: str) -> None:
    with pytest.raises(InvalidInputError, match="is not the address of an archive") as caught:
        AptSource(uri, ("./",))
    assert "secret" not in str(caught.value)
