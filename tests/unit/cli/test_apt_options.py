"""Options about Debian packages, and what goes with them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.cli.apt_options import AptOptions
from docker_envs.cli.requests import EnvironmentOptions
from docker_envs.environments.debian.declarations.declaration import Seed
from docker_envs.environments.debian.declarations.source import AptSource, debian_sources
from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.request import BuildRequest

STANZA = "Types: deb\nURIs: https://deb.example.org\nSuites: ./\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def request(**options: Any) -> BuildRequest:
    (found,) = EnvironmentOptions(base="scratch", platform=["linux/amd64"], cache_dir=None, **options).job().requests
    return found


def test_no_option_says_nothing() -> None:
    assert AptOptions().apt_declaration() is None


def test_packages_of_several_options_and_separators() -> None:
    found = AptOptions(apt=["git, curl", "openssl=3.5.*", "git"]).apt_declaration()
    assert found is not None
    assert [str(each) for each in found.requests] == ["git", "curl", "openssl=3.5.*"]
    assert (found.sources, found.source) == ((), "command line")


def test_everything_else() -> None:
    found = AptOptions(apt_suite="bookworm", apt_mirror="https://host", apt_seed="apt", apt_recommends=True,
                       apt_snapshot="2026-01-31").apt_declaration()  # fmt: skip
    assert found is not None
    assert found.sources == debian_sources("bookworm", mirror="https://host")
    assert (found.seed, found.recommends, found.snapshot) == (Seed.APT, True, datetime(2026, 1, 31, tzinfo=UTC))


def test_archives_by_line_and_by_file(folder: Path) -> None:
    (folder / "own.sources").write_text(STANZA)
    (folder / "own.list").write_text("deb http://list.example.org sid main\n")
    line = "deb [arch=amd64 signed-by=/keys/a.gpg] https://line.example.org stable main extra"
    found = AptOptions(apt_source=[line, "own.sources", str(folder / "own.list")]).apt_declaration()
    assert found is not None
    assert found.sources == (
        AptSource("https://line.example.org", ("stable",), ("main", "extra"), "/keys/a.gpg", ("amd64",)),
        AptSource("https://deb.example.org", ("./",)),
        AptSource("http://list.example.org", ("sid",), ("main",)),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"apt": ["Git Hub!"]}, "'Git' does not name a Debian package", id="package"),
        pytest.param({"apt": ["git>=2"]}, "'git>=2' does not name a Debian package", id="constraint"),
        pytest.param({"apt_mirror": "http://x"}, "`--apt-mirror` says nothing without `--apt-suite`", id="mirror"),
        pytest.param(
            {"apt_suite": "sid", "apt_source": ["deb http://x sid main"]},
            "`--apt-suite` is about Debian's own archives, and `--apt-source` names others",
            id="suite and source",
        ),
        pytest.param({"apt_seed": "esential"}, "esential", id="seed"),
        pytest.param({"apt_snapshot": "31.1.2026"}, "'31.1.2026' is not the time of a snapshot", id="snapshot"),
        pytest.param(
            {"apt_snapshot": "2026-01-31", "apt_source": ["deb http://x sid main"]},
            "`http://x` has no snapshots",
            id="snapshot of another archive",
        ),
        pytest.param(
            {"apt_source": ["deb-src http://x sid main"]},
            "`--apt-source deb-src http://x sid main` names no archive of packages",
            id="sources",
        ),
        pytest.param({"apt_source": ["deb http://x"]}, "`--apt-source`: 'deb http://x' does not name", id="no suite"),
        pytest.param(
            {"apt_source": ["http://x"]},
            "`--apt-source http://x` is neither an archive nor a list of these",
            id="no line",
        ),
        pytest.param({"apt_source": ["none.list"]}, "none.list", id="no file"),
    ],
)
def test_what_makes_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        AptOptions(**options).apt_declaration()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "deb https://me:secret@host/debian",
        "deb https://me:secret@host/debian sid",
        "deb https://me:secret@host/debian ../sid main",
        "deb me:secret@host/debian",
        "deb me:secret@host/debian sid main",
        "deb https:me:secret@host/debian sid main",
        "deb https://me:secret@[host/debian sid main",
        "deb-src https://me:secret@host/debian sid main",
        "https://me:secret@host/debian",
        "me:secret@host",
        "https://me:secret@host/x.list",
    ],
)
def test_passwords_are_not_repeated(source: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        AptOptions(apt_source=[source]).apt_declaration()
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_a_password_of_an_archive_without_snapshots() -> None:
    with pytest.raises(InvalidInputError, match="`https://host` has no snapshots") as caught:
        AptOptions(apt_source=["deb https://me:secret@host sid main"], apt_snapshot="2026-01-31").apt_declaration()
    assert "secret" not in str(caught.value)


def test_named_packages_are_all_there_is(folder: Path) -> None:
    """As with match specs, neither the project nor the environment of the folder is meant."""
    (folder / "docker-env.yaml").write_text("base: scratch\napt: [curl]\n")
    (folder / "environment.yml").write_text("channels: [conda-forge]\ndependencies: [python]\n")
    found = request(apt=["git"])
    assert found.apt is not None
    assert [str(each) for each in found.apt.requests] == ["git"]
    assert (found.declaration, found.pypi) == (None, None)
    assert found.declares_packages


def test_packages_beside_a_file_that_is_named(folder: Path) -> None:
    (folder / "environment.yml").write_text("channels: [conda-forge]\ndependencies: [python]\n")
    (folder / "apt.txt").write_text("curl\n")
    found = request(apt=["git"], file=[folder / "environment.yml", folder / "apt.txt"])
    assert found.declaration is not None
    assert found.apt is not None
    assert sorted(str(each) for each in found.apt.requests) == ["curl", "git"]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"apt": ["git"]}, "--apt"),
        ({"apt_suite": "sid"}, "--apt-suite"),
        ({"apt_mirror": "http://x"}, "--apt-mirror"),
        ({"apt_source": ["deb http://x sid main"]}, "--apt-source"),
        ({"apt_snapshot": "2026-01-31"}, "--apt-snapshot"),
        ({"apt_seed": "none"}, "--apt-seed"),
        ({"apt_recommends": True}, "--apt-recommends"),
    ],
)
def test_a_project_says_it_itself(folder: Path, options: dict[str, Any], name: str) -> None:
    path = folder / "docker-env.yaml"
    path.write_text("base: scratch\napt: [curl]\n")
    with pytest.raises(InvalidInputError) as caught:
        request(file=[path], **options)
    assert str(caught.value) == f"`{name}` cannot be added to `{path}`, which declares the environment itself"
    if name != "--apt":
        with pytest.raises(InvalidInputError, match=f"`{name}` cannot be added to `docker-env.yaml`"):
            request(**options)
