"""Activated environments in real containers: what `docker run` sees, `docker exec` sees as well."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.base_image import HOST_ARCHITECTURE
from tests.builds import docker_envs, read_image_file
from tests.packages.activating import ACTIVATING
from tests.packages.build import PackageSpec, text, write_channel
from tests.packages.channel import RUNNABLE, SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker.models.containers import Container

    from tests.base_image import BaseImage
    from tests.services import Engine

PLATFORM = f"linux/{HOST_ARCHITECTURE}"
SUBDIR = {"amd64": "linux-64", "arm64": "linux-aarch64"}[HOST_ARCHITECTURE]
WRAPPER = "/opt/conda/etc/conda/docker-envs-entrypoint.sh"
BASE = {
    "PATH": "/opt/conda/bin:/usr/local/bin:/usr/bin:/bin",
    "FIXTURE": "base image",
    "CONDA_PREFIX": "/opt/conda",
}
VALUES = {
    "VALUE_LINES": "one\ntwo \\ $HOME `id`",
    "VALUE_UNICODE": "grün 日本 😀",
    "VALUE_QUOTES": 'it is "quoted"\'s',
    "VALUE_PREFIX": "/opt/conda/share",
}
AT_START = {"AT_START": "two  words, read at the start"}


@pytest.fixture(scope="session")
def activating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel of packages for this machine, whichever it is."""
    specs = [replace(spec, platform=SUBDIR) for spec in (*RUNNABLE, *SCRIPTS, *ACTIVATING)]
    return write_channel(tmp_path_factory.mktemp("activating"), specs)


def build(tmp_path: Path, activating: Path, base: str, name: str, *arguments: str) -> dict[str, Any]:
    fixed = ("build", "--base", base, "--channel", activating.as_uri(), "--platform", PLATFORM, "--json")
    return docker_envs(*fixed, "--load", "--image", name, *arguments, cache=tmp_path / "cache").document


@contextlib.contextmanager
def container(engine: Engine, name: str, *command: str) -> Iterator[Container]:
    """A container that goes on running."""
    found = engine.client.containers.run(name, list(command) or None, detach=True, network_mode="none")
    try:
        yield found
    finally:
        found.remove(force=True)


def variables(output: object) -> dict[str, str]:
    """What a program was started with, but for what each container has its own of."""
    assert isinstance(output, bytes)
    found = dict(item.partition("=")[::2] for item in output.decode().split("\0") if item)
    return {name: value for name, value in found.items() if name not in ("HOME", "HOSTNAME", "PWD", "SHLVL", "_")}


def run_env(engine: Engine, name: str) -> dict[str, str]:
    """The variables of the first program of a container."""
    return variables(engine.run(name, "cat", "/proc/self/environ").encode())


def exec_env(found: Container) -> dict[str, str]:
    """The variables of a program that comes later."""
    status, output = found.exec_run(["cat", "/proc/self/environ"])
    assert status == 0
    return variables(output)


def test_later_programs_see_the_same_environment(
    tmp_path: Path, activating: Path, base_image: BaseImage, engine: Engine
) -> None:
    document = build(tmp_path, activating, base_image.oci, "active:env", "activated-values", "activated", "hello-sh")
    assert document["activation"]["unresolved"] == []
    expected = BASE | VALUES
    expected |= {
        "ACTIVATED_JSON": "two  words",
        "ACTIVATED_HOME": "/opt/conda/share/activated",
        "ACTIVATED_PREFIX": "/opt/conda",
    }
    assert run_env(engine, "active:env") == expected
    with container(engine, "active:env", "cat", "/dev/zero") as found:
        assert exec_env(found) == expected
        assert found.exec_run(["hello"]).output == b"hello from /opt/conda\n"
    assert engine.run("active:env") == "hello from the base\n"
    assert engine.client.images.get("active:env").attrs["Config"]["Entrypoint"] is None


SHOW = ("sh", "-c", 'printf "<%s>" "$@"; echo " $AT_START"', "show")
ARGUMENTS = ("two  words", "", "it's", '"$HOME"', "a\nb", "*", "-n")


def test_an_entrypoint_for_what_is_only_known_at_the_start(
    tmp_path: Path, activating: Path, base_image: BaseImage, engine: Engine
) -> None:
    document = build(tmp_path, activating, base_image.oci, "active:start", "activated-at-start", "activated-values")
    (left,) = document["activation"]["unresolved"]
    assert (left["package"], left["path"]) == ("activated-at-start", "etc/conda/activate.d/at-start.sh")
    assert run_env(engine, "active:start") == BASE | VALUES | AT_START
    shown = engine.run("active:start", *SHOW, *ARGUMENTS)
    assert shown == "".join(f"<{argument}>" for argument in ARGUMENTS) + " two  words, read at the start\n"
    assert engine.run("active:start") == "hello from the base\n"
    config = engine.client.images.get("active:start").attrs["Config"]
    assert config["Entrypoint"] == [WRAPPER]
    with container(engine, "active:start", "cat", "/dev/zero") as found:
        assert exec_env(found) == BASE | VALUES
        status, output = found.exec_run([WRAPPER, "cat", "/proc/self/environ"])
        assert (status, variables(output)) == (0, BASE | VALUES | AT_START)


def test_an_entrypoint_of_the_user_stays_behind_it(
    tmp_path: Path, activating: Path, base_image: BaseImage, engine: Engine
) -> None:
    entrypoint = json.dumps(SHOW)
    build(tmp_path, activating, base_image.oci, "active:own", "activated-at-start", "--entrypoint", entrypoint)
    assert engine.client.images.get("active:own").attrs["Config"]["Entrypoint"] == [WRAPPER, *SHOW]
    assert engine.run("active:own", "a b", "c") == "<a b><c> two  words, read at the start\n"


