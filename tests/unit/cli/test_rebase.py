"""`rebase`: images in registries and files onto a new base."""

from __future__ import annotations

import io
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from docker_envs.builder.configure import BASE_DIGEST, BASE_NAME
from docker_envs.builder.recording import SYSTEM_TITLE
from docker_envs.oci.artifact import Artifact
from docker_envs.oci.edit import append_layer, with_config
from docker_envs.oci.image import Image, NamedImage
from docker_envs.oci.reference import Reference
from docker_envs.transports.files.layout import read_layout
from docker_envs.transports.files.layout_writing import write_layout
from docker_envs.transports.registry.client import RegistryClient
from docker_envs.validate import validate_image
from tests.images import ARM64, make_image, make_layer, named
from tests.recorded import debian_package, record
from tests.recorded_images import with_record
from tests.simulators.registry import RegistrySimulator
from tests.unit.builder.rebasing.bases import make_base, on
from tests.unit.cli.runner import Run, runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OLD, NEW = make_base("bookworm"), make_base("trixie", layers=3)
NEW_SIZE = sum(layer.size for layer in NEW.layers)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    return runner(monkeypatch, capfdbinary)


class Place(NamedTuple):
    """A registry, with the old base as `debian:12` and the new one as `debian:13`."""

    server: RegistrySimulator
    client: RegistryClient

    def name(self, text: str) -> str:
        return f"{self.server.address}/{text}"

    def push(self, image: Image | NamedImage, text: str) -> str:
        artifact = Artifact.of_image(image) if isinstance(image, Image) else Artifact.of_named(image)
        self.client.push_artifact(artifact, Reference.parse(self.name(text)))
        return self.name(text)

    def pull(self, text: str) -> Image:
        image = self.client.image(Reference.parse(self.name(text)))
        validate_image(image)
        return image

    def blobs_moved(self) -> list[str]:
        """Downloads of layers, and uploads that were no mounts."""
        layers = {layer.digest for image in (OLD, NEW) for layer in image.layers}
        asked = [(request.method, request.path, request.query) for request in self.server.log]
        downloads = [path for method, path, _ in asked if method == "GET" and path.rpartition("/")[2] in layers]
        return downloads + [
            path for method, path, query in asked if method == "PUT" and query.get("digest", [""])[0] in layers
        ]


def start(stack: ExitStack) -> Place:
    server = RegistrySimulator()
    stack.enter_context(server.running())
    place = Place(server, RegistryClient())
    place.push(OLD, "debian:12")
    place.push(NEW, "debian:13")
    return place


@pytest.fixture
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        yield start(stack)


@pytest.fixture
def other() -> Iterator[Place]:
    with ExitStack() as stack:
        yield start(stack)


def test_a_tag_moves_and_no_layer_does(run: Run, place: Place) -> None:
    image = place.push(on(OLD, "app", name=place.name("debian:12")), "app:1")
    place.server.log.clear()
    done = run("rebase", image, "--onto", place.name("debian:13"))
    assert done.status == 0
    assert place.blobs_moved() == []
    found = place.pull("app:1")
    assert done.text == f"{place.name('app')}@{found.digest}\n"
    assert "1 rebased; 0 B of the base's layers sent" in done.stderr
    assert [layer.digest for layer in found.layers[:3]] == [layer.digest for layer in NEW.layers]
    assert (found.annotations[BASE_NAME], found.annotations[BASE_DIGEST]) == (place.name("debian:13"), NEW.digest)


def test_again_nothing_is_done(run: Run, place: Place) -> None:
    image = place.push(on(OLD, "app", name=place.name("debian:12")), "app:1")
    assert run("rebase", image, "--onto", place.name("debian:13")).status == 0
    place.server.log.clear()
    done = run("rebase", image, "--onto", place.name("debian:13"), "--old-base", place.name("debian:12"))
    assert f"unchanged: {image} is on {place.name('debian:13')} already" in done.stderr
    assert {request.method for request in place.server.log} == {"GET", "HEAD"}
    onto_itself = run("rebase", image, "--onto", place.name("debian:13"), "--old-base", place.name("debian:13"))
    assert "1 unchanged" in onto_itself.stderr


def test_another_tag_gets_the_image_even_if_it_is_on_the_base(run: Run, place: Place) -> None:
    source = on(NEW, "app", name=place.name("debian:13"))
    image = place.push(source, "app:1")
    assert run("rebase", image, "--onto", place.name("debian:13"), "--to", place.name("copy:2")).status == 0
    assert place.pull("copy:2").digest == source.digest


