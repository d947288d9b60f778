"""What is declared is what a builder is asked for; and whatever is valid can be planned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.application.contents import HostFiles, InlineFile, ProjectSource, ProjectWheel
from docker_envs.builder.build import plan_only
from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.filters import Filter
from docker_envs.errors import InvalidDeclarationError, InvalidInputError
from docker_envs.fields import parse_json
from docker_envs.oci.descriptor import Platform
from docker_envs.projects.read_project import read_project
from docker_envs.projects.request import image_requests
from docker_envs.projects.schema import schema_text
from tests.images import AMD64
from tests.unit.projects.support import fill, image, project

if TYPE_CHECKING:
    from pathlib import Path

    from docker_envs.builder.request import BuildRequest

SCHEMA = jsonschema.Draft202012Validator(parse_json(schema_text().encode(), source="schema"))
ARM64 = Platform("linux", "arm64")


def requests(folder: Path, text: str, **variables: str) -> list[BuildRequest]:
    found = project(folder, text, **variables)
    return [request for each in found.images for request in image_requests(found, each, cache=folder / "cache")]


FULL = """\
version: 1
name: ghcr.io/me/app
tags: [latest, 1.10]
base: ./base.tar
platforms: [linux/amd64, linux-aarch64]
environment:
- environment.yml
- {channels: [./mine], dependencies: [numpy], variables: {A: 1.0}}
prefix: /opt/env/
files:
- {from: src, to: /app/src/, owner: 1000:1000, mode: 0640, include: ["*.py"], exclude: [tests]}
- {from: app.py, to: /app/}
- {content: "hello\\n", to: /etc/motd}
- {content: x, to: /etc/x, mode: 755}
- {project: library}
- {project: library, as: source, to: /srv}
config:
  entrypoint: [tini, --, 1]
  cmd: python -m "an app"
  env: {DEBUG: yes, EMPTY: ""}
  user: 1000
  workdir: /app
  ports: [8000, 53/udp]
  volumes: [/data]
  labels: {a.b: c}
  stop_signal: SIGINT
  healthcheck: {test: curl localhost, interval: 1m30s, timeout: 500ms, start_period: 0s, retries: 3}
  shell: [/bin/bash, -c]
