"""One environment is one image, however it was declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builds import AMD64, build_archive, docker_envs
from tests.declared import FORMS, LOCKS, write_declarations
from tests.simulators.channel import SECRETS, TOKEN, ChannelSimulator

if TYPE_CHECKING:
    from pathlib import Path

VARIABLES = ("--env", "GREETING=hello", "--env", "VERSION=1.10")


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory, channel: Path) -> Path:
    return write_declarations(tmp_path_factory.mktemp("declared"), channel)


@pytest.fixture(scope="module")
def explicit_digest(tmp_path_factory: pytest.TempPathFactory, declared: Path) -> str:
    """The image of the plainest form."""
    folder = tmp_path_factory.mktemp("explicit")
    image = build_archive(folder / "image.tar", "--file", declared / "explicit.txt", *VARIABLES, cache=folder / "cache")
    return str(image.digest)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_builds_the_same_image(declared: Path, explicit_digest: str, tmp_path: Path, form: str) -> None:
    file, environment = FORMS[form]
    variables = VARIABLES if form in LOCKS else ()
    arguments = ("--file", declared / file, "--environment", environment, *variables)
    image = build_archive(tmp_path / "image.tar", *arguments, cache=tmp_path / "cache")
    assert image.digest == explicit_digest


def test_an_error_is_told_with_its_hint(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text("channels: []\ndependancies: []\n")
    done = docker_envs(
        "build", "--base", "scratch", "--platform", AMD64, "--file", path, "--dry-run", cache=tmp_path / "cache"
    )
    assert done.status != 0
    assert f"{path}:2:1: unknown key `dependancies`" in done.stderr
    assert "did you mean `dependencies`?" in done.stderr


def test_a_token_is_in_no_image_and_no_message(tmp_path: Path, channel: Path) -> None:
    """A channel whose token is in its address, as conda's users write it."""
    simulator = ChannelSimulator(channel, private=True)
    with simulator.running():
        path = tmp_path / "environment.yml"
        path.write_text(f"channels: ['{simulator.url}/t/${{CHANNEL_TOKEN}}/channel']\ndependencies: [hello-sh]\n")
        arguments = ["build", "--base", "scratch", "--platform", AMD64, "--compression", "none", "--json"]
        output = tmp_path / "image.tar"
        done = docker_envs(
            *arguments, "--file", path, "--output", output, cache=tmp_path / "cache", variables={"CHANNEL_TOKEN": TOKEN}
        )
        assert done.status == 0, done.stderr
        assert any(TOKEN in request.target for request in simulator.log)
    found = output.read_bytes() + done.stdout.encode() + done.stderr.encode()
    assert simulator.channel.encode() in found
    assert not [secret for secret in SECRETS if secret.encode() in found]
