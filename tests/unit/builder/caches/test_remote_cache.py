"""Layers that somebody made before are taken from a registry, and nothing of them moves unless it must."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.compression import open_decompressed
from docker_envs.builder.build import build
from docker_envs.builder.forecast import Origin
from docker_envs.errors import VerificationError
from docker_envs.oci.reference import Reference
from docker_envs.validate import validate_image
from tests.builds import read_image_file
from tests.simulators.http_server import Answer, refusal
from tests.simulators.registry import RegistrySimulator, sha256
from tests.unit.builder.caching import NAMES, ZSTD, Workshop, open_workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from docker_envs.builder.build import BuildResult
    from tests.simulators.http_server import Request


@pytest.fixture
def workshop(tmp_path: Path, channel: Path) -> Iterator[Workshop]:
    with open_workshop(tmp_path, channel) as workshop:
        yield workshop


def package_layers(result: BuildResult) -> set[str]:
    return {str(layer.digest) for layer in result.own_layers[: len(NAMES)]}


def rewrite(workshop: Workshop, tag: str, **annotations: str) -> None:
    """Put another entry under a tag."""
    manifests = workshop.registry.repository("cache").manifests
    media_type, raw = manifests[tag]
    document = json.loads(raw)
    document["annotations"] |= {
        f"io.docker-envs.layer.{name.replace('_', '-')}": text for name, text in annotations.items()
    }
    manifests[tag] = (media_type, json.dumps(document).encode())


def test_a_cold_machine_moves_no_layer_and_no_package(workshop: Workshop) -> None:
    made = workshop.fill()
    again = workshop.build(sources=(workshop.repository,), push="image")
    assert again.image.digest == made.image.digest
    assert again.findings == made.findings != ()
    assert workshop.warnings == []
    assert workshop.fetched() == []
    assert workshop.asked("GET", "/blobs/") == []
    # The entrypoint and the record of the environment belong to the image alone.
    sent = sum(len(request.body) for request in workshop.registry.log if "/blobs/" in request.path)
    assert sent == again.image.config_descriptor.size + sum(layer.size for layer in again.own_layers[len(NAMES) :])
    assert sent < 10_000
    mounts = [request for request in workshop.registry.log if "mount" in request.query]
    assert {request.query["from"][0] for request in mounts} == {"cache"}
    assert {request.query["mount"][0] for request in mounts} == {
        str(layer.digest) for layer in again.own_layers[: len(NAMES)]
    }
    assert len(workshop.asked("GET", "/cache/manifests/")) == 2 * len(NAMES)


def test_every_layer_and_package_has_a_tag(workshop: Workshop) -> None:
    made = workshop.fill()
    keys = [planned.key for planned in made.plan.layers]
    assert workshop.tags("layer-") == sorted(f"layer-{key.hex}" for key in keys)
    assert workshop.tags("metadata-") == sorted(f"metadata-{package.sha256}-2" for package in workshop.packages)
    addresses = (workshop.channel.address, "/channel/")
    for _, raw in workshop.registry.repository("cache").manifests.values():
        assert not any(each in raw.decode() for each in addresses)


def test_what_is_there_is_not_written_again(workshop: Workshop) -> None:
    workshop.fill()
    cache = workshop.new_cache()
    use = {"sources": (workshop.repository,), "targets": (workshop.repository,)}
    workshop.build(cache, push="image", **use)
    assert (
        workshop.asked("PUT", "/cache/") == workshop.asked("POST", "/cache/") == workshop.asked("HEAD", "/cache/") == []
    )
    # Who does not read asks once for each layer.
    workshop.registry.log.clear()
    workshop.build(targets=(workshop.repository,))
    assert workshop.asked("PUT", "/cache/") == []
    assert len(workshop.asked("HEAD", "/cache/manifests/layer-")) == len(NAMES)
    assert workshop.asked("HEAD", "/cache/manifests/metadata-") == []


def test_nothing_changed_is_one_question_to_the_target(workshop: Workshop) -> None:
    workshop.fill(push="image")
    workshop.build(sources=(workshop.repository,), push="image")
    image = [each for each in workshop.registry.asked if "/image/" in each]
    assert image == ["HEAD /v2/image/manifests/latest"]


def test_layers_of_a_target_are_mounted_into_the_cache(workshop: Workshop) -> None:
    made = workshop.build(targets=(workshop.repository,), push="image")
    mounts = [request for request in workshop.registry.log if "mount" in request.query]
    assert {request.path for request in mounts} == {"/v2/cache/blobs/uploads/"}
    assert {request.query["mount"][0] for request in mounts} == {
        str(layer.digest) for layer in made.own_layers[: len(NAMES)]
    }


def test_a_store_fills_a_cache(workshop: Workshop) -> None:
    cache = workshop.new_cache()
    workshop.build(cache)
    workshop.build(cache, targets=(workshop.repository,))
    assert len(workshop.tags("layer-")) == len(NAMES)
    assert len(workshop.tags("metadata-")) == len(NAMES)


def test_files_get_the_bytes_which_stay_in_the_store(workshop: Workshop, tmp_path: Path) -> None:
    made, cache = workshop.fill(), workshop.new_cache()
    for _ in range(2):
        workshop.build(cache, sources=(workshop.repository,), archive=tmp_path / "image.tar")
        image = read_image_file(tmp_path / "image.tar")
        validate_image(image)
        assert image.digest == made.image.digest
    assert len(workshop.asked("GET", "/cache/blobs/")) == len(NAMES)
    assert workshop.fetched() == []


def test_another_registry_gets_the_bytes(workshop: Workshop) -> None:
    made = workshop.fill()
    other = RegistrySimulator()
    with other.running():
        request = workshop.request(sources=(workshop.repository,))
        destinations = replace(request.destinations, push=(Reference(other.address, "image"),))
        build(replace(request, destinations=destinations))
        assert made.image.digest in other.repository("image").manifests
    assert workshop.fetched() == []


def test_what_came_from_a_cache_is_for_those_who_trust_it(workshop: Workshop, tmp_path: Path) -> None:
    workshop.fill()
    cache = workshop.new_cache()
    workshop.build(cache, sources=(workshop.repository,), archive=tmp_path / "image.tar")
    assert {each.origin for each in workshop.forecast(cache)} == {Origin.BUILD}
    assert {each.origin for each in workshop.forecast(cache, sources=(workshop.repository,))} == {Origin.STORE}
    workshop.build(cache)
    assert {each.origin for each in workshop.forecast(cache)} == {Origin.STORE}


def test_the_first_cache_that_has_it_gives_it(workshop: Workshop) -> None:
    workshop.fill()
    empty = Reference(workshop.registry.address, "empty", None)
    layers = workshop.forecast(sources=(empty, workshop.repository))
    assert [each.origin for each in layers] == [Origin.CACHE] * len(NAMES)
    assert all(each.size > 0 for each in layers)
    assert len(workshop.asked("GET", "/empty/manifests/")) == 2 * len(NAMES)
    workshop.registry.log.clear()
    workshop.forecast(sources=(workshop.repository, empty))
    assert workshop.asked("GET", "/empty/") == []
    assert workshop.fetched() == []


def test_another_compression_is_another_layer(workshop: Workshop) -> None:
    workshop.fill()
    layers = workshop.forecast(sources=(workshop.repository,), compression=ZSTD)
    assert {each.origin for each in layers} == {Origin.BUILD}


def test_a_cache_that_cannot_be_reached_is_warned_of_once(workshop: Workshop) -> None:
    nobody = Reference("127.0.0.1:1", "cache", None)
    made = workshop.build(sources=(nobody,), targets=(nobody,), push="image")
    (warning,) = workshop.warnings
    assert warning.startswith(
        "the cache `127.0.0.1:1/cache` cannot be read, so the build goes on without it: cannot conn"
    )
    assert made.image.digest in workshop.registry.repository("image").manifests


def test_a_cache_that_cannot_be_written_is_warned_of_once(workshop: Workshop) -> None:
    regular = workshop.registry.answer

    def read_only(request: Request) -> Answer:
        writes = request.method not in ("GET", "HEAD") and "/cache/" in request.path
        return refusal(403, "DENIED", "read only") if writes else regular(request)

    workshop.registry.answer = read_only  # type: ignore[method-assign]
    workshop.build(sources=(workshop.repository,), targets=(workshop.repository,), push="image")
    (warning,) = workshop.warnings
    assert warning.startswith(f"the cache `{workshop.repository.name}` cannot be written, so the build goes on")
    assert "docker-envs login" in warning


DAMAGE = {
    "another key": ({"key": f"sha256:{'0' * 64}"}, "annotations.io.docker-envs.layer.key: expected sha256:"),
    "no diff_id": ({"diff_id": "none"}, "annotations: "),
    "no size": ({"tar_size": "-1"}, "'-1' is no tar's size"),
    "hostile size": ({"tar_size": "9" * 30}, "is no tar's size"),
    "odd size": ({"tar_size": "1025"}, "'1025' is no tar's size"),
    "findings": ({"findings": '[{"kind": "strange"}]'}, "annotations: "),
}


@pytest.mark.parametrize(("annotations", "reason"), DAMAGE.values(), ids=DAMAGE)
def test_nonsense_is_ignored_and_written_anew(workshop: Workshop, annotations: dict[str, str], reason: str) -> None:
    made = workshop.fill()
    tag = workshop.tags("layer-")[0]
    good = workshop.registry.repository("cache").manifests[tag]
    rewrite(workshop, tag, **annotations)
    again = workshop.build(sources=(workshop.repository,), targets=(workshop.repository,), push="image")
    assert again.image.digest == made.image.digest
    (warning,) = workshop.warnings
    assert warning.startswith(f"`{tag}` in the cache `{workshop.repository.name}` is ignored: ")
    assert reason in warning
    assert len(workshop.fetched()) == 1
    assert workshop.registry.repository("cache").manifests[tag] == good


@pytest.mark.parametrize(
    "annotations", [{"diff_id": f"sha256:{'0' * 64}"}, {"tar_size": "512"}, {"tar_size": "51200000"}]
)
def test_facts_that_do_not_fit_the_blob_are_found_when_it_is_read(
    workshop: Workshop, tmp_path: Path, annotations: dict[str, str]
) -> None:
    made = workshop.fill()
    tag = workshop.tags("layer-")[0]
    rewrite(workshop, tag, **annotations)
    again = workshop.build(sources=(workshop.repository,), archive=tmp_path / "image.tar")
    assert again.image.digest == made.image.digest
    (warning,) = workshop.warnings
    assert warning.startswith(f"`{tag}` in the cache `{workshop.repository.name}` is ignored: layer ")


@pytest.mark.parametrize("push", [False, True], ids=["file", "registry"])
def test_a_damaged_blob_is_made_anew(workshop: Workshop, tmp_path: Path, push: bool) -> None:
    made = workshop.fill()
    workshop.registry.mounts = 202
    blobs = workshop.registry.repository("cache").blobs
    digest = str(made.own_layers[0].digest)
    content = bytearray(blobs[digest])
    content[len(content) // 2] ^= 1
    blobs[digest] = bytes(content)
    to = {"push": "image"} if push else {"archive": tmp_path / "image.tar"}
    again = workshop.build(sources=(workshop.repository,), **to)
    assert again.image.digest == made.image.digest
    (warning,) = workshop.warnings
    assert "is ignored: " in warning
    assert len(workshop.fetched()) == 1


def poison_layer(workshop: Workshop) -> str:
    """Put the layer of one key under another, as somebody who may write there can; the tag."""
    first, second = workshop.tags("layer-")[:2]
    manifests = workshop.registry.repository("cache").manifests
    media_type, raw = manifests[second]
    key = f"sha256:{first.removeprefix('layer-')}"
    document = json.loads(raw)
    document["annotations"]["io.docker-envs.layer.key"] = key
    manifests[first] = (media_type, json.dumps(document).encode())
    return first


@pytest.mark.parametrize("verify", [3, None])
def test_verifying_finds_a_poisoned_layer(workshop: Workshop, verify: int | None) -> None:
    workshop.fill()
    tag = poison_layer(workshop)
    workshop.build(sources=(workshop.repository,), push="unverified")
    assert workshop.fetched() == []
    with pytest.raises(VerificationError) as raised:
        workshop.build(sources=(workshop.repository,), push="image", verify=verify)
    text = str(raised.value)
    assert text.startswith(f"layer `sha256:{tag.removeprefix('layer-')}` of `")
    assert f"in the cache `{workshop.repository.name}` but `sha256:" in text
    assert raised.value.hint == f"delete the tag `{tag}` there, find out who wrote it, and build without this cache"
    assert "latest" not in workshop.registry.repository("image").manifests


def test_verifying_what_is_true_changes_nothing(workshop: Workshop) -> None:
    made = workshop.fill()
    again = workshop.build(sources=(workshop.repository,), push="image", verify=1)
    assert again.image.digest == made.image.digest
    assert len(workshop.fetched()) == 1


def poison_metadata(workshop: Workshop, old: str, new: str) -> None:
    """Change what the metadata of a package say, well formed and with the right digests."""
    repository = workshop.registry.repository("cache")
    for tag in workshop.tags("metadata-"):
        media_type, raw = repository.manifests[tag]
        document = json.loads(raw)
        (descriptor,) = document["layers"]
        content = open_decompressed(io.BytesIO(base64.b64decode(descriptor["data"])), source="test").read()
        if old.encode() not in content:
            continue
        changed = bytes(ZSTD.block_compressor()(content.replace(old.encode(), new.encode())))
        descriptor |= {
            "data": base64.b64encode(changed).decode(),
            "digest": sha256(changed),
            "size": len(changed),
        }
        repository.manifests[tag] = (media_type, json.dumps(document).encode())


def test_layers_are_never_made_with_metadata_that_only_a_cache_has(workshop: Workshop) -> None:
    workshop.fill()
    poison_metadata(workshop, '"bin/hello"', '"bin/hellx"')
    manifests = workshop.registry.repository("cache").manifests
    for tag in workshop.tags("layer-"):
        del manifests[tag]
    with pytest.raises(VerificationError, match=r"has other metadata of `hello-sh-1\.0-0` than the package"):
        workshop.build(sources=(workshop.repository,), push="image")
    assert "latest" not in workshop.registry.repository("image").manifests


def test_verifying_finds_poisoned_metadata(workshop: Workshop) -> None:
    workshop.fill()
    poison_metadata(workshop, "linked/inside", "linked/xnside")
    with pytest.raises(VerificationError, match=r"has other metadata of `activated-linked-1\.0-0` than the package"):
        workshop.build(sources=(workshop.repository,), push="image", verify=None)


@pytest.mark.parametrize(("old", "new"), [('"bin/hello"', '"../../hello"'), ('"name":"hello-sh"', '"name":"hello"')])
def test_metadata_that_no_package_may_have_are_ignored(workshop: Workshop, old: str, new: str) -> None:
    made = workshop.fill()
    poison_metadata(workshop, old, new)
    again = workshop.build(sources=(workshop.repository,), push="image")
    assert again.image.digest == made.image.digest
    (warning,) = workshop.warnings
    assert warning.startswith("`metadata-")
    assert len(workshop.fetched()) == 1
