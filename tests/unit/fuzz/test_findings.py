"""What fuzzing, or thinking of who would do harm, found once."""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.digest import Digest
from docker_envs.errors import DockerEnvsError, FormatError, StorageError, TransportError
from docker_envs.images.location import Transport, parse_location
from docker_envs.oci import media_types
from docker_envs.oci.reference import Reference
from docker_envs.transports.engine.answers import error_message
from docker_envs.transports.fetch import RetryRule, error_detail, parse_retry_after
from docker_envs.transports.files.docker_archive import iter_archive, read_archive, read_archive_artifacts
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.http import HttpClient
from docker_envs.transports.registry.registries_conf import RegistriesConf
from tests.fuzz.archives import GOOD_TAR, Blobs, config
from tests.fuzz.documents import INDEX, encode
from tests.fuzz.registry import Hostile
from tests.fuzz.tars import tar
from tests.simulators.http_server import Answer, HttpSimulator, Request, json_answer
from tests.unit.cli.runner import runner
from tests.unit.transports.helpers import FakeResponse
from tests.unit.transports.registry.helpers import client, name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DIFF_ID = Digest.of(GOOD_TAR)


def test_locations_longer_than_any_path() -> None:
    assert parse_location(f"/{'x' * 5000}").transport is Transport.DOCKER_ARCHIVE


@pytest.mark.parametrize("value", [f"Wed, 21 Oct {'9' * 30} 07:28:00 GMT", f"1 Jan 2020 {'9' * 40}:00:00"])
def test_dates_beyond_all_calendars(value: str) -> None:
    assert parse_retry_after(value, now=0) is None


def test_refusals_nested_too_deeply() -> None:
    body = b'{"x":' * 5000
    assert error_detail(FakeResponse(body)) == ""
    assert error_message(body.decode()) == body.decode()


def test_numbers_too_long_for_python_in_settings(tmp_path: Path) -> None:
    file = tmp_path / "registries.conf"
    file.write_text(f"a = {'9' * 5000}\n")
    with pytest.raises(FormatError, match="no valid TOML"):
        RegistriesConf.load([file])


class _Fixed(Hostile):
    def pieces(self, line: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"


def test_chunks_of_negative_length() -> None:
    http = HttpClient(rule=RetryRule(attempts=1))
    with (
        _Fixed().running() as server,
        http.open(f"http://{server.address}/") as got,
        pytest.raises(TransportError, match="broke"),
    ):
        got.read(100)


def test_foreign_layers_that_the_config_does_not_know() -> None:
    blobs = Blobs()
    layer = blobs.add(GOOD_TAR, media_types.to_oci(media_types.DOCKER_LAYER_FOREIGN))
    configured = blobs.add(encode(config()), media_types.OCI_CONFIG)
    document = {"schemaVersion": 2, "config": configured, "layers": [layer]}
    found = read_archive_artifacts(io.BytesIO(_layout(blobs, blobs.add(encode(document), media_types.OCI_MANIFEST))))
    with pytest.raises(FormatError, match="1 layers, the config 0 diff_ids"):
        b"".join(iter_archive(found))


def test_inspect_shows_settings_of_any_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    document = config(DIFF_ID)
    document["config"] |= {"Cmd": [1], "Entrypoint": 5, "User": {"1": 2}, "Volumes": ["a", {}]}
    document |= {"created": [], "history": [{"created_by": ["x"]}]}
    entry = {"Config": "config", "RepoTags": ["app:1"], "Layers": ["layer"]}
    files = [("config", encode(document)), ("layer", GOOD_TAR), ("manifest.json", encode([entry]))]
    (tmp_path / "app.tar").write_bytes(tar(files))
    run = runner(monkeypatch, capfdbinary)
    assert "['x']" in run("inspect", f"docker-archive:{tmp_path}/app.tar").text


def test_layouts_that_may_not_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    folder.mkdir(mode=0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)
        with pytest.raises(StorageError, match="Permission denied"):
            read_layout(folder)
    finally:
        os.seteuid(user)


# --- documents that name each other ---------------------------------------------------------------------------------


def _layout(blobs: Blobs, *entries: dict[str, Any]) -> bytes:
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(entries)}
    files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}', "index.json": encode(index), **blobs.files}
    return tar(files.items())


