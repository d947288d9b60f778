"""The names and calls that were promised, literally, with a real registry and a real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from docker_envs.docker.base import Image
from docker_envs.docker.client import load, pull, save
from docker_envs.errors import NotFoundError
from docker_envs.oci.reference import Reference
from docker_envs.registry.client import pull_image
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.base_image import CMD, ENV, LABELS
from tests.images import flattened

if TYPE_CHECKING:
    import tarfile
    from pathlib import Path

    from tests.base_image import BaseImage
    from tests.services import Engine


def split(reference: str) -> tuple[str, str]:
    name, _, tag = reference.rpartition(":")
    return name, tag


def test_pull_save_load(engine: Engine, base_image: BaseImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name, tag = split(base_image.docker)
    pull(name, tag)
    save(name, tag, "example.tar")
    engine.client.images.remove(base_image.docker, force=True)
    load("example.tar")
    assert engine.run(base_image.docker) == "hello from the base\n"


def test_the_example_of_an_image_that_is_changed(
    engine: Engine, base_image: BaseImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app").mkdir()
    (tmp_path / "app/run.sh").write_text("cat /app/settings\n")
    (tmp_path / "app/lib.a").write_text("static")
    pull(*split(base_image.oci))
    save(*split(base_image.oci), "base.tar")

    def trim(header: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if header.name.endswith(".a") else header

    image = Image.from_file("base.tar")[0]
    image.remove_layer()
    image.add_layer_path("./app", filter=trim)
    image.add_layer_contents({"/app/settings": b"answer=42\n"})
    image.name = "original/example"
    image.write_file("example.tar")
    load("example.tar")

    name = f"original/example:{image.tag}"
    assert engine.run(name, "/bin/sh", "/app/run.sh") == "answer=42\n"
    # The base's topmost layer, which was removed, had hidden `etc/doomed`.
    assert engine.run(name, "/bin/sh", "-c", "cat /etc/layer; ls /app /etc/doomed") == (
        "second\n/etc/doomed\n\n/app:\nrun.sh\nsettings\n"
    )


@pytest.mark.parametrize("shape", ["oci", "docker", "index"])
def test_a_pulled_image_keeps_everything_when_it_is_extended(
    engine: Engine, base_image: BaseImage, registry: str, tmp_path: Path, shape: str
) -> None:
    name, tag = split(getattr(base_image, shape))
    image = pull_image(name, tag)
    assert (image.name, image.tag) == (name, tag)
    before = image.image
    image.add_layer_contents({"etc/layer": b"fourth\n"})
    image.name, image.tag = f"{registry}/original/extended", shape

    RegistryClient().push_image(image.image, Reference.parse(f"{image.name}:{image.tag}"))
    image.write_file(tmp_path / "extended.tar")
    (from_file,) = Image.from_file(tmp_path / "extended.tar")
    from_registry = pull_image(image.name or "", shape)
    for found in (from_file, from_registry):
        config = found.image.config
        assert (config.container["Cmd"], config.container["Env"], config.labels) == (list(CMD), list(ENV), LABELS)
        assert config.document["x-fixture"] == {"kept": True}
        assert config.history[:4] == before.config.history
        assert config.diff_ids[:3] == before.config.diff_ids
        assert [layer.digest for layer in found.layers[:3]] == [layer.digest for layer in before.layers]
        assert flattened(found.image)["etc/layer"] == b"fourth\n"
        validate_image(found.image)
    reference = f"{image.name}:{shape}"
    script = ("/bin/sh", "-c", "cat /etc/layer /srv/second.txt; test -e /etc/doomed || echo gone")
    assert engine.run(reference, *script) == "fourth\nsecond\ngone\n"
    engine.client.images.remove(reference, force=True)
    load(tmp_path / "extended.tar")
    assert engine.run(reference, *script) == "fourth\nsecond\ngone\n"


def test_pulling_is_lazy(base_image: BaseImage) -> None:
    image = pull_image(*split(base_image.oci))
    assert [layer.host_path for layer in image.layers] == [None] * 3
    assert all(layer.origin is not None for layer in image.layers)


def test_what_a_registry_lacks(registry: str) -> None:
    with pytest.raises(NotFoundError):
        pull_image(f"{registry}/no/such", "1")
