from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.errors import FormatError
from docker_envs.transports.files.docker_archive import read_archive
from docker_envs.validate import validate_image
from tests.images import flattened, layer_tar, members
from tests.packages.build import File, tar_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

HELLO_WORLD = Path(__file__).parents[5] / "shared/images/hello-world.tar"
FIRST = {"etc/layer": b"first\n", "etc/first": b"1"}
SECOND = {"etc/layer": b"second\n", "etc/second": b"2"}


def v1_archive(chain: list[tuple[str, str | None, bytes]], repositories: object) -> bytes:
    found = {"repositories": json.dumps(repositories).encode()}
    for number, (layer_id, parent, tar) in enumerate(chain):
        document = {
            "id": layer_id,
            "parent": parent,
            "created": f"2014-01-0{number + 1}T00:00:00Z",
            "container_config": {"Cmd": ["/bin/sh", "-c", f"step {number}"]},
            "config": {"Env": [f"STEP={number}"]},
            "architecture": "amd64",
            "os": "linux",
            "Size": 17,
        }
        found[f"{layer_id}/VERSION"] = b"1.0"
        found[f"{layer_id}/json"] = json.dumps(document).encode()
        found[f"{layer_id}/layer.tar"] = tar
    return tar_bytes((name, File(content)) for name, content in found.items())


LOW, HIGH = "f" * 64, "0" * 64
CHAIN: list[tuple[str, str | None, bytes]] = [(LOW, None, layer_tar(FIRST)), (HIGH, LOW, layer_tar(SECOND))]


@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_v1_images_are_chains_of_parents(compress: Callable[[bytes], bytes]) -> None:
    chain = [(layer_id, parent, compress(tar)) for layer_id, parent, tar in CHAIN]
    content = v1_archive(chain, {"app": {"1": HIGH, "2": HIGH}, "127.0.0.1:5000/base": {"x": LOW}})
    app, base = read_archive(io.BytesIO(content))
    assert [str(reference) for reference in app.references] == ["docker.io/library/app:1", "docker.io/library/app:2"]
    assert [str(reference) for reference in base.references] == ["127.0.0.1:5000/base:x"]
    assert flattened(app.image) == FIRST | SECOND
    assert app.image.config.document == {
        "created": "2014-01-02T00:00:00Z",
        "container_config": {"Cmd": ["/bin/sh", "-c", "step 1"]},
        "config": {"Env": ["STEP=1"]},
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in app.image.layers]},
        "history": [
            {"created": "2014-01-01T00:00:00Z", "created_by": "/bin/sh -c step 0"},
            {"created": "2014-01-02T00:00:00Z", "created_by": "/bin/sh -c step 1"},
        ],
    }
    assert base.image.layers == app.image.layers[:1]
    validate_image(app.image)


@pytest.mark.parametrize(
    ("chain", "repositories", "message"),
    [
        pytest.param([(LOW, HIGH, b""), (HIGH, LOW, b"")], {"a": {"1": HIGH}}, "is its own ancestor", id="cycle"),
        pytest.param([(HIGH, LOW, b"")], {"a": {"1": HIGH}}, f"`{LOW}/json` is missing", id="missing parent"),
        pytest.param(CHAIN, {"a": {"1": "../../etc"}}, "is no layer id", id="hostile id"),
        pytest.param([(HIGH, "..", b"")], {"a": {"1": HIGH}}, "is no layer id", id="hostile parent"),
        pytest.param(CHAIN, {"A": {"1": HIGH}}, "repositories: invalid image reference", id="bad name"),
        pytest.param(CHAIN, {"a": [HIGH]}, "a: expected dict", id="list of tags"),
        pytest.param(CHAIN, [], "repositories: top level", id="list"),
    ],
)
def test_malformed_v1_archives(chain: list[tuple[str, str | None, bytes]], repositories: object, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_archive(io.BytesIO(v1_archive(chain, repositories)))


@pytest.mark.skipif(not HELLO_WORLD.exists(), reason="the shared images are not here")
def test_the_oldest_form_in_a_file_that_docker_saved() -> None:
    found = members(HELLO_WORLD.read_bytes())
    del found["manifest.json"]
    (hello,) = read_archive(io.BytesIO(tar_bytes((name, File(content)) for name, content in found.items())))
    assert [reference.familiar for reference in hello.references] == ["hello-world:latest"]
    assert hello.image.config.container["Cmd"] == ["/hello"]
    validate_image(hello.image)
