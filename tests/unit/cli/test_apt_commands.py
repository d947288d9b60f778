"""Builds of Debian packages from the command line: what they need and print, and what they keep to themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.packages.debian_archive import Deb, Signer, Suite, write_suite
from tests.simulators.channel import BASIC, PASSWORD, SECRETS, USER, ChannelSimulator
from tests.unit.cli.runner import Outcome, Run, runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOOL = Deb("tool", "1.0-1", fields={"Depends": "library"})
PACKAGES = (TOOL, Deb("library"), Deb("base-files"), Deb("unwanted"))
URI = f"http://{USER}:pass%40word:1@"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("DOCKER_ENVS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("NETRC", "/dev/null")
    return runner(monkeypatch, capfdbinary)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[ChannelSimulator]:
    """A signed archive that asks for a password; its key is in the project."""
    signer = Signer()
    write_suite(tmp_path / "archive", Suite(debs=PACKAGES), signer)
    (tmp_path / "key.asc").write_text(signer.public)
    with (simulator := ChannelSimulator(tmp_path / "archive", private=True)).running():
        yield simulator


def line(archive: ChannelSimulator, tmp_path: Path) -> str:
    return f"deb [signed-by={tmp_path}/key.asc] {archive.channel.replace('http://', URI)} tester main"


def build(run: Run, tmp_path: Path, *arguments: str | Path) -> Outcome:
    return run("build", "--platform", "linux/amd64", "--oci", tmp_path / "out", *arguments)


def packages(run: Run, tmp_path: Path) -> list[str]:
    document: dict[str, Any] = json.loads(run("env", f"oci:{tmp_path}/out", "--format", "record").text)
    return [each["name"] for each in document["packages"]]


def check_that_nothing_tells(tmp_path: Path, *texts: str) -> None:
    """Neither what was printed nor any file that was written has the password."""
    files = [path for part in ("out", "project") for path in (tmp_path / part).rglob("*") if path.is_file()]
    written = {path.name: path.read_bytes() for path in files if path.name != "docker-env.yaml"}
    assert written
    for secret in SECRETS:
        assert all(secret not in text for text in texts)
        assert [name for name, content in written.items() if secret.encode() in content] == []


def test_nothing_but_debian_packages(run: Run, archive: ChannelSimulator, tmp_path: Path) -> None:
    done = build(run, tmp_path, "-b", "scratch", "--apt", "tool", "--apt-source", line(archive, tmp_path))
    assert done.status == 0, done.stderr
    assert "the image is the base as it is" not in done.stderr
    assert "index" in done.stderr
    assert packages(run, tmp_path) == ["base-files", "library", "tool"]
    assert {request.authorization for request in archive.log} == {BASIC}
    check_that_nothing_tells(tmp_path, done.stderr, done.stdout.decode())


def test_a_project_and_its_lock(run: Run, archive: ChannelSimulator, tmp_path: Path) -> None:
    source = {
        "uri": archive.channel.replace("http://", URI),
        "suites": ["tester"],
        "components": ["main"],
        "signed_by": "../key.asc",
    }
    document = {
        "base": "scratch",
        "platforms": ["linux/amd64"],
        "apt": {"packages": ["tool"], "seed": "none", "sources": [source]},
    }
    (tmp_path / "project/docker-env.yaml").write_text(json.dumps(document))
    locked = run("lock")
    assert locked.status == 0, locked.stderr
    done = build(run, tmp_path, "--locked")
    assert done.status == 0, done.stderr
    assert packages(run, tmp_path) == ["library", "tool"]
    planned = run("plan", "--explain")
    check_that_nothing_tells(tmp_path, locked.stderr, done.stderr, done.stdout.decode(), planned.text, planned.stderr)


def test_a_password_of_netrc(
    run: Run, archive: ChannelSimulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    source = line(archive, tmp_path).replace(URI, "http://")
    done = build(run, tmp_path, "-b", "scratch", "--apt", "tool", "--apt-source", source)
    assert done.status == 0, done.stderr


def test_a_wrong_password(run: Run, archive: ChannelSimulator, tmp_path: Path) -> None:
    source = line(archive, tmp_path).replace("pass%40word", "5ecret-and-wrong")
    done = build(run, tmp_path, "-b", "scratch", "--apt", "tool", "--apt-source", source)
    assert done.status == 4
    assert "127.0.0.1" in done.stderr
    assert "5ecret" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_seed_alone_declares_an_image(run: Run, archive: ChannelSimulator, tmp_path: Path) -> None:
    done = build(run, tmp_path, "-b", "scratch", "--apt-seed", "base", "--apt-source", line(archive, tmp_path))
    assert done.status == 0, done.stderr
    assert "the image is the base as it is" not in done.stderr
    assert packages(run, tmp_path) == ["base-files"]


def test_what_an_image_says_of_itself_builds_it_again(run: Run, archive: ChannelSimulator, tmp_path: Path) -> None:
    """To the digest, where every package was asked for."""
    options = ("-b", "scratch", "--apt-source", line(archive, tmp_path), "--quiet", "--apt-seed", "none")
    first = build(run, tmp_path, *options, "--apt", "tool,library").text
    run("env", f"oci:{tmp_path}/out", "--format", "apt.txt", "-o", tmp_path / "apt.txt")
    assert (tmp_path / "apt.txt").read_text() == "library=1.0\ntool=1.0-1\n"
    assert build(run, tmp_path, *options, "-f", tmp_path / "apt.txt").text == first
