"""`build` and `plan` of a project's file, `init` and `schema`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from docker_envs.projects.schema import schema_text
from docker_envs.transports.files.layout import read_layout
from tests.builds import read_image_file
from tests.images import flattened
from tests.unit.cli.runner import Run, runner

if TYPE_CHECKING:
    from pathlib import Path

ONE = """\
name: me/app
tags: ["1", "1.0"]
base: scratch
platforms: [linux/amd64]
environment: {channels: [%s], dependencies: [greeting <1.2]}
compression: none
config: {cmd: [hello], env: {A: "1", B: "2"}}
"""
SEVERAL = """\
name: me/app
base: scratch
platforms: [linux/amd64]
environment: {channels: [%s], dependencies: [greeting]}
images:
  app: {}
  debug: {extends: app, tags: [debug]}
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("DOCKER_ENVS_CACHE", str(tmp_path / "cache"))
    return runner(monkeypatch, capfdbinary)


@pytest.fixture
def folder(tmp_path: Path, run: Run) -> Path:
    return tmp_path / "project"


def declare(folder: Path, text: str, channel: Path, name: str = "docker-env.yaml") -> Path:
    path = folder / name
    path.write_text(text % channel.as_uri() if "%s" in text else text)
    return path


def refused(run: Run, *arguments: str | Path) -> str:
    done = run(*arguments)
    assert done.status == 2
    return done.stderr


def test_the_project_of_the_working_directory_is_built(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, ONE, channel)
    printed = run("build", "-o", "image.tar").text
    assert "wrote image.tar (me/app:1, me/app:1.0)" in printed
    image = read_image_file(folder / "image.tar")
    assert image.config.container["Cmd"] == ["hello"]
    assert image.config.env["B"] == "2"
    assert image.layers[0].descriptor.media_type.endswith(".tar")
    assert "opt/conda/share/greeting/prefix.txt" in flattened(image)


def test_options_win(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, ONE, channel)
    options = ("--platform", "linux/arm64", "--compression", "gzip", "--entrypoint", "x", "--env", "B=3")
    run("build", "-o", "image.tar", "-i", "other:2", "--prefix", "/srv/env", *options)
    image = read_image_file(folder / "image.tar")
    assert str(image.platform) == "linux/arm64"
    assert image.layers[0].descriptor.media_type.endswith("+gzip")
    assert (image.config.container["Entrypoint"], image.config.container.get("Cmd")) == (["x"], None)
    assert (image.config.env["A"], image.config.env["B"]) == ("1", "3")
    assert image.config.env["CONDA_PREFIX"] == "/srv/env"


def test_the_image_is_that_of_the_same_options(run: Run, folder: Path, channel: Path) -> None:
    path = declare(folder, ONE, channel)
    declared = json.loads(run("build", "--oci", "one", "--json").text)["digest"]
    path.unlink()
    options = ("--base", "scratch", "--platform", "linux/amd64", "--compression", "none", "--channel", channel.as_uri())
    config = ("--cmd", "hello", "--env", "A=1", "--env", "B=2")
    asked = json.loads(run("build", "greeting <1.2", *options, *config, "--oci", "two", "--json").text)["digest"]
    assert declared == asked


def test_a_file_of_another_name(run: Run, folder: Path, channel: Path) -> None:
    (folder / "deploy").mkdir()
    path = declare(folder / "deploy", ONE, channel, "web.docker-env.yaml")
    assert "+" in run("plan", "-f", path).text


def test_specs_alone_do_not_look_for_a_project(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, "nonsense: 1\n", channel)
    options = ("--base", "scratch", "--platform", "linux/amd64", "--channel", channel.as_uri())
    assert "greeting" in run("plan", "greeting", *options).text


def test_all_images_are_built(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, SEVERAL, channel)
    documents = json.loads(run("build", "--oci", "layout", "--json").text)["images"]
    assert list(documents) == ["app", "debug"]
    names = {str(name) for named in read_layout(folder / "layout") for name in named.references}
    assert names == {"docker.io/me/app:latest", "docker.io/me/app:debug"}
    printed = run("plan").text
    assert printed.startswith("app:\n")
    assert "\ndebug:\n" in printed
    assert list(json.loads(run("plan", "--json").text)["images"]) == ["app", "debug"]


