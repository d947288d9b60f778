"""The activation of a planned environment, out of real packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.activate import ENTRYPOINT, PlannedActivation, plan_activation
from docker_envs.builder.request import ActivationMode
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.conda.linking.plan_environment import plan_environment
from docker_envs.environments.conda.metadata import read_metadata
from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.package_archive import PackageArchive
from docker_envs.environments.conda.planned import ReadPackage
from docker_envs.environments.filters import Filter
from tests.packages.build import PackageSpec, text, write_channel

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "/srv/env"
ENV = {"PATH": f"{PREFIX}/bin:/usr/bin", "CONDA_PREFIX": PREFIX, "KEPT": "as it is"}


def activate(
    channel: Path,
    *names: str,
    mode: ActivationMode = ActivationMode.ENV,
    env: dict[str, str] | None = None,
    filters: frozenset[Filter] = frozenset(),
) -> PlannedActivation:
    """The activation of packages of version 1.0 and build 0."""
    archives = {name: channel / "linux-64" / f"{name}-1.0-0.conda" for name in names}
    packages = [
        ReadPackage(
            CondaPackage.from_url(path.as_uri()), read_metadata(PackageArchive(path)), name, path.stat().st_size
        )
        for name, path in archives.items()
    ]
    environment = plan_environment(packages, LinkOptions(PREFIX, filters=filters))
    return plan_activation(environment, archives, prefix=PREFIX, env=env or ENV, mode=mode)


def unresolved(planned: PlannedActivation) -> list[tuple[str, str]]:
    return [(left.package, left.path) for left in planned.activation.unresolved]


def test_variables_of_scripts_and_json_with_the_prefix_in_place(channel: Path) -> None:
    planned = activate(channel, "activated")
    assert planned.activation.variables == {
        "ACTIVATED_JSON": "two  words",
        "ACTIVATED_HOME": f"{PREFIX}/share/activated",
        "ACTIVATED_PREFIX": PREFIX,
    }
    assert planned.activation.origins == {
        "ACTIVATED_JSON": "activated: etc/conda/env_vars.d/activated.json",
        "ACTIVATED_HOME": "activated: etc/conda/activate.d/activated.sh",
        "ACTIVATED_PREFIX": "activated: etc/conda/activate.d/activated.sh",
    }
    assert planned.activation.unresolved == ()
    assert planned.entrypoint == b""
    assert planned.entries(PREFIX) == []


def test_values_are_kept_as_they_are(channel: Path) -> None:
    assert activate(channel, "activated-values").activation.variables == {
        "VALUE_LINES": "one\ntwo \\ $HOME `id`",
        "VALUE_UNICODE": "grün 日本 😀",
        "VALUE_QUOTES": 'it is "quoted"\'s',
        "VALUE_PREFIX": f"{PREFIX}/share",
    }


def test_a_script_that_cannot_be_evaluated_is_left_to_an_entrypoint(channel: Path) -> None:
    planned = activate(channel, "activated", "activated-at-start")
    assert "AT_START" not in planned.activation.variables
    assert planned.activation.variables["ACTIVATED_PREFIX"] == PREFIX
    assert unresolved(planned) == [("activated-at-start", "etc/conda/activate.d/at-start.sh")]
    (entry,) = planned.entries(PREFIX)
    assert (entry.path, entry.mode) == (f"srv/env/{ENTRYPOINT}", 0o755)
    content = entry.read()
    assert content == planned.entrypoint
    assert f"{PREFIX}/etc/conda/activate.d/at-start.sh".encode() in content
    assert b"activated.sh" not in content


def test_with_an_entrypoint_for_all_it_sources_every_script(channel: Path) -> None:
    """In the order of their paths, as `conda activate` does; variables of JSON files are still in the image."""
    planned = activate(channel, "activated-values", "activated", mode=ActivationMode.ENTRYPOINT)
    assert set(planned.activation.variables) == {"ACTIVATED_JSON", "VALUE_LINES", "VALUE_UNICODE"}
    assert unresolved(planned) == [
        ("activated", "etc/conda/activate.d/activated.sh"),
        ("activated-values", "etc/conda/activate.d/values.sh"),
    ]
    for path in ("activated.sh", "values.sh"):
        assert f"{PREFIX}/etc/conda/activate.d/{path}".encode() in planned.entrypoint
    assert b".json" not in planned.entrypoint


@pytest.mark.parametrize("mode", ActivationMode)
def test_without_scripts_there_is_nothing_in_any_mode(channel: Path, mode: ActivationMode) -> None:
    planned = activate(channel, "hello-sh", mode=mode)
    assert (planned.activation.variables, planned.activation.unresolved, planned.entrypoint) == ({}, (), b"")


def test_none_activates_nothing(channel: Path) -> None:
    planned = activate(channel, "activated", "activated-at-start", mode=ActivationMode.NONE)
    assert (planned.activation.variables, planned.activation.unresolved, planned.entrypoint) == ({}, (), b"")


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_a_path_of_two_packages_only_the_winner_is_evaluated(channel: Path, order: tuple[str, str]) -> None:
    planned = activate(channel, *(f"activated-copy-{name}" for name in order))
    assert len(planned.activation.variables) == 1
    origin, value = planned.activation.origins["COPY"], planned.activation.variables["COPY"]
    assert origin == f"activated-copy-{value}: etc/conda/activate.d/copy.sh"
    assert value == order[1]


def test_filtered_scripts_are_not_evaluated(tmp_path: Path) -> None:
    """Whatever is left out of the image takes no part."""
    files = {"etc/conda/activate.d/test_me.sh": text("export A=1\n"), "etc/conda/activate.d/x.js.map": text("")}
    packages = [PackageSpec("scripted", files=files), PackageSpec("trimmed", files={"lib/a.js.map": text("{}\n")})]
    write_channel(tmp_path / "channel", packages)
    look = text('if [ -f "$CONDA_PREFIX/lib/a.js.map" ]; then export FOUND=1; else export FOUND=0; fi\n')
    write_channel(tmp_path / "looking", [PackageSpec("looking", files={"etc/conda/activate.d/look.sh": look})])
    (tmp_path / "looking/linux-64/looking-1.0-0.conda").rename(tmp_path / "channel/linux-64/looking-1.0-0.conda")
    found = [
        activate(tmp_path / "channel", "trimmed", "looking", "scripted", filters=filters).activation.variables
        for filters in (frozenset[Filter](), frozenset({Filter.JS_MAPS}))
    ]
    assert found == [{"A": "1", "FOUND": "1"}, {"A": "1", "FOUND": "0"}]


def test_scripts_that_are_links(channel: Path) -> None:
    """Those into the package are read there; what is elsewhere is only known in the container."""
    planned = activate(channel, "activated-linked")
    assert planned.activation.variables == {"LINKED_INSIDE": f"{PREFIX}/inside"}
    assert unresolved(planned) == [("activated-linked", "etc/conda/activate.d/outside.sh")]
    assert f"{PREFIX}/etc/conda/activate.d/outside.sh".encode() in planned.entrypoint


def test_variables_of_the_base_can_be_changed_and_removed(tmp_path: Path) -> None:
    script = text('unset KEPT\nexport PATH="$PATH:$CONDA_PREFIX/sbin"\n')
    write_channel(tmp_path / "channel", [PackageSpec("changing", files={"etc/conda/activate.d/a.sh": script})])
    activation = activate(tmp_path / "channel", "changing").activation
    assert activation.removed == ("KEPT",)
    assert activation.variables == {"PATH": f"{ENV['PATH']}:{PREFIX}/sbin"}
