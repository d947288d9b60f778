"""What of a config follows the new base, field by field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.builder.activate import ENTRYPOINT
from docker_envs.builder.configure import DEFAULT_PATH
from docker_envs.builder.rebasing.config import merge_keys, rebased_document
from docker_envs.oci.config import ImageConfig
from docker_envs.records.record import RECORD_LABEL

WRAPPER = f"/opt/conda/{ENTRYPOINT}"


def config(container: dict[str, Any] | None = None, **fields: Any) -> ImageConfig:
    rootfs = {"type": "layers", "diff_ids": []}
    return ImageConfig.make(
        {"os": "linux", "architecture": "amd64", "config": container or {}, "rootfs": rootfs, **fields}
    )


def merged(image: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> Any:
    return rebased_document(config(image), config(old), config(new))["config"]


@pytest.mark.parametrize(
    ("image", "old", "new", "expected"),
    [
        pytest.param({"User": "a"}, {"User": "a"}, {"User": "b"}, {"User": "b"}, id="the base's follows"),
        pytest.param({"User": "me"}, {"User": "a"}, {"User": "b"}, {"User": "me"}, id="the image's stays"),
        pytest.param({}, {"User": "a"}, {"User": "b"}, {}, id="what the image removed stays away"),
        pytest.param({"User": "a"}, {"User": "a"}, {}, {}, id="what the new base lacks goes"),
        pytest.param({}, {}, {"StopSignal": "SIGQUIT"}, {"StopSignal": "SIGQUIT"}, id="what the new base has comes"),
        pytest.param({"User": ""}, {}, {"User": "b"}, {"User": "b"}, id="empty is absent"),
        pytest.param({"WorkingDir": "/w"}, {}, {"WorkingDir": "/n"}, {"WorkingDir": "/w"}, id="set by the image"),
        pytest.param(
            {"Healthcheck": {"Test": ["NONE"]}}, {"Healthcheck": {"Test": ["CMD", "a"]}},
            {"Healthcheck": {"Test": ["CMD", "b"]}}, {"Healthcheck": {"Test": ["NONE"]}}, id="objects as a whole",
        ),
        pytest.param(
            {"Labels": {"a": "1", "b": "mine", "own": "x"}}, {"Labels": {"a": "1", "b": "1", "gone": "1"}},
            {"Labels": {"a": "2", "b": "2", "gone": "2", "new": "2"}},
            {"Labels": {"a": "2", "b": "mine", "new": "2", "own": "x"}}, id="labels one by one",
        ),
        pytest.param(
            {"ExposedPorts": {"80/tcp": {}, "9/tcp": {}}, "Volumes": {"/d": {}}}, {"ExposedPorts": {"80/tcp": {}}},
            {"ExposedPorts": {"443/tcp": {}}}, {"ExposedPorts": {"443/tcp": {}, "9/tcp": {}}, "Volumes": {"/d": {}}},
            id="ports and volumes one by one",
        ),
        pytest.param(
            {"Labels": {RECORD_LABEL: "sha256:a sha256:b"}}, {"Labels": {RECORD_LABEL: "sha256:a"}},
            {"Labels": {RECORD_LABEL: "sha256:c"}}, {"Labels": {RECORD_LABEL: "sha256:c sha256:b"}}, id="records",
        ),
        pytest.param(
            {"Labels": {RECORD_LABEL: "sha256:a"}}, {"Labels": {RECORD_LABEL: "sha256:a"}}, {}, {}, id="records gone"
        ),
        pytest.param({"Labels": None}, {"Labels": {}}, {"Labels": None}, {"Labels": None}, id="null"),
    ],
)  # fmt: skip
def test_fields(image: dict[str, Any], old: dict[str, Any], new: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merged(image, old, new) == expected


@pytest.mark.parametrize(
    ("image", "old", "new", "expected"),
    [
        pytest.param(["A=1", "B=2"], ["A=1"], ["N=0", "A=9"], ["N=0", "A=9", "B=2"], id="in the new base's order"),
        pytest.param(["A=mine"], ["A=1"], ["A=9"], ["A=mine"], id="changed by the image"),
        pytest.param([], ["A=1"], ["A=9"], None, id="removed by the image"),
        pytest.param(["PATH=/e/bin:/bin"], ["PATH=/bin"], ["PATH=/n:/bin"], ["PATH=/e/bin:/n:/bin"], id="in front"),
        pytest.param(["PATH=/bin:/e"], ["PATH=/bin"], ["PATH=/n"], ["PATH=/n:/e"], id="behind"),
        pytest.param(["PATH=/a:/bin:/e"], ["PATH=/bin"], ["PATH=/n"], ["PATH=/a:/n:/e"], id="both"),
        pytest.param(["PATH=/e/bin"], ["PATH=/bin"], ["PATH=/n"], ["PATH=/e/bin"], id="only a part of a name"),
        pytest.param(["PATH=/bin"], ["PATH=/bin"], ["PATH=/n"], ["PATH=/n"], id="the base's"),
        pytest.param([f"PATH=/e:{DEFAULT_PATH}"], [], ["PATH=/n"], ["PATH=/e:/n"], id="the old base had none"),
        pytest.param(["PATH=/e:/bin"], ["PATH=/bin"], [], [f"PATH=/e:{DEFAULT_PATH}"], id="the new base has none"),
        pytest.param(["LD_LIBRARY_PATH=/e:/l"], ["LD_LIBRARY_PATH=/l"], [], ["LD_LIBRARY_PATH=/e"], id="others"),
        pytest.param(["MODE=a:b"], ["MODE=b"], ["MODE=c"], ["MODE=a:b"], id="no path"),
    ],
)
def test_variables(image: list[str], old: list[str], new: list[str], expected: list[str] | None) -> None:
    assert merged({"Env": image}, {"Env": old}, {"Env": new}).get("Env") == expected


Command = tuple[list[str], list[str]]


@pytest.mark.parametrize(
    ("image", "old", "new", "expected"),
    [
        pytest.param((["/o"], ["c"]), (["/o"], ["c"]), (["/n"], ["d"]), (["/n"], ["d"]), id="the base's"),
        pytest.param((["/o"], ["mine"]), (["/o"], ["c"]), (["/n"], ["d"]), (["/n"], ["mine"]), id="own command"),
        pytest.param((["/mine"], []), (["/o"], ["c"]), (["/n"], ["d"]), (["/mine"], []), id="own entrypoint"),
        pytest.param((["/mine"], ["c"]), (["/o"], ["c"]), (["/n"], ["d"]), (["/mine"], ["c"]), id="command stays"),
        pytest.param(([], ["c"]), (["/o"], ["c"]), (["/n"], ["d"]), ([], ["c"]), id="entrypoint removed"),
        pytest.param(([], ["sh"]), ([], ["sh"]), (["/n"], []), (["/n"], []), id="the new base's entrypoint comes"),
        pytest.param(
            ([WRAPPER, "/o"], ["c"]), (["/o"], ["c"]), (["/n"], ["d"]), ([WRAPPER, "/n"], ["d"]), id="wrapped"
        ),
        pytest.param(([WRAPPER], ["c"]), ([], ["c"]), (["/n"], ["d"]), ([WRAPPER, "/n"], ["d"]), id="wrapped nothing"),
        pytest.param(
            ([WRAPPER, "/mine"], []), (["/o"], []), (["/n"], ["d"]), ([WRAPPER, "/mine"], []), id="wrapped own"
        ),
    ],
)
def test_entrypoint_and_command(image: Command, old: Command, new: Command, expected: Command) -> None:
    containers = [{"Entrypoint": entrypoint, "Cmd": cmd} for entrypoint, cmd in (image, old, new)]
    found = merged(*containers)
    assert (found.get("Entrypoint") or [], found.get("Cmd") or []) == expected


def test_the_document() -> None:
    own: dict[str, Any] = {"created": "2020", "author": "me", "os.version": "1"}
    old: dict[str, Any] = {"created": "2019", "os.version": "1"}
    new: dict[str, Any] = {"created": "2021", "os.version": "2", "os.features": ["x"]}
    found = rebased_document(config(**own), config(**old), config(**new))
    expected = config(**own).document | {"os.version": "2", "os.features": ["x"]}
    assert found == expected


KEYS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123"))


@given(KEYS, KEYS, KEYS)
def test_merging(image: dict[str, str], old: dict[str, str], new: dict[str, str]) -> None:
    assert merge_keys(old, old, new) == new
    assert merge_keys(image, old, old) == image
    for name in image.keys() | old.keys() | new.keys():
        found, theirs = merge_keys(image, old, new).get(name), image.get(name)
        assert found == (new.get(name) if theirs == old.get(name) else theirs)