def test_one_image_is_chosen(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, SEVERAL, channel)
    assert "wrote image.tar (me/app:debug)" in run("build", "--target", "debug", "-o", "image.tar").text
    assert "declares no image `debgu`\nhint: did you mean `debug`?" in refused(run, "plan", "--target", "debgu")
    assert "`--output` is for one image, and `docker-env.yaml` declares 2" in refused(run, "build", "-o", "image.tar")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-f", "docker-env.yaml", "numpy"), "a match spec cannot be added to `docker-env.yaml`"),
        (("-c", "conda-forge"), "`--channel` cannot be added to `docker-env.yaml`"),
        (("-f", "docker-env.yaml", "-f", "environment.yml"), "`docker-env.yaml` declares images, and cannot be merged"),
    ],
)
def test_what_does_not_go_with_a_project(
    run: Run, folder: Path, channel: Path, arguments: tuple[str, ...], message: str
) -> None:
    declare(folder, ONE, channel)
    assert message in refused(run, "plan", *arguments)


def test_two_projects_in_one_folder(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, ONE, channel)
    declare(folder, "[tool.docker-envs]\nbase = 'scratch'\n", channel, "pyproject.toml")
    assert "both `docker-env.yaml` and `pyproject.toml` declare the project" in refused(run, "plan")


def test_shared_files_without_our_table_are_no_projects(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, ONE, channel)
    (folder / "pyproject.toml").write_text("# docker-envs\n[project]\nname = 'x'\n")
    (folder / "pixi.toml").write_text("")
    assert run("plan").text


def test_names_are_needed_to_publish(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, "base: scratch\n", channel)
    assert "`docker-env.yaml` gives the image no `name`" in refused(run, "build", "--publish")
    (folder / "docker-env.yaml").unlink()
    assert "`--publish` needs names of a project's file" in refused(run, "build", "-b", "scratch", "--publish")


def test_a_base_is_needed(run: Run) -> None:
    assert "no base image is named\nhint: use `--base IMAGE`" in refused(run, "plan")


def test_targets_need_a_project(run: Run) -> None:
    assert "`--target` chooses among the images of a project's file" in refused(run, "plan", "--target", "x")


def test_errors_have_their_place(run: Run, folder: Path, channel: Path) -> None:
    declare(folder, "base: scratch\nconfg: {}\n", channel)
    assert refused(run, "plan") == "error: docker-env.yaml:2:1: unknown key `confg`\nhint: did you mean `config`?\n"


def test_the_schema_is_printed(run: Run) -> None:
    assert run("schema").text == schema_text()


def test_from_an_empty_folder_to_an_image(run: Run, folder: Path, channel: Path) -> None:
    (folder / "environment.yml").write_text(f"channels: ['{channel.as_uri()}']\ndependencies: [python, greeting]\n")
    printed = run("init").text
    assert printed.startswith("wrote docker-env.yaml, made from environment.yml\n")
    assert (folder / ".docker-env.schema.json").read_text() == schema_text()
    text = (folder / "docker-env.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=.docker-env.schema.json\n")
    assert yaml.safe_load(text)["environment"] == "environment.yml"
    assert "greeting" in run("plan", "--base", "scratch", "--platform", "linux/amd64").text


def test_nothing_is_written_over(run: Run, folder: Path) -> None:
    (folder / "docker-env.yaml").write_text("base: scratch\n")
    message = "error: `docker-env.yaml` declares the project already\nhint: use `--force` to write over it\n"
    assert refused(run, "init") == message
    assert (folder / "docker-env.yaml").read_text() == "base: scratch\n"
    assert run("init", "--force").text
    (folder / "docker-env.yaml").unlink()
    (folder / "docker-env.toml").write_text("base = 'scratch'\n")
    assert "hint: build it with `docker-envs build`" in refused(run, "init", "--force")
