from __future__ import annotations

import gzip
import io
import json
import lzma
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import CompressionSetting
from docker_envs.errors import DigestMismatchError, FormatError
from docker_envs.oci import media_types
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import read_archive
from docker_envs.validate import validate_image
from tests.images import flattened, layer_tar, make_layer, read_blob
from tests.packages.build import Directory, File, Node, Symlink, tar_bytes

if TYPE_CHECKING:
    from docker_envs.oci.image import Image

HELLO_WORLD = Path(__file__).parents[5] / "shared/images/hello-world.tar"
FIRST = {"etc/layer": b"first\n", "etc/first": b"1"}
SECOND = {"etc/layer": b"second\n", "etc/second": b"2"}


def config_of(*tars: bytes, **more: object) -> bytes:
    diff_ids = [f"sha256:{sha256(tar).hexdigest()}" for tar in tars]
    document = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}, **more}
    return json.dumps(document, indent=1).encode()


def legacy(config: bytes, layers: dict[str, Node], **entry: object) -> list[tuple[str, Node]]:
    name = f"{sha256(config).hexdigest()}.json"
    document = {"Config": name, "RepoTags": ["app:1"], "Layers": list(layers), **entry}
    found: dict[str, Node] = {name: File(config), **layers, "manifest.json": File(json.dumps([document]).encode())}
    return sorted(found.items())


def read_legacy(found: list[tuple[str, Node]]) -> Image:
    (only,) = read_archive(io.BytesIO(tar_bytes(found)))
    assert only.references == (Reference.parse("app:1"),)
    return only.image


def test_legacy_layers_in_order() -> None:
    tars = [layer_tar(FIRST), layer_tar(SECOND)]
    config = config_of(
        *tars, history=[{"created_by": "one"}, {"empty_layer": True}, {"created_by": "two"}], x={"kept": 1}
    )
    image = read_legacy(
        legacy(config, {f"{'9' * 64}/layer.tar": File(tars[0]), f"{'1' * 64}/layer.tar": File(tars[1])})
    )
    assert flattened(image) == FIRST | SECOND
    assert image.config.raw == config
    assert [layer.media_type for layer in image.layers] == [media_types.OCI_LAYER_TAR] * 2
    assert [(layer.digest, layer.size) for layer in image.layers] == [
        (f"sha256:{sha256(tar).hexdigest()}", len(tar)) for tar in tars
    ]
    validate_image(image)


@pytest.mark.parametrize(
    "config_name",
    ["{}.json", "sha256:{}", "blobs/sha256/{}", "config.json"],
    ids=["docker", "kaniko", "blobs", "plain"],
)
def test_legacy_configs_have_many_names(config_name: str) -> None:
    tar = layer_tar(FIRST)
    config = config_of(tar)
    name = config_name.format(sha256(config).hexdigest())
    image = read_legacy([(name, File(config)), *legacy(config, {"1/layer.tar": File(tar)}, Config=name)])
    assert flattened(image) == FIRST


def test_legacy_layers_may_be_links_and_repeated() -> None:
    tars = [layer_tar(FIRST), layer_tar(SECOND)]
    layers: dict[str, Node] = {
        "1/layer.tar": File(tars[0]),
        "2/layer.tar": Symlink("../2.tar"),
        "3/layer.tar": Symlink("../1/layer.tar"),
    }
    found = legacy(config_of(*tars, tars[0]), layers)
    image = read_legacy([*found, ("2.tar", File(tars[1]))])
    assert flattened(image) == SECOND | FIRST
    repeated = legacy(
        config_of(tars[0], tars[0]), {"1/layer.tar": File(tars[0])}, Layers=["1/layer.tar", "1/layer.tar"]
    )
    assert len(read_legacy(repeated).layers) == 2


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_legacy_layers_may_be_compressed(codec: str) -> None:
    layer = make_layer(FIRST, CompressionSetting.parse(codec))
    with layer.open_tar() as stream:
        config = config_of(stream.read())
    image = read_legacy(legacy(config, {"1/layer.tar": File(read_blob(layer))}))
    assert image.layers[0].descriptor == layer.descriptor
    validate_image(image)


def test_legacy_facts_are_had_without_reading_layers() -> None:
    tar = layer_tar(FIRST)
    damaged = bytearray(tar)
    damaged[600] ^= 1
    image = read_legacy(legacy(config_of(tar), {"1/layer.tar": File(bytes(damaged))}))
    assert image.layers[0].digest == f"sha256:{sha256(tar).hexdigest()}"
    with pytest.raises(DigestMismatchError, match=image.layers[0].digest.short):
        read_blob(image.layers[0])


def test_a_whole_legacy_file_may_be_compressed() -> None:
    tar = layer_tar(FIRST)
    content = gzip.compress(tar_bytes(legacy(config_of(tar), {"1/layer.tar": File(tar)})))
    assert flattened(read_archive(io.BytesIO(content))[0].image) == FIRST


