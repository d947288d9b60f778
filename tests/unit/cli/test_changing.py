"""`append`, `mutate` and `flatten`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from docker_envs.oci import media_types
from docker_envs.oci.artifact import Artifact, NamedArtifact
from docker_envs.oci.blob import Blob
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.image import Image, NamedImage
from docker_envs.oci.manifest import Index, Manifest
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.docker_archive import read_archive
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.images import ARM64, flattened, named
from tests.simulators.registry import RegistrySimulator
from tests.unit.archive.test_whiteout import bare, file
from tests.unit.cli.runner import Run, runner
from tests.unit.images import AMD64, make_image, text_layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE = make_image(text_layer("a", "1"), text_layer("a", "2"))
ARM = make_image(text_layer("a", "1"), text_layer("arm"), platform=ARM64)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    return runner(monkeypatch, capfdbinary)


@pytest.fixture
def layout(tmp_path: Path) -> str:
    write_layout(tmp_path / "layout", [named(IMAGE, "localhost/x:1")])
    return f"oci:{tmp_path}/layout"


@pytest.fixture
def both(tmp_path: Path) -> str:
    write_layout(tmp_path / "both", [NamedImage(IMAGE, (Reference.parse("x:1"),), (ARM,))])
    return f"oci:{tmp_path}/both"


def read(tmp_path: Path, name: str = "out") -> list[Image]:
    images = [image for found in read_layout(tmp_path / name) for image in found.images]
    for image in images:
        validate_image(image)
    return images


def test_flatten(run: Run, layout: str, tmp_path: Path) -> None:
    printed = run("flatten", layout, "-t", f"oci:{tmp_path}/out:flat").text
    (image,) = read(tmp_path)
    assert printed == f"{image.digest}\n"
    assert flattened(image) == {"a": b"2"}
    assert len(image.layers) == 1


def test_flatten_all_platforms_or_one(run: Run, both: str, tmp_path: Path) -> None:
    assert run("flatten", both, "-t", f"oci:{tmp_path}/out").status == 0
    assert [(str(image.platform), len(image.layers)) for image in read(tmp_path)] == [
        ("linux/amd64", 1),
        ("linux/arm64/v8", 1),
    ]
    assert run("flatten", both, "--platform", "linux/arm64", "-t", f"oci:{tmp_path}/one").status == 0
    assert [flattened(image) for image in read(tmp_path, "one")] == [flattened(ARM)]


def test_append(run: Run, both: str, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("print()")
    (tmp_path / "app/main.pyc").write_text("")
    (tmp_path / "x.tar").write_bytes(bare(file("b", b"tar")))
    done = run("append", both, "-f", tmp_path / "x.tar", "--path", f"{tmp_path}/app:/opt", "--exclude", "*.pyc",
               "--owner", "5:6", "-t", f"docker-archive:{tmp_path}/out.tar:app:2", "--json")  # fmt: skip
    found = json.loads(done.text)
    images = [image for out in read_archive(tmp_path / "out.tar") for image in out.images]
    assert found["destination"] == f"docker-archive:{tmp_path}/out.tar:app:2"
    assert (
        json.loads(run("validate", "--json", f"docker-archive:{tmp_path}/out.tar:app:2").text)["digest"]
        == found["digest"]
    )
    assert [str(image.platform) for image in images] == ["linux/amd64", "linux/arm64/v8"]
    for image, base in zip(images, (IMAGE, ARM), strict=True):
        validate_image(image)
        assert image.layers[:2] == base.layers
        assert flattened(image) == {**flattened(base), "b": b"tar", "opt/main.py": b"print()"}
        assert [entry["created_by"] for entry in image.config.history[2:]] == [
            "docker-envs append x.tar", "docker-envs append /opt"
        ]  # fmt: skip


def test_append_to_scratch(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(bare(file("b", b"tar")))
    assert (
        run(
            "append", "scratch", "-f", tmp_path / "x.tar", "--platform", "linux/s390x", "-t", f"oci:{tmp_path}/out"
        ).status
        == 0
    )
    (image,) = read(tmp_path)
    assert image.platform == Platform("linux", "s390x")
    assert flattened(image) == {"b": b"tar"}


def test_source_date_epoch(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_text("x")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "7")
    for name in ("one", "two"):
        assert run("append", "scratch", "--path", f"{tmp_path}/f:/f", "-t", f"oci:{tmp_path}/{name}").status == 0
        (tmp_path / "f").touch()
    assert read(tmp_path, "one")[0].digest == read(tmp_path, "two")[0].digest


def test_mutate(run: Run, layout: str, tmp_path: Path) -> None:
    options = ["-l", "a=b", "-e", "X=1", "--entrypoint", "/bin/app --x", "--cmd", '["a b"]', "-u", "1000", "-w", "/w"]
    others = ["-p", "80,53/udp", "--volume", "/d", "--stop-signal", "SIGQUIT", "-a", "k=v"]
    assert run("mutate", layout, "-t", f"oci:{tmp_path}/out", *options, *others).status == 0
    (image,) = read(tmp_path)
    assert image.config.container == {
        "Labels": {"a": "b"}, "Env": ["X=1"], "Entrypoint": ["/bin/app", "--x"], "Cmd": ["a b"], "User": "1000",
        "WorkingDir": "/w", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/d": {}},
        "StopSignal": "SIGQUIT",
    }  # fmt: skip
    assert image.annotations == {"k": "v"}
    assert image.layers == IMAGE.layers


def test_another_platform(run: Run, both: str, tmp_path: Path) -> None:
    done = run("mutate", both, "-t", f"oci:{tmp_path}/out", "--set-platform", "linux/riscv64")
    assert (done.status, "choose one with `--platform`" in done.stderr) == (2, True)
    options = ["--platform", "linux/arm64", "--set-platform", "linux/riscv64"]
    assert run("mutate", both, "-t", f"oci:{tmp_path}/out", *options).status == 0
    assert run("validate", f"oci:{tmp_path}/out").status == 0
    assert [image.platform for image in read(tmp_path)] == [Platform("linux", "riscv64")]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["mutate", "SRC", "-l", "a=b"], "say where with `-t DST`"),
        (["flatten", "SRC"], "say where with `-t DST`"),
        (["mutate", "SRC", "-t", "x"], "mutate --help"),
        (["append", "SRC", "-t", "x"], "name one with `-f TAR`"),
        (["append", "SRC", "-t", "x", "--path", "a:/a", "--owner", "me"], "in numbers"),
        (["mutate", "SRC", "-t", "x", "-l", "a"], "NAME=VALUE"),
        (["flatten", "SRC", "-t", "x", "--compression", "xz"], "use `gzip`"),
    ],
)
def test_what_is_refused(run: Run, layout: str, arguments: list[str], hint: str) -> None:
    done = run(*(layout if each == "SRC" else each for each in arguments))
    assert done.status == 2
    assert hint in done.stderr


@pytest.fixture
def registry() -> Iterator[RegistrySimulator]:
    simulator = RegistrySimulator()
    with simulator.running():
        RegistryClient().push_image(IMAGE, Reference.parse(f"{simulator.address}/x:1"))
        simulator.log.clear()
        yield simulator


def test_in_a_registry_only_config_and_manifest_move(run: Run, registry: RegistrySimulator) -> None:
    printed = run("mutate", f"{registry.address}/x:1", "-t", f"{registry.address}/x:2", "-l", "a=b").text
    changed = RegistryClient().image(Reference.parse(f"{registry.address}/x:2"))
    assert printed == f"{registry.address}/x@{changed.digest}\n"
    sent = [len(request.body) for request in registry.log if request.method in ("PUT", "PATCH", "POST")]
    assert sum(sent) == len(changed.config.raw) + len(changed.manifest.raw)
    fetched = [str(request) for request in registry.log if request.method == "GET" and "/blobs/" in request.path]
    assert fetched == [f"GET /v2/x/blobs/{IMAGE.config.digest}", f"GET /v2/x/blobs/{changed.config.digest}"]


def test_to_another_repository_layers_are_mounted(run: Run, registry: RegistrySimulator) -> None:
    assert run("mutate", f"{registry.address}/x:1", "-t", f"{registry.address}/y:2", "-l", "a=b").status == 0
    assert len([request for request in registry.log if "mount" in request.query]) >= 2
    layers = {f"GET /v2/x/blobs/{layer.digest}" for layer in IMAGE.layers}
    assert not layers & set(registry.asked)


def test_attestations_are_left_out_with_a_warning(run: Run, tmp_path: Path) -> None:
    statement = Blob.of_bytes(b"{}", "application/vnd.in-toto+json")
    config = Blob.of_bytes(b"{}", media_types.OCI_CONFIG)
    made = Manifest.make(media_type=media_types.OCI_MANIFEST, config=config.descriptor, layers=[statement.descriptor],
                         annotations={}, template={})  # fmt: skip
    annotations = {
        "vnd.docker.reference.digest": str(IMAGE.digest),
        "vnd.docker.reference.type": "attestation-manifest",
    }
    place = Descriptor(made.media_type, made.descriptor.digest, made.descriptor.size, annotations=annotations,
                       platform=Platform("unknown", "unknown"))  # fmt: skip
    attestation = Artifact(place, made.raw, (config, statement))
    image = Artifact.of_image(IMAGE)
    index = Index.make([image.descriptor, place])
    whole = Artifact(index.descriptor, index.raw, (), (image, attestation))
    write_layout(tmp_path / "in", [NamedArtifact(whole, (Reference.parse("x:1"),))])
    done = run("mutate", f"oci:{tmp_path}/in", "-t", f"oci:{tmp_path}/out", "-l", "a=b")
    assert "warning: left out 1 attestation" in done.stderr
    assert [image.platform for image in read(tmp_path)] == [AMD64]
