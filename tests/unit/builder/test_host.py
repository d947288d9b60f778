"""What a build takes from the machine when nobody says otherwise."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from docker_envs.builder.host import cache_directory, parse_base, parse_target_platform, source_date_epoch
from docker_envs.errors import InvalidInputError, InvalidReferenceError


def test_bases() -> None:
    assert parse_base("scratch") is None
    assert str(parse_base("debian:12")) == "docker.io/library/debian:12"
    assert parse_base("docker://debian:12") == parse_base("debian:12")
    with pytest.raises(InvalidReferenceError):
        parse_base("Not A Name")


@pytest.mark.parametrize(
    ("machine", "expected"), [("x86_64", "linux/amd64"), ("arm64", "linux/arm64"), ("AMD64", "linux/amd64")]
)
def test_the_default_platform_is_linux_on_this_cpu(
    monkeypatch: pytest.MonkeyPatch, machine: str, expected: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert str(parse_target_platform(None)).startswith(expected)
    assert str(parse_target_platform("linux/s390x")) == "linux/s390x"


def test_cache_directories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCKER_ENVS_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_directory(None) == tmp_path / ".cache/docker-envs"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_directory(None) == Path("/xdg/docker-envs")
    monkeypatch.setenv("DOCKER_ENVS_CACHE", "/own")
    assert cache_directory(None) == Path("/own")
    assert cache_directory(Path("/given")) == Path("/given")


@pytest.mark.parametrize(("text", "expected"), [("", None), ("0", 0), ("1700000000", 1_700_000_000)])
def test_the_epoch(monkeypatch: pytest.MonkeyPatch, text: str, expected: int | None) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    assert source_date_epoch() == expected


def test_no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert source_date_epoch() is None


@pytest.mark.parametrize("text", ["-1", "now", "1.5", " 1", "9" * 12, "²"])
def test_epochs_that_make_no_sense(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    with pytest.raises(InvalidInputError) as caught:
        source_date_epoch()
    assert str(caught.value) == f"invalid `SOURCE_DATE_EPOCH` {text!r}: expected seconds since 1970"
