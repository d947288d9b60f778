"""Places of images as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import DockerEnvsError, InvalidInputError, InvalidReferenceError
from docker_envs.images.location import STREAM, Location, Transport, parse_location
from docker_envs.oci.reference import Reference

APP = Reference.parse("example.org/app:1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.org/app:1", Location(Transport.REGISTRY, APP)),
        ("docker://example.org/app:1", Location(Transport.REGISTRY, APP)),
        ("debian", Location(Transport.REGISTRY, Reference.parse("docker.io/library/debian:latest"))),
        ("docker:24", Location(Transport.REGISTRY, Reference.parse("docker.io/library/docker:24"))),
        ("oci/app:1", Location(Transport.REGISTRY, Reference.parse("docker.io/oci/app:1"))),
        ("localhost:5000/app", Location(Transport.REGISTRY, Reference.parse("localhost:5000/app:latest"))),
        ("docker-daemon:example.org/app:1", Location(Transport.ENGINE, APP)),
        ("docker-archive:a.tar", Location(Transport.DOCKER_ARCHIVE, path=Path("a.tar"))),
        ("docker-archive:a.tar:example.org/app:1", Location(Transport.DOCKER_ARCHIVE, None, Path("a.tar"), str(APP))),
        ("docker-archive:-", Location(Transport.DOCKER_ARCHIVE, path=STREAM)),
        ("-", Location(Transport.DOCKER_ARCHIVE, path=STREAM)),
        ("oci-archive:/a/b.tar:1", Location(Transport.OCI_ARCHIVE, None, Path("/a/b.tar"), "1")),
        ("oci:layout", Location(Transport.LAYOUT, path=Path("layout"))),
        ("oci:layout:1", Location(Transport.LAYOUT, None, Path("layout"), "1")),
        (f"oci:layout:sha256:{'0' * 64}", Location(Transport.LAYOUT, None, Path("layout"), f"sha256:{'0' * 64}")),
        ("./a.tar", Location(Transport.DOCKER_ARCHIVE, path=Path("a.tar"))),
        ("/a/new/", Location(Transport.LAYOUT, path=Path("/a/new"))),
    ],
)
def test_places(text: str, expected: Location) -> None:
    assert parse_location(text) == expected
    assert parse_location(str(expected)) == expected


def test_a_directory_is_a_layout(tmp_path: Path) -> None:
    assert parse_location(str(tmp_path)).transport is Transport.LAYOUT


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", InvalidReferenceError, "invalid image reference ''"),
        ("Not A Name", InvalidReferenceError, "invalid image reference 'Not A Name'"),
        ("docker://", InvalidReferenceError, "'docker://'"),
        ("docker-daemon:", InvalidReferenceError, "'docker-daemon:'"),
        ("oci:", InvalidInputError, "`oci:` names no file"),
        ("docker-archive::app:1", InvalidInputError, "names no file"),
        ("containers-storage:app", InvalidInputError, "`containers-storage:` is not supported"),
        ("dir:app", InvalidInputError, "`dir:` is not supported"),
    ],
)
def test_what_is_no_place(text: str, error: type[DockerEnvsError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        parse_location(text)
    assert caught.value.hint


def test_kinds_of_places() -> None:
    with pytest.raises(InvalidInputError, match="no name in a registry"):
        _ = parse_location("oci:layout").registry_reference
    with pytest.raises(InvalidInputError, match="is no file"):
        _ = parse_location("app").host_path


@given(st.text(max_size=60))
def test_any_text_is_a_place_or_an_input_error(text: str) -> None:
    try:
        found = parse_location(text)
    except InvalidInputError:
        return
    assert parse_location(str(found)) == found