def _tower(blobs: Blobs, width: int, height: int) -> dict[str, Any]:
    """An index that names another one `width` times, which does the same, and so on."""
    kind = media_types.OCI_MANIFEST
    entry = blobs.add(encode({"schemaVersion": 2, "mediaType": kind, "layers": []}), kind)
    for _ in range(height):
        entry = blobs.add(encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] * width}), INDEX)
    return entry


@pytest.mark.timeout(60)
def test_indexes_that_grow_with_each_level() -> None:
    blobs = Blobs()
    with pytest.raises(FormatError, match="more than 20,000 manifests"):
        read_archive(io.BytesIO(_layout(blobs, _tower(blobs, 50, 8))))


@pytest.mark.timeout(60)
def test_indexes_that_grow_with_each_level_in_registries() -> None:
    blobs = Blobs()
    top = _tower(blobs, 50, 8)["digest"].partition(":")[2]

    def answer(request: Request) -> Answer:
        if request.path == "/v2/":
            return Answer()
        wanted = request.path.rpartition(":")[2] if ":" in request.path else top
        return Answer(body=blobs.files[f"blobs/sha256/{wanted}"], headers={"Content-Type": INDEX})

    with HttpSimulator(answer).running() as server, pytest.raises(FormatError, match="more than 20,000 manifests"):
        client().artifact(name(server))


@pytest.mark.timeout(60)
def test_one_big_config_for_many_images() -> None:
    entry = {"Config": "config", "Layers": []}
    content = encode({**config(), "x": "x" * 4_000_000})
    with pytest.raises(FormatError, match="configs of more than 67,108,864 bytes"):
        read_archive(io.BytesIO(tar([("config", content), ("manifest.json", encode([entry] * 1000))])))


@pytest.mark.timeout(60)
def test_one_big_config_for_many_manifests() -> None:
    blobs = Blobs()
    configured = blobs.add(encode({**config(), "x": "x" * 4_000_000}), media_types.OCI_CONFIG)
    entries = [
        blobs.add(
            encode({"schemaVersion": 2, "config": configured, "layers": [], "annotations": {"number": str(number)}}),
            media_types.OCI_MANIFEST,
        )
        for number in range(20)
    ]
    with pytest.raises(FormatError, match="configs of more than 67,108,864 bytes"):
        read_archive(io.BytesIO(_layout(blobs, *entries)))


@pytest.mark.timeout(60)
def test_the_oldest_archives_have_few_ancestors() -> None:
    ids = [f"{number:064x}" for number in range(128)]
    files = {"repositories": json.dumps({"app": {layer_id: layer_id for layer_id in ids}}).encode()}
    for layer_id, parent in zip(ids, ["", *ids], strict=False):
        files |= {f"{layer_id}/json": encode({"parent": parent}), f"{layer_id}/layer.tar": GOOD_TAR}
    with pytest.raises(FormatError, match="more than 126 ancestors"):
        read_archive(io.BytesIO(tar(files.items())))


@pytest.mark.timeout(60)
def test_referrers_without_end() -> None:
    entry = {"mediaType": media_types.OCI_MANIFEST, "digest": DIFF_ID, "size": 1}
    page = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] * 5000}

    def answer(request: Request) -> Answer:
        return Answer() if request.path == "/v2/" else json_answer(page, Link=f"<{request.target}>; rel=next")

    with HttpSimulator(answer).running() as server, pytest.raises(DockerEnvsError, match="more than 100,000"):
        client().referrers(Reference.parse(f"{name(server).name}@{DIFF_ID}"))