TAR = layer_tar(FIRST)
CONFIG = config_of(TAR)
LAYER: dict[str, Node] = {"1/layer.tar": File(TAR)}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param([("readme", File(b""))], "no image archive", id="something else"),
        pytest.param([], "no image archive", id="nothing"),
        pytest.param([("manifest.json", File(b"{"))], "manifest.json: no valid JSON", id="no JSON"),
        pytest.param([("manifest.json", File(b"{}"))], "manifest.json: top level: expected a list", id="no list"),
        pytest.param([("manifest.json", File(b"[1]"))], "expected an object", id="no object"),
        pytest.param([("manifest.json", File(b"[" * 100_000))], "manifest.json", id="deep"),
        pytest.param([("manifest.json", Directory())], "`manifest.json` is no file", id="directory"),
        pytest.param([("manifest.json", Symlink("manifest.json"))], "leads in circles", id="cycle"),
        pytest.param(legacy(CONFIG, LAYER, Config=None), r"\[0\].Config: missing", id="no config"),
        pytest.param(legacy(CONFIG, LAYER, Config="gone.json"), "`gone.json` is missing", id="missing config"),
        pytest.param(legacy(CONFIG, LAYER, Config="../../etc/passwd"), "points outside", id="config outside"),
        pytest.param(legacy(CONFIG, LAYER, Config="/etc/passwd"), "points outside", id="config absolute"),
        pytest.param(legacy(b"[]", LAYER), "expected an object", id="config is a list"),
        pytest.param(legacy(CONFIG, LAYER, Layers=["../x/layer.tar"]), "points outside", id="layer outside"),
        pytest.param(legacy(CONFIG, LAYER, Layers=["2/layer.tar"]), "`2/layer.tar` is missing", id="missing layer"),
        pytest.param(legacy(CONFIG, LAYER, Layers=[]), "0 layers, the config 1", id="too few layers"),
        pytest.param(legacy(CONFIG, LAYER, Layers=["1/layer.tar"] * 2), "2 layers, the config 1", id="too many layers"),
        pytest.param(legacy(CONFIG, LAYER, Layers=[1]), r"Layers\[0\]: expected str", id="layer is a number"),
        pytest.param(legacy(CONFIG, LAYER, RepoTags=["UPPER"]), "RepoTags: invalid image reference", id="bad tag"),
        pytest.param(legacy(CONFIG, {"1/layer.tar": Symlink("layer.tar")}), "leads in circles", id="cyclic layer"),
        pytest.param(legacy(CONFIG, {"1/layer.tar": Symlink("../../x")}), "points outside", id="layer link outside"),
        pytest.param(legacy(CONFIG, {"1/layer.tar": File(lzma.compress(TAR))}), "compressed with xz", id="xz layer"),
        pytest.param(legacy(b" " * (5 << 20), LAYER), "more than the limit of 4,194,304", id="huge config"),
    ],
)
def test_malformed_archives(found: list[tuple[str, Node]], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_archive(io.BytesIO(tar_bytes(found)))


def test_a_config_must_be_what_its_name_says() -> None:
    found = [
        (name, File(b"{}") if name.endswith(".json") and name != "manifest.json" else node)
        for name, node in legacy(CONFIG, LAYER)
    ]
    with pytest.raises(DigestMismatchError, match=sha256(CONFIG).hexdigest()):
        read_archive(io.BytesIO(tar_bytes(found)))


def test_several_legacy_images() -> None:
    tars = [layer_tar(FIRST), layer_tar(SECOND)]
    configs = [config_of(tars[0]), config_of(*tars)]
    entries = [
        {"Config": "a.json", "RepoTags": ["a:1", "a:2"], "Layers": ["1.tar"]},
        {"Config": "b.json", "RepoTags": None, "Layers": ["1.tar", "2.tar"]},
    ]
    files = {"a.json": configs[0], "b.json": configs[1], "1.tar": tars[0], "2.tar": tars[1]}
    content = tar_bytes(
        (name, File(body)) for name, body in {**files, "manifest.json": json.dumps(entries).encode()}.items()
    )
    first, second = read_archive(io.BytesIO(content))
    assert [reference.familiar for reference in first.references] == ["a:1", "a:2"]
    assert second.references == ()
    assert [flattened(each.image) for each in (first, second)] == [FIRST, FIRST | SECOND]


@pytest.mark.skipif(not HELLO_WORLD.exists(), reason="the shared images are not here")
def test_a_file_that_docker_saved() -> None:
    (hello,) = read_archive(HELLO_WORLD)
    assert [reference.familiar for reference in hello.references] == ["hello-world:latest"]
    assert hello.image.config.digest == "sha256:d1165f2212346b2bab48cb01c1e39ee8ad1be46b87873d9ca7a4e434980a7726"
    assert hello.image.config.container["Cmd"] == ["/hello"]
    assert list(flattened(hello.image)) == ["hello"]
    validate_image(hello.image)
