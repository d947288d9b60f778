"""What `run` makes of its arguments."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from docker_envs.builder.host import parse_target_platform
from docker_envs.cli.commands import VERBS
from docker_envs.cli.local_run import LocalOptions, name_of_folder
from docker_envs.cli.run import _split
from docker_envs.errors import InvalidInputError
from docker_envs.oci.reference import Reference


@pytest.mark.parametrize(
    ("words", "dashed", "declares", "expected"),
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
    words: list[str], dashed: list[str] | None, expected: tuple[str | None, list[str]], *, declares: bool
) -> None:
    assert _split(words, dashed, declares=declares) == expected


def test_an_image_beside_a_declaration() -> None:
    with pytest.raises(InvalidInputError, match="exclude each other"):
        _split(["image"], ["ls"], declares=True)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("My Project!", "my-project"), ("a_b.c", "a-b-c"), ("é", "environment"), ("", "environment"), ("--x", "x")],
)
def test_names_of_folders(folder: str, name: str) -> None:
    found = name_of_folder(Path("/") / folder)
    assert found == f"localhost/{name}:latest"
    assert str(Reference.parse(found)) == found


def test_options_are_those_of_a_build_for_this_machine() -> None:
    options = LocalOptions(apt=["git"], apt_suite="sid", base="scratch", channel=["conda-forge"], offline=True)
    found = options.environment()
    assert (found.apt, found.apt_suite, found.base, found.channel) == (["git"], "sid", "scratch", ["conda-forge"])
    assert found.offline
    assert found.platform == [str(parse_target_platform(None))]


@pytest.mark.parametrize("command", ["run", "watch"])
def test_every_way_to_declare_is_open(command: str) -> None:
    """Each option of the shared value is one of the command's."""
    options = {option for parameter in VERBS[command].load(command).params for option in parameter.opts}
    wanted = {field.name for field in fields(LocalOptions)} - {"auth_file"} | {"authfile"}
    assert {f"--{name.replace('_', '-')}" for name in wanted} <= options


@pytest.mark.parametrize(
    ("options", "declares"),
    [({}, False), ({"file": [Path("x.yml")]}, True), ({"apt": ["git"]}, True), ({"base": "scratch"}, False)],
)
def test_what_declares_an_image(options: dict[str, Any], *, declares: bool) -> None:
    assert LocalOptions(**options).declares is declares