users: [{name: app, uid: 1000, gid: staff, home: /srv, shell: /bin/bash, comment: An app, groups: [web]}]
groups: [{name: staff, gid: 50, members: [app]}]
activation: none
filters: [docs, tests]
layers: {max: 20, strategy: one, groups: {science: [NumPy, scipy*]}}
compression: zstd:3
epoch: 1_000
compile: auto
channel_priority: flexible
virtual_packages: [__cuda=12.4]
strict: true
keep_setuid: true
"""


def test_everything_that_is_declared_is_asked_for(tmp_path: Path) -> None:
    amd64, arm64 = requests(tmp_path, FULL)
    assert (amd64.platform, arm64.platform) == (AMD64, ARM64)
    assert amd64.base is not None
    assert amd64.base.host_path == tmp_path / "base.tar"
    assert amd64.declaration is not None
    assert amd64.declaration.channels == ("conda-forge", (tmp_path / "mine").as_uri())
    assert amd64.declaration.specs == ("python", "numpy")
    assert amd64.declaration.variables == {"A": "1.0"}
    assert amd64.declaration.settings.channel_priority is ChannelPriority.FLEXIBLE
    assert (amd64.prefix, amd64.activation, amd64.compile) == ("/opt/env", "none", "auto")
    assert amd64.filters == {Filter.DOCS, Filter.TESTS}
    assert (amd64.max_layers, amd64.grouping.strategy) == (20, "one")
    assert [(group.name, group.patterns) for group in amd64.grouping.groups] == [("science", ("numpy", "scipy*"))]
    assert (amd64.compression, amd64.epoch) == (CompressionSetting.parse("zstd:3"), 1000)
    assert [str(each) for each in amd64.virtual_packages] == ["__cuda=12.4=0"]
    assert amd64.strict
    assert amd64.keep_setuid
    assert amd64.groups[0].members == ("app",)
    (user,) = amd64.users
    assert (user.name, user.uid, user.group, user.groups, user.home_path, user.shell, user.comment) == (
        "app", 1000, "staff", ("web",), "/srv", "/bin/bash", "An app",
    )  # fmt: skip


def test_files_become_layers(tmp_path: Path) -> None:
    tree, file, inline, wheel, source = requests(tmp_path, FULL)[0].files
    assert tree.contents == (
        HostFiles(
            context=tmp_path,
            source="src",
            path="/app/src",
            include=("*.py",),
            exclude=("tests",),
            owner="1000:1000",
            mode=0o640,
        ),
    )
    assert file.contents == (HostFiles(context=tmp_path, source="app.py", path="/app/app.py"),)
    assert inline.contents == (
        InlineFile(path="/etc/motd", content=b"hello\n"),
        InlineFile(path="/etc/x", content=b"x", mode=0o755),
    )
    assert wheel.contents == (ProjectWheel(tmp_path / "library"),)
    assert source.contents == (ProjectSource(HostFiles(context=tmp_path, source="library", path="/srv")),)
    assert [layer.title for layer in (tree, inline)] == ["src to /app/src", "/etc/motd, /etc/x"]


def test_containers(tmp_path: Path) -> None:
    container = requests(tmp_path, FULL)[0].container
    assert container.entrypoint == ("tini", "--", "1")
    assert container.cmd == ("python", "-m", "an app")
    assert container.env == {"DEBUG": "yes", "EMPTY": ""}
    assert (container.user, container.workdir, container.stop_signal) == ("1000", "/app", "SIGINT")
    assert (container.ports, container.volumes) == (("8000/tcp", "53/udp"), ("/data",))
    assert (container.labels, container.shell) == ({"a.b": "c"}, ("/bin/bash", "-c"))
    check = container.healthcheck
    assert check is not None
    assert check.test == ("CMD-SHELL", "curl localhost")
    assert (check.interval, check.timeout, check.start_period, check.retries) == (90 * 10**9, 5 * 10**8, None, 3)


def test_names(tmp_path: Path) -> None:
    assert [str(each) for each in image(tmp_path, FULL).references] == ["ghcr.io/me/app:latest", "ghcr.io/me/app:1.10"]


def test_options_win(tmp_path: Path) -> None:
    found = project(tmp_path, FULL)
    (request,) = image_requests(found, found.images[0], cache=tmp_path, platforms=[ARM64], base="scratch")
    assert (request.base, request.platform) == (None, ARM64)


def test_an_image_without_a_base(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"docker-env.yaml names no base$") as caught:
        requests(tmp_path, "name: app\n")
    assert caught.value.hint == "declare it with `base`, or use `--base`"
    with pytest.raises(InvalidInputError, match=r"^the image `a` of .*docker-env.yaml names no base$"):
        requests(tmp_path, "images: {a: {}}\n")


def test_a_pixi_manifest_declares_the_environment(tmp_path: Path) -> None:
    text = (
        "[workspace]\nname='x'\nchannels=['a']\nplatforms=['linux-64']\n[dependencies]\nnumpy='*'\n"
        "[tool.docker-envs]\nbase='scratch'\nplatforms=['linux-64']\n"
    )
    path = tmp_path / "pixi.toml"
    path.write_text(text)
    found = read_project(path, variables={})
    (request,) = image_requests(found, found.images[0], cache=tmp_path)
    assert request.declaration is not None
    assert request.declaration.specs == ("numpy",)


# -- whatever is valid can be planned -------------------------------------------------------------------------------

PATHS = st.sampled_from(["/", "/app", "/srv/data/", "/etc/app.conf"])
SCALARS = st.one_of(st.text("abc $'\"", max_size=5), st.integers(-9, 99), st.booleans())
ITEMS = st.one_of(
    st.fixed_dictionaries(
        {"from": st.sampled_from(["src", "library"]), "to": PATHS},
        optional={"owner": st.sampled_from(["0:0", "1000", "root"]), "mode": st.sampled_from(["0644", "755"])},
    ),
    st.fixed_dictionaries({"content": st.text(max_size=9), "to": st.sampled_from(["/etc/a", "/etc/b", "/c"])}),
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "cmd": st.one_of(st.lists(SCALARS, max_size=3), st.sampled_from(["python -m app", "sh -c 'a b'"])),
        "entrypoint": st.lists(SCALARS, max_size=2),
        "env": st.dictionaries(st.sampled_from("ABC"), SCALARS, max_size=2),
        "labels": st.dictionaries(st.sampled_from(["a.b", "c"]), SCALARS, max_size=2),
        "ports": st.lists(st.sampled_from([80, "53/udp"]), max_size=2),
        "volumes": st.lists(PATHS, max_size=2),
        "workdir": PATHS,
        "stop_signal": st.sampled_from(["SIGINT", 15]),
        "healthcheck": st.sampled_from([{"test": "true"}, {"test": ["NONE"]}]),
    },
)
NAMES, NUMBERS = st.sampled_from(["app", "web", "staff"]), st.integers(1, 99)
IMAGES = {
    "name": st.sampled_from(["app", "ghcr.io/me/app"]),
    "tags": st.lists(st.sampled_from(["latest", "1.0", 2]), min_size=1, max_size=2),
    "platforms": st.lists(st.sampled_from(["linux/amd64", "linux-64", "linux/arm64"]), max_size=2),
    "environment": st.sampled_from(
        [
            {"channels": ["CHANNEL"], "dependencies": ["hello-sh"]},
            {"channels": ["CHANNEL"], "dependencies": [], "variables": {"A": 1}},
            [{"channels": ["CHANNEL"], "dependencies": ["greeting"]}, {"dependencies": ["greeting <1.2"]}],
        ]
    ),
    "prefix": st.sampled_from(["/opt/conda", "/srv/env"]),
    "files": st.lists(ITEMS, max_size=3),
    "config": CONFIGS,
    "users": st.lists(st.builds(lambda name, uid: {"name": name, "uid": uid}, NAMES, NUMBERS), max_size=2),
    "groups": st.lists(st.builds(lambda name, gid: {"name": name, "gid": gid}, NAMES, NUMBERS), max_size=2),
    "activation": st.sampled_from(["env", "entrypoint", "none"]),
    "filters": st.lists(st.sampled_from([each.value for each in Filter]), max_size=3),
    "layers": st.fixed_dictionaries(
        {},
        optional={
            "max": st.integers(12, 127),
            "strategy": st.sampled_from(["auto", "one", "per-package"]),
            "groups": st.dictionaries(st.sampled_from("xy"), st.sampled_from([["greeting"], ["h*", "greeting"]])),
        },
    ),
    "compression": st.sampled_from(["gzip", "gzip:9", "zstd", "none"]),
    "epoch": st.integers(0, 2**31),
    "virtual_packages": st.sampled_from([[], ["__glibc=2.36"]]),
    "strict": st.booleans(),
    "keep_setuid": st.booleans(),
}  # fmt: skip
TWO_IMAGES = st.fixed_dictionaries(
    {},
    optional={
        "images": st.fixed_dictionaries(
            {
                "one": st.fixed_dictionaries({}, optional=IMAGES),
                "two": st.fixed_dictionaries({"extends": st.sampled_from(["one", ["one"]])}, optional=IMAGES),
            }
        )
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=st.fixed_dictionaries({"base": st.just("scratch")}, optional=IMAGES), images=TWO_IMAGES)
def test_what_is_valid_can_be_planned(
    tmp_path_factory: pytest.TempPathFactory, channel: Path, top: dict[str, Any], images: dict[str, Any]
) -> None:
    folder = fill(tmp_path_factory.getbasetemp() / "planned" / "project")
    document = {**top, **images}
    path = folder / "docker-env.yaml"
    path.write_text(yaml.safe_dump(document).replace("CHANNEL", channel.as_uri()))
    try:
        found = read_project(path, variables={})
    except InvalidDeclarationError as error:
        event(f"refused: {error.reason[:20]}")
        return
    event("planned")
    assert SCHEMA.is_valid(document), document
    for each in found.images:
        for request in image_requests(found, each, cache=folder.parent / "cache", platforms=[AMD64]):
            assert plan_only(request).plan.layers is not None