def test_a_base_that_is_named(run: Run, place: Place) -> None:
    image = place.push(on(OLD, "app"), "app:1")
    done = run("rebase", image, "--onto", place.name("debian:13"))
    assert (done.status, done.stderr.splitlines()[-2:]) == (2, [
        "error: the image does not say what its base is",
        "hint: name the base that the image was made on with `--old-base`",
    ])  # fmt: skip
    assert run("rebase", image, "--onto", place.name("debian:13"), "--old-base", place.name("debian:12")).status == 0
    assert place.pull("app:1").layers[2].digest == NEW.layers[2].digest


def test_a_base_that_is_gone(run: Run, place: Place) -> None:
    image = place.push(on(OLD, "app", name=place.name("gone:1")), "app:1")
    done = run("rebase", image, "--onto", place.name("debian:13"))
    assert (done.status, "the base that the image names is gone: " in done.stderr) == (4, True)
    assert "hint: name the base" in done.stderr


def test_the_c_library_is_compared_unless_forced(run: Run, place: Place) -> None:
    image = place.push(on(NEW, "app", name=place.name("debian:13")), "app:1")
    refused = run("rebase", image, "--onto", place.name("debian:12"))
    assert (refused.status, "has glibc 2.36" in refused.stderr) == (6, True)
    assert run("rebase", image, "--onto", place.name("debian:12"), "--force").status == 0


def test_a_base_of_another_registry_is_copied_once(run: Run, place: Place, other: Place, tmp_path: Path) -> None:
    names = [place.push(on(OLD, text, name=place.name("debian:12")), f"{text}:1") for text in "abcd"]
    for repository in place.server.repositories.values():
        for layer in NEW.layers:
            repository.blobs.pop(layer.digest, None)
    listing = tmp_path / "list"
    listing.write_text("\n".join(names))
    place.server.log.clear()
    dry = json.loads(run("rebase", "-f", listing, "--onto", other.name("debian:13"), "--dry-run", "--json").text)
    assert (dry["rebased"], dry["base_bytes_sent"], place.blobs_moved()) == (4, NEW_SIZE, [])
    found = json.loads(run("rebase", "-f", listing, "--onto", other.name("debian:13"), "--json").text)
    assert (found["rebased"], found["base_bytes_sent"]) == (4, NEW_SIZE)
    assert len(place.blobs_moved()) == len(NEW.layers)
    assert [each["digest"] for each in found["images"]] == [each["digest"] for each in dry["images"]]
    assert [each["digest"] for each in found["images"]] == [place.pull(f"{text}:1").digest for text in "abcd"]


