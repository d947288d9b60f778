from __future__ import annotations

import json
from typing import Any

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.oci.config import ImageConfig
from docker_envs.oci.descriptor import Platform

ONE, TWO, THREE = (Digest.of(text) for text in (b"1", b"2", b"3"))
DOCUMENT: dict[str, Any] = {
    "architecture": "arm64", "os": "linux", "variant": "v8", "os.version": "1", "created": "2020-01-01T00:00:00Z",
    "config": {"Env": ["PATH=/bin", "A=b=c", "EMPTY="], "Cmd": ["sh"], "Labels": {"l": "1"}, "X-Own": [1],
               "Healthcheck": {"Test": ["NONE"]}},
    "rootfs": {"type": "layers", "diff_ids": [ONE, TWO], "x-own": 1},
    "history": [{"created_by": "base"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "layer"},
                {"created_by": "CMD", "empty_layer": True}],
    "x-own": {"deep": [None]},
}  # fmt: skip


def parse(**changes: Any) -> ImageConfig:
    document = {name: value for name, value in {**DOCUMENT, **changes}.items() if value is not ...}
    return ImageConfig.parse(json.dumps(document, indent=2).encode(), source="url")


def test_bytes_received_are_kept() -> None:
    raw = json.dumps(DOCUMENT, indent=2).encode()
    config = ImageConfig.parse(raw, source="url")
    assert config.raw == raw
    assert config.digest == Digest.of(raw)
    assert config.document == DOCUMENT


def test_facts() -> None:
    config = parse()
    assert config.platform == Platform("linux", "arm64", "v8")
    assert config.diff_ids == (ONE, TWO)
    assert config.env == {"PATH": "/bin", "A": "b=c", "EMPTY": ""}
    assert config.labels == {"l": "1"}
    assert [entry["created_by"] for entry in config.history] == ["base", "ENV", "layer", "CMD"]


def test_absent_and_null_parts() -> None:
    for nothing in (None, ...):
        config = parse(config=nothing, history=nothing, variant=nothing, rootfs={"type": "layers", "diff_ids": None})
        assert (config.env, config.labels, config.history, config.diff_ids) == ({}, {}, (), ())
        assert config.with_env({"A": "b"}).env == {"A": "b"}


def test_new_layer() -> None:
    config = parse()
    changed = config.with_layer(THREE, {"created_by": "ours"})
    expected = {
        **DOCUMENT,
        "rootfs": {**DOCUMENT["rootfs"], "diff_ids": [ONE, TWO, THREE]},
        "history": [*DOCUMENT["history"], {"created_by": "ours"}],
    }
    assert json.loads(changed.raw) == changed.document == expected
    assert config.document == DOCUMENT


@pytest.mark.parametrize("history", [None, [], [{"empty_layer": True}], [{"created_by": "base"}]])
def test_history_meets_its_layers_after_a_new_one(history: list[dict[str, Any]] | None) -> None:
    changed = parse(history=history).with_layer(THREE, {"created_by": "ours"})
    filled = [entry for entry in changed.history if not entry.get("empty_layer")]
    assert len(filled) == 3
    assert filled[-1] == {"created_by": "ours"}
    assert list(changed.history[: len(history or ())]) == (history or [])


def test_top_layer_goes_with_its_history() -> None:
    changed = parse().without_top_layer()
    assert changed.diff_ids == (ONE,)
    assert [entry["created_by"] for entry in changed.history] == ["base", "ENV"]
    assert parse().with_layer(THREE, {}).without_top_layer().document == DOCUMENT


def test_history_that_does_not_match_is_left_alone() -> None:
    changed = parse(history=[{"created_by": "squashed"}]).without_top_layer()
    assert changed.diff_ids == (ONE,)
    assert changed.history == ({"created_by": "squashed"},)


def test_no_layer_to_remove() -> None:
    with pytest.raises(InvalidInputError, match="no layer to remove"):
        ImageConfig.empty(Platform("linux", "amd64")).without_top_layer()


