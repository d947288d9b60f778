"""What `run` makes of its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_envs.cli.local_run import name_of_folder
from docker_envs.cli.run import _split
from docker_envs.errors import InvalidInputError
from docker_envs.oci.reference import Reference


@pytest.mark.parametrize(
    ("words", "dashed", "has_file", "expected"),
    [
        ([], None, False, (None, [])),
        (["image"], None, False, ("image", [])),
        (["image", "ls", "-l"], None, False, ("image", ["ls", "-l"])),
        (["image"], ["ls", "--", "x"], False, ("image", ["ls", "--", "x"])),
        (["image", "env"], ["ls"], False, ("image", ["env", "ls"])),
        ([], ["ls"], False, (None, ["ls"])),
        ([], ["ls"], True, (None, ["ls"])),
        (["ls"], None, True, (None, ["ls"])),
    ],
)
def test_image_and_command(
    words: list[str], dashed: list[str] | None, expected: tuple[str | None, list[str]], *, has_file: bool
) -> None:
    assert _split(words, dashed, has_file=has_file) == expected


def test_an_image_beside_a_file() -> None:
    with pytest.raises(InvalidInputError, match="exclude each other"):
        _split(["image"], ["ls"], has_file=True)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("My Project!", "my-project"), ("a_b.c", "a-b-c"), ("é", "environment"), ("", "environment"), ("--x", "x")],
)
def test_names_of_folders(folder: str, name: str) -> None:
    found = name_of_folder(Path("/") / folder)
    assert found == f"localhost/{name}:latest"
    assert str(Reference.parse(found)) == found
