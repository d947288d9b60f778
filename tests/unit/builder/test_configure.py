"""The config and annotations of a new image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.configure import add_layers, annotate, configure, environment_variables, timestamp_text
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.linking.plan_environment import plan_environment
from docker_envs.images.container import ContainerSettings
from docker_envs.oci import media_types
from docker_envs.oci.edit import with_config
from docker_envs.oci.reference import Reference
from docker_envs.planner.environment import PlannedEnvironment
from docker_envs.planner.plan import Plan, make_plan
from docker_envs.validate import validate_image
from tests.images import make_image, make_layer
from tests.unit.planner.test_plan import planned

BASE = make_image({"a": b"1"}, {"b": b"2"})
CONTAINER = {
    "Entrypoint": ["/init"],
    "Cmd": ["sh"],
    "Env": ["PATH=/usr/bin", "A=1"],
    "ExposedPorts": {"80/tcp": {}},
    "Labels": {"x": "y"},
    "StopSignal": "SIGINT",
    "User": "me",
    "WorkingDir": "/srv",
}
CONFIGURED = with_config(BASE, BASE.config.with_container(**CONTAINER))


def test_the_base_is_kept_when_nothing_is_set() -> None:
    assert configure(CONFIGURED, ContainerSettings(), env={}) is CONFIGURED


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        (ContainerSettings(entrypoint=("/e", "-x")), {"Entrypoint": ["/e", "-x"], "Cmd": None}),
        (ContainerSettings(entrypoint=()), {"Entrypoint": None, "Cmd": None}),
        (ContainerSettings(cmd=("c",)), {"Cmd": ["c"]}),
        (ContainerSettings(cmd=()), {"Cmd": None}),
        (ContainerSettings(entrypoint=("/e",), cmd=("c",)), {"Entrypoint": ["/e"], "Cmd": ["c"]}),
        (ContainerSettings(user="you:us", workdir="/w"), {"User": "you:us", "WorkingDir": "/w"}),
        (ContainerSettings(env={"A": "2", "B": "3"}), {"Env": ["PATH=/usr/bin", "A=2", "B=3"]}),
        (ContainerSettings(labels={"x": "z", "n": ""}), {"Labels": {"x": "z", "n": ""}}),
    ],
)
def test_settings_change_only_what_they_name(settings: ContainerSettings, changed: dict[str, object]) -> None:
    expected = {name: value for name, value in (CONTAINER | changed).items() if value is not None}
    image = configure(CONFIGURED, settings, env={})
    assert image.config.container == expected
    validate_image(image)


def test_settings_win_over_what_the_environment_needs() -> None:
    image = configure(CONFIGURED, ContainerSettings(env={"CONDA_PREFIX": "mine"}), env={"CONDA_PREFIX": "/p", "V": "1"})
    assert image.config.env == {"PATH": "/usr/bin", "A": "1", "CONDA_PREFIX": "mine", "V": "1"}


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ({}, "/opt/e/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ({"PATH": ""}, "/opt/e/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ({"PATH": "/usr/bin"}, "/opt/e/bin:/usr/bin"),
        ({"PATH": "/usr/bin:/opt/e/bin"}, "/usr/bin:/opt/e/bin"),
        ({"PATH": "/opt/e/bin2"}, "/opt/e/bin:/opt/e/bin2"),
    ],
)
def test_the_environment_is_active_in_every_process(base: dict[str, str], path: str) -> None:
    found = environment_variables(base, prefix="/opt/e", variables={"V": "1"})
    assert found == {"PATH": path, "CONDA_PREFIX": "/opt/e", "V": "1"}


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "1970-01-01T00:00:00Z"), (1_700_000_000, "2023-11-14T22:13:20Z")]
)
def test_times_are_in_utc(seconds: int, expected: str) -> None:
    assert timestamp_text(seconds) == expected


def test_layers_come_on_top_each_with_its_history() -> None:
    environment = PlannedEnvironment(plan_environment([planned("a", "x"), planned("b", "y")], LinkOptions("/p")))
    plan = make_plan(environment, budget=9, compression=CompressionSetting())
    layers = [make_layer({"p/x": b"1"}), make_layer({"p/y": b"2"})]
    image = add_layers(BASE, plan, layers, created="2024-01-02T03:04:05Z")
    assert image.layers == (*BASE.layers, *layers)
    assert image.config.history == (
        *BASE.config.history,
        {"created": "2024-01-02T03:04:05Z", "created_by": "docker-envs build: a-1.0-0"},
        {"created": "2024-01-02T03:04:05Z", "created_by": "docker-envs build: b-1.0-0"},
    )
    validate_image(image)


def test_a_base_in_dockers_format_becomes_oci() -> None:
    docker = make_image({"a": b"1"}, docker=True)
    image = add_layers(docker, Plan((), PlannedEnvironment()), [], created="")
    assert image.media_type == media_types.OCI_MANIFEST
    assert [layer.digest for layer in image.layers] == [layer.digest for layer in docker.layers]


CREATED = "2024-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("debian:12", "docker.io/library/debian:12"),
        (f"h:5000/x:1@{BASE.digest}", "h:5000/x:1"),
        (f"h:5000/x@{BASE.digest}", f"h:5000/x@{BASE.digest}"),
    ],
)
def test_standard_annotations_and_labels(base: str, name: str) -> None:
    """OCI image-spec, annotations.md: `base.name` and `base.digest` tell what the image was made on."""
    expected = {
        "org.opencontainers.image.created": CREATED,
        "org.opencontainers.image.base.name": name,
        "org.opencontainers.image.base.digest": str(BASE.digest),
    }
    image = annotate(CONFIGURED, {}, base=Reference.parse(base), base_image=BASE, created=CREATED)
    assert image.annotations == expected
    assert image.config.labels == {"x": "y", **expected}
    assert image.config.document["created"] == CREATED
    assert image.manifest.annotations == expected
    validate_image(image)


def test_scratch_is_no_base_to_name() -> None:
    image = annotate(BASE, {}, base=None, base_image=BASE, created=CREATED)
    assert image.annotations == {"org.opencontainers.image.created": CREATED}


def test_annotations_of_the_base_are_kept() -> None:
    base = replace(BASE, annotations={"own": "kept"})
    assert annotate(base, {}, base=None, base_image=BASE, created=CREATED).annotations["own"] == "kept"