def test_container_fields() -> None:
    changed = parse().with_container(Cmd=None, User="1000", Absent=None)
    container = {name: value for name, value in DOCUMENT["config"].items() if name != "Cmd"}
    assert changed.document == {**DOCUMENT, "config": {**container, "User": "1000"}}


def test_environment_keeps_its_order() -> None:
    changed = parse().with_env({"A": "new", "Z": "1", "PATH": "/opt/bin:/bin"})
    assert changed.container["Env"] == ["PATH=/opt/bin:/bin", "A=new", "EMPTY=", "Z=1"]


def test_labels_and_time() -> None:
    changed = parse().with_labels({"m": "2"}).with_created("2024-02-03T04:05:06Z")
    assert changed.labels == {"l": "1", "m": "2"}
    assert changed.document["created"] == "2024-02-03T04:05:06Z"
    assert changed.document["x-own"] == DOCUMENT["x-own"]


def test_labels_are_removed() -> None:
    changed = parse().without_labels(["l", "absent"])
    assert "Labels" not in changed.container
    assert parse().with_labels({"m": "2"}).without_labels(["l"]).labels == {"m": "2"}
    config = parse()
    assert config.without_labels(["absent"]) is config


def test_another_platform() -> None:
    changed = parse(variant="v7").with_platform(Platform("windows", "amd64"))
    assert changed.platform == Platform("windows", "amd64")
    assert "variant" not in changed.document
    assert changed.document["x-own"] == DOCUMENT["x-own"]


def test_other_layers() -> None:
    digest = Digest.of(b"x")
    changed = parse().with_rootfs([digest], [{"created_by": "us"}])
    assert (changed.diff_ids, changed.history) == ((digest,), ({"created_by": "us"},))
    rest = {name: value for name, value in DOCUMENT.items() if name not in ("rootfs", "history")}
    assert rest.items() <= changed.document.items()


def test_same_document_gives_same_bytes() -> None:
    reordered = dict(reversed(DOCUMENT.items()))
    assert ImageConfig.make(DOCUMENT).raw == ImageConfig.make(reordered).raw


def test_scratch() -> None:
    empty = ImageConfig.empty(Platform("linux", "amd64"))
    assert ImageConfig.parse(empty.raw, source="test") == empty
    assert (empty.diff_ids, empty.history, empty.platform) == ((), (), Platform("linux", "amd64"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"os": ...}, "os: missing, expected str"),
        ({"architecture": 5}, "architecture: expected str, got int"),
        ({"variant": 8}, "variant: expected str, got int"),
        ({"rootfs": ...}, "rootfs: missing, expected dict"),
        ({"rootfs": {"diff_ids": "x"}}, "rootfs.diff_ids: expected list, got str"),
        ({"rootfs": {"diff_ids": [ONE, "x"]}}, "rootfs.diff_ids[1]: invalid digest 'x'"),
        ({"rootfs": {"diff_ids": [None]}}, "rootfs.diff_ids[0]: expected str, got NoneType"),
        ({"config": []}, "config: expected dict, got list"),
        ({"config": {"Env": "A=b"}}, "config.Env: expected list, got str"),
        ({"config": {"Env": ["A=b", 1]}}, "config.Env[1]: expected str, got int"),
        ({"config": {"Labels": {"a": 1}}}, "config.Labels['a']: expected str, got int"),
        ({"history": {}}, "history: expected list, got dict"),
        ({"history": ["x"]}, "history[0]: expected an object"),
    ],
)
def test_malformed(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(**changes)
    assert str(caught.value) == f"url: {message}"


def test_deepest_nesting_that_is_read_can_be_edited() -> None:
    deep: Any = 1
    for _ in range(99):
        deep = [deep]
    assert parse(deep=deep).with_layer(THREE, {}).document["deep"] == deep
    with pytest.raises(FormatError, match="url: nested too deeply"):
        parse(deep=[[deep]])
