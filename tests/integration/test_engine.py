"""Pull, save and load with a real engine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import docker
import pytest

from docker_envs.errors import AuthenticationError, EngineError, NotFoundError, VerificationError
from docker_envs.oci import edit
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.reference import Reference
from docker_envs.transports.engine.client import Engine as EngineClient
from docker_envs.transports.files.docker_archive import read_archive, write_archive
from docker_envs.transports.files.layout import read_layout
from docker_envs.validate import validate_image
from tests.images import flattened, make_layer, named
from tests.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.base_image import BaseImage
    from tests.services import Engine, PasswordRegistry


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(each_engine: Engine, recorder: Recorder) -> Iterator[EngineClient]:
    with EngineClient(reporter=recorder) as client:
        yield client


def forget(engine: Engine, reference: str) -> None:
    if any(reference in image.tags for image in engine.client.images.list()):
        engine.client.images.remove(reference, force=True)


def test_pull(client: EngineClient, each_engine: Engine, base_image: BaseImage) -> None:
    forget(each_engine, base_image.oci)
    client.pull(Reference.parse(base_image.oci))
    assert each_engine.run(base_image.oci) == "hello from the base\n"


def test_pull_by_digest_and_for_a_platform(client: EngineClient, each_engine: Engine, base_image: BaseImage) -> None:
    client.pull(Reference.parse(base_image.index), Platform("linux", "arm64"))
    pulled = each_engine.client.images.get(base_image.index)
    assert pulled.attrs["Architecture"] == "arm64"
    repository, _, digest = pulled.attrs["RepoDigests"][0].partition("@")
    client.pull(Reference.parse(f"{repository}@{digest}"), Platform("linux", "arm64"))
    forget(each_engine, base_image.index)


def test_pull_of_what_is_not_there(client: EngineClient, registry: str) -> None:
    with pytest.raises(NotFoundError, match=f"cannot pull `{registry}/no/such:1`") as missed:
        client.pull(Reference.parse(f"{registry}/no/such:1"))
    assert missed.value.hint


def test_pull_without_credentials(client: EngineClient, registry_with_basic_auth: PasswordRegistry) -> None:
    with pytest.raises(AuthenticationError, match=r"no basic auth credentials|authentication required") as refused:
        client.pull(Reference.parse(f"{registry_with_basic_auth.address}/app:1"))
    assert "docker login" in (refused.value.hint or "")


def test_pull_from_where_nobody_is(client: EngineClient) -> None:
    with pytest.raises(EngineError, match=r"cannot pull `127.0.0.1:1/app:1`"):
        client.pull(Reference.parse("127.0.0.1:1/app:1"))


def test_save(client: EngineClient, base_image: BaseImage, tmp_path: Path) -> None:
    references = [Reference.parse(base_image.oci), Reference.parse(base_image.docker)]
    for reference in references:
        client.pull(reference)
    client.save(references, tmp_path / "saved.tar")
    saved = read_archive(tmp_path / "saved.tar")
    assert {reference for each in saved for reference in each.references} == set(references)
    for each in saved:
        validate_image(each.image)


def test_save_of_what_is_not_there(client: EngineClient, tmp_path: Path) -> None:
    (tmp_path / "saved.tar").write_text("old")
    with pytest.raises(NotFoundError, match=r"cannot save `no/such:1`: .*(does not exist|not known)"):
        client.save([Reference.parse("no/such:1")], tmp_path / "saved.tar")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_an_image_of_the_engine(client: EngineClient, base_image: BaseImage) -> None:
    client.pull(Reference.parse(base_image.oci))
    image = client.image(Reference.parse(base_image.oci))
    client.close()
    assert flattened(image)["etc/layer"] == b"third\n"
    validate_image(image)


def test_load_of_images_and_of_a_file(
    client: EngineClient, each_engine: Engine, base_layout: Path, tmp_path: Path, recorder: Recorder
) -> None:
    (base,) = read_layout(base_layout, reference="single")
    for number, way in enumerate(("images", "file")):
        layer = make_layer({"etc/layer": way.encode(), "big": bytes(range(256)) * 4000})
        image = edit.append_layer(base.image, layer, history={"created_by": way})
        name = f"loaded:{number}"
        if way == "file":
            write_archive([named(image, name)], tmp_path / "app.tar")
        assert client.load(tmp_path / "app.tar" if way == "file" else [named(image, name)]) == [name]
        assert each_engine.run(name, "cat", "/etc/layer") == way
        assert each_engine.client.images.get(name).id == image.config.digest
    assert recorder.tasks
    for task in recorder.tasks:
        assert task.verb == "loading"
        assert task.finished == 1
        assert task.total is not None
        assert 0 < task.amount <= task.total or task.note == "already there"


def test_load_of_an_image_without_a_name(client: EngineClient, base_layout: Path) -> None:
    (base,) = read_layout(base_layout, reference="single")
    assert client.load([named(base.image)]) == [base.image.config.digest]


def test_a_damaged_layer_is_not_loaded(client: EngineClient, each_engine: Engine, base_layout: Path) -> None:
    (base,) = read_layout(base_layout, reference="single")
    layer = make_layer({"x": b"never"})
    wrong = replace(layer, opener=partial(BytesIO, b"x" * layer.size))
    image = edit.append_layer(base.image, wrong, history={})
    with pytest.raises(VerificationError, match=layer.digest.short):
        client.load([named(image, "damaged:1")])
    with pytest.raises(docker.errors.ImageNotFound):
        each_engine.client.images.get("damaged:1")


def test_a_file_that_the_engine_refuses(client: EngineClient, tmp_path: Path) -> None:
    (tmp_path / "junk.tar").write_bytes(b"junk" * 1000)
    with pytest.raises(EngineError, match=r"cannot load `.*junk.tar`"):
        client.load(tmp_path / "junk.tar")


@pytest.mark.parametrize("way", ["CONTAINER_HOST", "DOCKER_CONTEXT"])
def test_an_engine_is_found_without_docker_host(
    podman: Engine, base_layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    meta = tmp_path / "contexts/meta" / hashlib.sha256(b"mine").hexdigest() / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": "mine", "Metadata": {}, "Endpoints": {"docker": {"Host": podman.host}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv(way, {"CONTAINER_HOST": podman.host, "DOCKER_CONTEXT": "mine"}[way])
    (base,) = read_layout(base_layout, reference="single")
    name = f"found/{way.lower()}:1"
    with EngineClient() as client:
        client.load([named(base.image, name)])
    assert podman.client.images.get(name).id == base.image.config.digest