def test_an_entrypoint_of_the_base_stays_behind_it(
    tmp_path: Path, activating: Path, base_image: BaseImage, registry: str, engine: Engine
) -> None:
    base = f"{registry}/active/base:1"
    fixed = ("build", "--base", base_image.oci, "--channel", activating.as_uri(), "greeting", "--platform", PLATFORM)
    settings = ("--entrypoint", json.dumps(SHOW), "--cmd", '["from the base"]', "--push", base)
    assert docker_envs(*fixed, *settings, cache=tmp_path / "cache").status == 0
    build(tmp_path, activating, base, "active:base", "activated-at-start")
    assert engine.run("active:base") == "<from the base> two  words, read at the start\n"
    assert engine.run("active:base", "x") == "<x> two  words, read at the start\n"


def test_all_scripts_at_the_start_if_asked_for(
    tmp_path: Path, activating: Path, base_image: BaseImage, engine: Engine
) -> None:
    specs = ("activated-at-start", "activated-values")
    document = build(tmp_path, activating, base_image.oci, "active:all", *specs, "--activation", "entrypoint")
    assert len(document["activation"]["unresolved"]) == 2
    json_only = {name: VALUES[name] for name in ("VALUE_LINES", "VALUE_UNICODE")}
    assert run_env(engine, "active:all") == BASE | VALUES | AT_START
    with container(engine, "active:all", "cat", "/dev/zero") as found:
        assert exec_env(found) == BASE | json_only


def test_no_activation_if_asked_for(tmp_path: Path, activating: Path, base_image: BaseImage, engine: Engine) -> None:
    specs = ("activated-at-start", "activated-values")
    document = build(tmp_path, activating, base_image.oci, "active:none", *specs, "--activation", "none")
    assert document["activation"] == {"variables": {}, "removed": [], "unresolved": []}
    assert run_env(engine, "active:none") == BASE
    assert engine.client.images.get("active:none").attrs["Config"]["Entrypoint"] is None


def test_a_script_that_is_a_link_out_of_its_package(
    tmp_path: Path, activating: Path, base_image: BaseImage, engine: Engine
) -> None:
    """It leads nowhere in this base, which stops no container."""
    build(tmp_path, activating, base_image.oci, "active:linked", "activated-linked")
    assert run_env(engine, "active:linked") == BASE | {"LINKED_INSIDE": "/opt/conda/inside"}


def test_settings_win_over_activation(tmp_path: Path, activating: Path, base_image: BaseImage, engine: Engine) -> None:
    build(tmp_path, activating, base_image.oci, "active:mine", "activated", "--env", "ACTIVATED_JSON=mine")
    assert run_env(engine, "active:mine")["ACTIVATED_JSON"] == "mine"


def test_a_user_without_rights_activates_as_well(
    tmp_path: Path, activating: Path, base_image: BaseImage, engine: Engine
) -> None:
    build(tmp_path, activating, base_image.oci, "active:user", "activated-at-start", "--user", "1000:1000")
    assert run_env(engine, "active:user") == BASE | AT_START


def test_an_unknown_way_is_refused(tmp_path: Path) -> None:
    done = docker_envs("build", "-b", "scratch", "x", "--activation", "always", "--dry-run", cache=tmp_path / "cache")
    assert done.status == 2
    assert done.stderr == "error: invalid `--activation` 'always'\nhint: use one of `env`, `entrypoint`, `none`\n"


def test_scripts_see_the_variables_of_the_base(tmp_path: Path, base_image: BaseImage) -> None:
    path = "etc/conda/activate.d/conditional.sh"
    script = 'if [ -z "${FIXTURE:-}" ]; then export FIXTURE=script; fi\nexport SEEN="$FIXTURE"\n'
    channel = write_channel(
        tmp_path / "channel", [PackageSpec("conditional", "1.0", {path: text(script)}, platform=SUBDIR)]
    )
    fixed = ("build", "--base", base_image.oci, "--channel", channel.as_uri(), "--platform", PLATFORM, "--json")
    document = docker_envs(*fixed, "-o", tmp_path / "image.tar", "conditional", cache=tmp_path / "cache").document
    assert document["activation"]["variables"] == {"SEEN": {"value": "base image", "origin": f"conditional: {path}"}}
    env = read_image_file(tmp_path / "image.tar").config.env
    assert (env["FIXTURE"], env["SEEN"]) == ("base image", "base image")


def test_entrypoint_and_record_count_as_layers(tmp_path: Path) -> None:
    def package(name: str, script: str) -> PackageSpec:
        return PackageSpec(name, "1.0", {f"etc/conda/activate.d/{name}.sh": text(script)}, platform=SUBDIR)

    specs = [package("one", "export ONE=1\n"), package("two", "export TWO=2\n"), package("left", 'X="$(id)"\n')]
    channel = write_channel(tmp_path / "channel", specs)
    fixed = ("build", "--base", "scratch", "--channel", channel.as_uri(), "--platform", PLATFORM, "--json")
    for limit, layers in ((3, 3), (4, 4), (9, 5)):
        output = ("--max-layers", str(limit), "-o", tmp_path / "image.tar")
        document = docker_envs(*fixed, *output, "one", "two", "left", cache=tmp_path / "cache").document
        assert [unresolved["package"] for unresolved in document["activation"]["unresolved"]] == ["left"]
        assert len(document["layers"]) == layers
