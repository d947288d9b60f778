"""`docker-envs env`: what it writes builds the same image again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from docker_envs.oci.image import NamedImage
from docker_envs.projects.model import InlineEnvironment
from docker_envs.projects.read_project import read_project
from docker_envs.transports.files.layout_writing import write_layout
from tests.images import make_image, named
from tests.packages.build import PackageSpec, text, write_channel
from tests.recorded import package, record, recorded_image
from tests.simulators.channel import ChannelSimulator
from tests.unit.cli.runner import Run, runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Run:
    monkeypatch.setenv("DOCKER_ENVS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return runner(monkeypatch, capfdbinary)


@dataclass
class Built:
    """An image in a layout, and what is needed to build it again."""

    layout: str
    digest: str
    channel: str


@pytest.fixture
def built(run: Run, channel: Path, tmp_path: Path) -> Iterator[Built]:
    simulator = ChannelSimulator(channel)
    with simulator.running():
        place = tmp_path / "built"
        specs = ("-c", simulator.channel, "hello-sh", "purelib", "greeting=1.1")
        digest = build(run, place, *specs)
        yield Built(f"oci:{place}", digest, simulator.channel)


@pytest.mark.parametrize("kind", ["environment.yml", "docker-env.yaml"])
def test_round_trip_of_variables(run: Run, tmp_path: Path, kind: str) -> None:
    """Set by a declaration in any order or by options, also over what activates the environment."""
    scripts = {"etc/conda/activate.d/tool.sh": text("export HOME_OF_TOOL=/tool OTHER=1\n")}
    simulator = ChannelSimulator(write_channel(tmp_path / "channel", [PackageSpec("tool", files=scripts)]))
    declared, again = tmp_path / "environment.yml", tmp_path / "again" / kind
    with simulator.running():
        content = {"channels": [simulator.channel], "dependencies": ["tool"], "variables": {"Z": "1.10", "M": "yes"}}
        declared.write_text(json.dumps(content))
        asked = ("-e", "N=a: $Z ${M} #'", "-e", "B=", "-e", "HOME_OF_TOOL=/mine")
        digest = build(run, tmp_path / "built", "-f", declared, *asked)
        again.parent.mkdir()
        run("env", f"oci:{tmp_path}/built", "--format", kind, "-o", again)
        # Conda's format cannot say what stands over activation.
        rest = ("-e", "HOME_OF_TOOL=/mine") if kind == "environment.yml" else ()
        assert build(run, tmp_path / "rebuilt", "-f", again, *rest) == digest


def test_round_trip_of_settings(run: Run, channel: Path, tmp_path: Path) -> None:
    """All that a declaration says beside the environment, but for files of the host."""
    declared, again = tmp_path / "first" / "docker-env.yaml", tmp_path / "again" / "docker-env.yaml"
    simulator = ChannelSimulator(channel)
    with simulator.running():
        content = {
            "name": "example.org/team/app",
            "platforms": ["linux/amd64"],
            "base": "scratch",
            "environment": {"channels": [simulator.channel], "dependencies": ["hello-sh", "purelib", "greeting=1.1"]},
            "prefix": "/srv/env",
            "config": {
                "entrypoint": ["hello"],
                "cmd": ["--all"],
                "env": {"MODE": "x: #y"},
                "user": "1000:1000",
                "workdir": "/srv",
                "ports": [8000],
                "volumes": ["/data"],
                "labels": {"org.example.team": "a b"},
                "stop_signal": "SIGINT",
                "healthcheck": {"test": ["CMD", "hello"], "interval": "30s"},
            },
            "filters": ["docs"],
            "layers": {"max": 4, "groups": {"both": ["hello-sh", "greeting"]}},
            "compression": "zstd",
        }
        declared.parent.mkdir()
        declared.write_text(json.dumps(content))
        digest = run("build", "-f", declared, "--oci", tmp_path / "built", "--quiet").text.strip()
        again.parent.mkdir()
        run("env", f"oci:{tmp_path}/built", "--format", "docker-env.yaml", "-o", again)
        rebuilt = run("build", "-f", again, "--oci", tmp_path / "rebuilt", "--quiet").text.strip()
    assert rebuilt == digest


def build(run: Run, place: Path, *arguments: str | Path) -> str:
    options = ("--base", "scratch", "--platform", "linux/amd64", "--quiet")
    return run("build", *options, "--oci", place, *arguments).text.strip()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("environment.yml", "environment.yml"), ("explicit", "list.txt"), ("pixi.lock", "pixi.lock")],
)
def test_round_trip(run: Run, built: Built, tmp_path: Path, kind: str, name: str) -> None:
    file = tmp_path / name
    assert run("env", built.layout, "--format", kind, "-o", file).text == ""
    assert build(run, tmp_path / "again", "-f", file) == built.digest


def test_environment_yml_is_the_default(run: Run, built: Built) -> None:
    lines = run("env", built.layout).text.splitlines()
    assert lines[:4] == ["channels:", f"- {built.channel}", "- nodefaults", "dependencies:"]
    assert "- greeting=1.1=0" in lines


def test_record(run: Run, built: Built) -> None:
    document = json.loads(run("env", built.layout, "--format", "record").text)
    assert [each["name"] for each in document["packages"]] == ["greeting", "hello-sh", "purelib", "python"]


def test_docker_env_yaml_says_all(run: Run, built: Built, tmp_path: Path) -> None:
    file = tmp_path / "docker-env.yaml"
    run("env", built.layout, "--format", "docker-env.yaml", "-o", file)
    (only,) = read_project(file, variables={}).images
    assert only.base == "scratch"
    assert [str(each) for each in only.platforms] == ["linux/amd64"]
    (environment,) = only.environments
    assert isinstance(environment, InlineEnvironment)
    assert environment.channels == (built.channel, "nodefaults")


def test_several_environments(run: Run, tmp_path: Path) -> None:
    image = recorded_image(record(package("a")), record(package("b"), prefix="/opt/other"))
    write_layout(tmp_path / "layout", [NamedImage(image)])
    place = f"oci:{tmp_path}/layout"
    refused = run("env", place)
    assert refused.status == 2
    assert "has several environments" in refused.stderr
    assert "`--prefix`: `/opt/conda`, `/opt/other`" in refused.stderr
    assert "b=1.3.1=h_0" in run("env", place, "--prefix", "/opt/other").text
    refused = run("env", place, "--prefix", "/opt/othre")
    assert (refused.status, "`/opt/other`" in refused.stderr) == (2, True)


def test_image_of_others(run: Run, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [named(make_image({"etc/motd": b""}), "x:1")])
    refused = run("env", f"oci:{tmp_path}/layout")
    assert refused.status == 4
    assert "has no record of an environment" in refused.stderr


def test_unknown_format(run: Run) -> None:
    refused = run("env", "x:1", "--format", "yaml")
    assert refused.status == 2
    assert "`environment.yml`, `explicit`, `pixi.lock`" in refused.stderr