def test_one_that_fails_does_not_stop_the_others(run: Run, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    good = place.push(on(OLD, "app", name=place.name("debian:12")), "app:1")
    done_before = place.push(on(NEW, "app", name=place.name("debian:13")), "new:1")
    stranger = place.push(make_image({"x": b""}), "stranger:1")
    lines = f"# all\n{good} {place.name('app:2')}  # moved\n\n{done_before}\n{stranger}\n{place.name('none:1')}\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    done = run("rebase", "--file", "-", "--onto", place.name("debian:13"), "-j", "2")
    assert done.status == 1
    assert f"failed: {stranger}: the image does not say what its base is (name the base" in done.stderr
    assert f"failed: {place.name('none:1')}: " in done.stderr
    assert "1 rebased, 1 unchanged, 2 failed; 0 B of the base's layers sent" in done.stderr
    new, old = place.pull("app:2"), place.pull("new:1")
    assert done.stdout.decode().splitlines() == [
        f"{place.name('app')}@{new.digest}", f"{place.name('new')}@{old.digest}"
    ]  # fmt: skip
    assert place.pull("app:1").layers[:2] == OLD.layers


def test_all_platforms_go_onto_theirs(run: Run, place: Place) -> None:
    arms = [make_base(release, platform=ARM64) for release in ("bookworm", "trixie")]
    place.push(NamedImage(OLD, (), (arms[0],)), "debian:12")
    place.push(NamedImage(NEW, (), (arms[1],)), "debian:13")
    name = place.name("debian:12")
    image = place.push(NamedImage(on(OLD, "app", name=name), (), (on(arms[0], "arm", name=name),)), "app:1")
    assert run("rebase", image, "--onto", place.name("debian:13")).status == 0
    index = place.client.artifact(Reference.parse(image))
    images = [each.image() for each in index.images()]
    assert [str(each.platform) for each in images] == ["linux/amd64", "linux/arm64/v8"]
    for each, base in zip(images, (NEW, arms[1]), strict=True):
        assert each.layers[:-1] == base.layers
        assert each.annotations[BASE_DIGEST] == base.digest
    assert run("rebase", image, "--onto", place.name("debian:13")).stderr.count("1 unchanged") == 1


def test_a_platform_that_the_base_lacks(run: Run, place: Place) -> None:
    arm = make_base("bookworm", platform=ARM64)
    place.push(NamedImage(OLD, (), (arm,)), "debian:12")
    name = place.name("debian:12")
    image = place.push(NamedImage(on(OLD, "app", name=name), (), (on(arm, "arm", name=name),)), "app:1")
    before = place.client.digest(Reference.parse(image))
    done = run("rebase", image, "--onto", place.name("debian:13"))
    assert (done.status, "has no image for platform `linux/arm64/v8`" in done.stderr) == (4, True)
    assert place.client.digest(Reference.parse(image)) == before


def test_layouts(run: Run, tmp_path: Path) -> None:
    write_layout(tmp_path / "bases", [named(OLD, "localhost/base:12"), named(NEW, "localhost/base:13")])
    image = on(OLD, "app")
    write_layout(tmp_path / "images", [named(image, "localhost/app:1")])
    bases = f"oci:{tmp_path}/bases"
    done = run("rebase", f"oci:{tmp_path}/images:1", "--onto", f"{bases}:13", "--old-base", f"{bases}:12")
    (found,) = read_layout(tmp_path / "images", reference="1")
    validate_image(found.image)
    assert done.text == f"{found.image.digest}\n"
    assert found.image.layers == (*NEW.layers, image.layers[-1])


def test_a_build_records_what_its_packages_need(run: Run, channel: Path, tmp_path: Path) -> None:
    bases = [
        make_image({"lib64/libc-2.28.so": b""}),
        make_image({"lib/ld-musl-x86_64.so.1": b""}),
        make_image({"x": b""}),
    ]
    for number, base in enumerate(bases):
        write_layout(tmp_path / "bases", [named(base, f"localhost/base:{number}")])
    old, musl, unknown = (f"oci:{tmp_path}/bases:{number}" for number in range(3))
    options = ["--channel", channel.as_uri(), "--platform", "linux/amd64", "--cache-dir", f"{tmp_path}/cache"]
    built = run("build", "glibc-tool", "--base", old, *options, "--oci", tmp_path / "app", "--image", "app:1")
    assert built.status == 0, built.stderr
    refused = run("rebase", f"oci:{tmp_path}/app:1", "--onto", musl, "--old-base", old)
    assert (refused.status, "has musl (`/lib/ld-musl-x86_64.so.1`), but `/opt/conda`" in refused.stderr) == (6, True)
    assert run("rebase", f"oci:{tmp_path}/app:1", "--onto", unknown, "--old-base", old).status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no image to rebase"),
        (["a", "b", "--to", "c"], "`--to` is for one image"),
        (["a", "a"], "two images shall go to `docker.io/library/a:latest`"),
        ([f"a@sha256:{'0' * 64}"], "is a digest, which another image cannot have"),
        (["--file", "{list}"], ":2: expected `REF` or `REF DST`, got 3 words"),
        (["--file", "{bytes}"], ": no UTF-8 text"),
    ],
)
def test_calls_that_make_no_sense(run: Run, tmp_path: Path, arguments: list[str], message: str) -> None:
    (tmp_path / "list").write_text("# one\na b c\n")
    (tmp_path / "bytes").write_bytes(b"\xff")
    places: dict[str, Any] = {"list": tmp_path / "list", "bytes": tmp_path / "bytes"}
    done = run("rebase", *(each.format(**places) for each in arguments), "--onto", "debian:13")
    assert (done.status, message in done.stderr) == (2, True)


def test_names_that_are_none_are_found_in_lists(run: Run, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a\nB\n")
    done = run("rebase", "-f", tmp_path / "list", "--onto", "x")
    assert (done.status, f"{tmp_path}/list:2: invalid image reference 'B'" in done.stderr) == (2, True)


def test_a_base_that_claims_nonsense(run: Run, place: Place) -> None:
    image = on(OLD, "app", name=place.name("debian:12"))
    labelled = with_config(image, image.config.with_labels({"x": "y"}))
    bad = Image(labelled.config, labelled.layers, annotations={BASE_NAME: "debian:12", BASE_DIGEST: "sha256:x"})
    done = run("rebase", place.push(bad, "bad:1"), "--onto", place.name("debian:13"))
    assert (done.status, "sha256:x" in done.stderr) == (2, True)


def test_debian_packages_are_for_their_base(run: Run, place: Place) -> None:
    image = append_layer(
        on(OLD, "app", name=place.name("debian:12")),
        make_layer({"etc/passwd": b"both"}),
        history={"created_by": f"docker-envs build: {SYSTEM_TITLE}"},
    )
    pushed = place.push(with_record(image, record(debian_package())), "app:1")
    done = run("rebase", pushed, "--onto", place.name("debian:13"), "--to", place.name("app:2"), "--force")
    assert done.status == 6
    assert "the image has Debian packages that were chosen for" in done.stderr
    assert f"hint: build it anew on `{place.name('debian:13')}" in done.stderr
    assert place.client.digest(Reference.parse(place.name("app:2"))) is None
