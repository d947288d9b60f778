"""`apt` of a declaration; what is wrong with it is told in `docs/declaration-errors.md`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import jsonschema
import pytest
import yaml

from docker_envs.environments.debian.declarations.declaration import AptDeclaration, Seed
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import AptSource, debian_sources
from docker_envs.fields import parse_json
from docker_envs.projects.request import image_requests
from docker_envs.projects.schema import schema_text
from tests.unit.projects.support import image, project, refusal

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = jsonschema.Draft202012Validator(parse_json(schema_text().encode(), source="schema"))
GIT, CURL = PackageRequest("git"), PackageRequest("curl")


def read(folder: Path, text: str) -> AptDeclaration:
    found = image(folder, text).apt
    assert found is not None
    assert found.source == str(folder / "docker-env.yaml")
    return found


def test_nothing(tmp_path: Path) -> None:
    assert image(tmp_path, "base: scratch\n").apt is None
    assert image(tmp_path, "apt:\n").apt is None


def test_a_list(tmp_path: Path) -> None:
    found = read(tmp_path, 'apt: [git, "openssl=3.5.*", git/trixie-backports, "libc6:amd64", git]\n')
    assert [str(each) for each in found.requests] == [
        "git", "openssl=3.5.*", "git/trixie-backports", "libc6:amd64",
    ]  # fmt: skip
    assert (found.sources, found.seed, found.recommends) == ((), None, False)


def test_a_mapping(tmp_path: Path) -> None:
    text = (
        "apt: {packages: [git], suite: bookworm, components: [main, contrib], seed: apt, recommends: true, mirror: }\n"
    )
    SCHEMA.validate(yaml.safe_load(text))
    found = read(tmp_path, text)
    assert found.requests == (GIT,)
    assert found.sources == debian_sources("bookworm", ("main", "contrib"))
    assert (found.seed, found.recommends) == (Seed.APT, True)


def test_an_archive_with_all_that_can_be_said(tmp_path: Path) -> None:
    text = """\
apt:
  sources:
  - uri: https://deb.example.org/x
    suites: [./]
    signed_by: src/key.asc
    architectures: [amd64]
    check_valid_until: false
  - {uri: "file:/srv/debian", suites: [sid], components: [main]}
"""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/key.asc").touch()
    SCHEMA.validate(yaml.safe_load(text))
    first, second = read(tmp_path, text).sources
    assert first == AptSource(
        "https://deb.example.org/x",
        ("./",),
        signed_by=str(tmp_path / "src/key.asc"),
        architectures=("amd64",),
        check_valid_until=False,
    )
    assert second == AptSource("file:/srv/debian", ("sid",), ("main",))


@pytest.mark.parametrize(
    "key", ["-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nx\n", "0123456789ABCDEF0123456789ABCDEF01234567"]
)
def test_keys_that_are_no_files(tmp_path: Path, key: str) -> None:
    document = {"apt": {"sources": [{"uri": "http://host", "suites": ["./"], "signed_by": key}]}}
    (source,) = read(tmp_path, yaml.safe_dump(document)).sources
    assert source.signed_by == key


@pytest.mark.parametrize(
    "written", ["2026-01-31", '"2026-01-31"', "20260131", "20260131T000000Z", "2026-01-31T00:00:00Z"]
)
def test_times_of_snapshots_as_yaml_takes_them(tmp_path: Path, written: str) -> None:
    assert read(tmp_path, f"apt: {{snapshot: {written}}}\n").snapshot == datetime(2026, 1, 31, tzinfo=UTC)


def test_variables(tmp_path: Path) -> None:
    text = """\
interpolate: [SUITE, TIME, SEED, HOST, PACKAGE]
apt:
  packages: ["${PACKAGE}"]
  suite: ${SUITE}
  mirror: ${HOST}
  seed: ${SEED}
  snapshot: ${TIME}
"""
    SCHEMA.validate(yaml.safe_load(text))
    values = {"SUITE": "sid", "TIME": "20260131", "SEED": "none", "HOST": "http://host", "PACKAGE": "git"}
    found = image(tmp_path, text, **values).apt
    assert found is not None
    assert (found.requests, found.seed, found.sources[0].uri) == ((GIT,), Seed.NONE, "http://host/debian")


def test_files_and_the_section_are_merged(tmp_path: Path) -> None:
    (tmp_path / "apt.txt").write_text("curl\n")
    found = project(tmp_path, "base: scratch\nenvironment: apt.txt\napt: {packages: [git], seed: none}\n")
    (request,) = image_requests(found, found.images[0], cache=tmp_path)
    assert request.apt is not None
    assert set(request.apt.requests) == {CURL, GIT}
    assert request.apt.seed is Seed.NONE
    assert request.declares_packages
    assert request.declaration is None


@pytest.mark.parametrize(
    ("defaults", "own", "requests", "seed", "suites"),
    [
        pytest.param("[git]", "[curl]", (CURL,), None, (), id="a list in place of a list"),
        pytest.param("[git]", "{seed: apt}", (GIT,), Seed.APT, (), id="a mapping over a list"),
        pytest.param(
            "{packages: [git], suite: sid}", "[curl]", (CURL,), None, ("sid",), id="a list over a mapping"
        ),
        pytest.param(
            "{packages: [git], suite: sid, seed: apt}", "{seed: , packages: [curl]}", (CURL,), None, ("sid",),
            id="key by key",
        ),
        pytest.param("{seed: apt}", "", None, None, (), id="nothing over a mapping"),
    ],
)  # fmt: skip
def test_images_that_extend_others(
    tmp_path: Path,
    defaults: str,
    own: str,
    requests: tuple[PackageRequest, ...] | None,
    seed: Seed | None,
    suites: tuple[str, ...],
) -> None:
    text = f"images:\n  one:\n    apt: {defaults}\n  two:\n    extends: one\n    tags: [two]\n    apt: {own}\n"
    SCHEMA.validate(yaml.safe_load(text))
    _, second = project(tmp_path, text).images
    if requests is None:
        assert second.apt is None
        return
    assert second.apt is not None
    assert (second.apt.requests, second.apt.seed) == (requests, seed)
    assert tuple(suite for source in second.apt.sources for suite in source.suites) == suites


def test_what_cannot_be_extended(tmp_path: Path) -> None:
    text = "apt: git\nimages:\n  one: {apt: [curl]}\n"
    assert refusal(tmp_path, text) == "docker-env.yaml:1:6: expected a mapping, got text (`git`)"


@pytest.mark.parametrize(
    "source",
    [
        pytest.param('{uri: "https://me:secret@host", suites: []}', id="no suite"),
        pytest.param('{uri: "https://me:secret@host", suites: [sid]}', id="no component"),
        pytest.param('{uri: "ftp://me:secret@host", suites: [./]}', id="scheme"),
        pytest.param('{uri: "https:me:secret@host", suites: [./]}', id="no slashes"),
        pytest.param('{uri: "me:secret@host", suites: [./]}', id="no scheme"),
        pytest.param('{uri: "http://me:secret@[host", suites: [./]}', id="brackets"),
        pytest.param('"deb https://me:secret@host/debian sid main"', id="a line"),
        pytest.param('"deb https://me:secret-that-is-so-long-that-a-message-cuts-it-in-two@host/ sid main"', id="long"),
    ],
)
def test_passwords_are_not_repeated(tmp_path: Path, source: str) -> None:
    assert "secret" not in refusal(tmp_path, f"apt:\n  sources: [{source}]\n")
