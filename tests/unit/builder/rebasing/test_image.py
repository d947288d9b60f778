"""Layers, history and annotations of an image on another base."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs.builder.configure import BASE_DIGEST, BASE_NAME, annotate
from docker_envs.builder.rebasing.image import Base, rebase_image, rebased_history
from docker_envs.builder.rebasing.library import LibraryCheck
from docker_envs.environments.base import DEFAULT_PREFIX
from docker_envs.errors import BuildError, FormatError
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.edit import append_layer, with_annotations, with_config
from docker_envs.oci.reference import Reference
from docker_envs.records.record import RECORD_LABEL, RecordedContainer, make_record, record_entries
from docker_envs.validate import validate_image
from tests.images import AMD64, ARM64, flattened, make_image
from tests.unit.builder.rebasing.bases import END, make_base, on
from tests.unit.images import make_layer

if TYPE_CHECKING:
    from docker_envs.oci.image import Image

OLD, NEW = make_base("bookworm"), make_base("trixie", layers=3)
OLD_BASE, NEW_BASE = Base(OLD, "debian:12"), Base(NEW, "debian:13", Reference.parse("debian:13"))


def test_an_image_on_a_new_base() -> None:
    image = on(OLD, "app", name="debian:12")
    made = rebase_image(image, OLD_BASE, NEW_BASE)
    validate_image(made)
    assert made.layers == (*NEW.layers, image.layers[-1])
    assert flattened(made) == {**flattened(NEW), "opt/app": b"app"}
    assert made.config.history == (*NEW.config.history, {"created_by": "app"})
    assert made.config.env == {"PATH": "/opt/bin:/bin", "RELEASE": "trixie"}
    named = {BASE_NAME: "docker.io/library/debian:13", BASE_DIGEST: NEW.digest}
    assert made.annotations == named
    assert made.config.labels == named
    assert made.config.container["User"] == "me"


def test_a_rebased_image_is_what_would_have_been_built_there() -> None:
    def build(base: Image, name: str) -> Image:
        return annotate(
            on(base, "app"), {}, base=Reference.parse(name), base_image=base, created="2020-01-01T00:00:00Z"
        )

    made = rebase_image(build(OLD, "debian:12"), OLD_BASE, NEW_BASE)
    assert made.digest == build(NEW, "debian:13").digest
    assert rebase_image(made, NEW_BASE, replace(OLD_BASE, reference=Reference.parse("debian:12"))).digest == (
        build(OLD, "debian:12").digest
    )


def test_a_base_of_no_registry_is_not_named() -> None:
    made = rebase_image(on(OLD, "app", name="debian:12"), OLD_BASE, Base(NEW, "oci:dir"))
    assert made.annotations == {}
    assert "Labels" not in made.config.container


def test_annotations_of_the_base_follow_and_none_is_added() -> None:
    old = with_annotations(OLD, {"same": "1", "gone": "1", "mine": "1"})
    new = with_annotations(NEW, {"same": "2", "mine": "2", "new": "2"})
    image = with_annotations(on(old, "app"), {"mine": "own", RECORD_LABEL: "sha256:a"})
    made = rebase_image(image, Base(old, "old"), Base(new, "oci:dir"))
    assert made.annotations == {"same": "2", "mine": "own", RECORD_LABEL: "sha256:a"}


@pytest.mark.parametrize(("image_docker", "base_docker"), [(True, False), (False, True), (True, True)])
def test_formats(*, image_docker: bool, base_docker: bool) -> None:
    old = make_image({"a": b"1"}, docker=image_docker)
    made = rebase_image(on(old, "app"), Base(old, "old"), Base(make_image({"a": b"2"}, docker=base_docker), "new"))
    assert made.media_type == media_types.OCI_MANIFEST
    assert {layer.media_type for layer in made.layers} == {media_types.OCI_LAYER_GZIP}
    validate_image(made)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (on(NEW, "app"), "layer 1 is "),
        (make_image(OLD.layers[0]), "that has 2 layers, the image only 1"),
        (make_image(OLD.layers[0], {"x": b""}), "layer 2 is "),
    ],
)
def test_images_on_another_base(image: Image, message: str) -> None:
    with pytest.raises(BuildError, match="not made on `debian:12`: ") as caught:
        rebase_image(image, OLD_BASE, NEW_BASE)
    assert message in str(caught.value)
    assert caught.value.hint == "name the base that it was made on with `--old-base`"


@pytest.mark.parametrize("platform", [ARM64, Platform("linux", "amd64", "v3"), Platform("windows", "amd64")])
def test_bases_for_other_platforms(platform: Platform) -> None:
    with pytest.raises(BuildError, match=rf"the image is for `linux/amd64`, the base `x` for `{platform}`"):
        rebase_image(on(OLD, "app"), OLD_BASE, Base(make_base("trixie", platform=platform), "x"))


def test_variants_that_are_the_same() -> None:
    bare = Platform("linux", "arm64")
    old = make_base("bookworm", platform=ARM64)
    assert rebase_image(on(old, "app"), Base(old, "o"), Base(make_base("trixie", platform=bare), "n")).platform == bare


def test_too_many_layers() -> None:
    with pytest.raises(BuildError, match="1 layers on the 127 of `big` are more than the 127"):
        rebase_image(on(OLD, "app"), OLD_BASE, Base(make_image(*[OLD.layers[0]] * 127), "big"))


Entries = list[dict[str, Any]]
RUN, COPY = {"created_by": "RUN"}, {"created_by": "COPY"}


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param([RUN, RUN, END, COPY], [COPY], id="on the base's own end"),
        pytest.param([RUN, RUN, END, END, COPY, END], [END, COPY, END], id="steps without layers"),
        pytest.param([{}, {}, COPY], [COPY], id="the base's was rewritten"),
        pytest.param([RUN, COPY], [{}], id="too short"),
        pytest.param([], [{}], id="none"),
    ],
)
def test_history(image: Entries, expected: Entries) -> None:
    def config(history: Entries, layers: int) -> Any:
        return make_image(*[OLD.layers[0]] * layers).config.with_rootfs([OLD.layers[0].diff_id] * layers, history)

    old, new = config([RUN, RUN, END], 2), config([RUN], 1)
    assert rebased_history(config(image, 3), old, new) == [RUN, *expected]
    assert rebased_history(config(image, 3), old, config([], 2)) == [{}, {}, *expected]


def with_record(base: Image, glibc: str | None) -> Image:
    """An image with an environment that asks for a glibc."""
    requires = {"glibc": glibc} if glibc else {}
    record = make_record(
        digest_format=1, platform=str(AMD64), prefix=DEFAULT_PREFIX, container=RecordedContainer(), requires=requires
    )
    layer = make_layer(*record_entries(record))
    image = append_layer(base, layer, history={})
    return with_config(image, image.config.with_labels({RECORD_LABEL: layer.diff_id}))


UNKNOWN = make_image({"lib/x": b""})
MUSL = make_image({"lib/ld-musl-x86_64.so.1": b""})
OLDER = make_image({"lib64/libc-2.20.so": b"", "usr/lib64/libc-2.20.so": b""})


@pytest.mark.parametrize(
    ("image", "old", "new", "message"),
    [
        pytest.param(on(OLD, "x"), OLD, NEW, None, id="newer"),
        pytest.param(on(NEW, "x"), NEW, OLD, "has glibc 2.36 .*made on glibc 2.41", id="older"),
        pytest.param(with_record(NEW, "2.36"), NEW, OLD, None, id="older, but enough"),
        pytest.param(with_record(NEW, "2.38"), NEW, OLD, "has glibc 2.36 .*`/opt/conda` needs 2.38", id="too old"),
        pytest.param(with_record(NEW, None), NEW, OLD, "made on glibc 2.41", id="a record that asks for nothing"),
        pytest.param(with_record(UNKNOWN, "2.17"), UNKNOWN, NEW, None, id="only the old one is unknown"),
        pytest.param(with_record(OLD, "2.17"), OLD, MUSL, "has musl", id="musl"),
        pytest.param(with_record(UNKNOWN, "2.28"), UNKNOWN, OLDER, "has glibc 2.20", id="found in a layer"),
        pytest.param(on(UNKNOWN, "x"), UNKNOWN, OLDER, None, id="nothing is known"),
    ],
)
def test_c_libraries(image: Image, old: Image, new: Image, message: str | None) -> None:
    if message is None:
        LibraryCheck().check(image, Base(old, "old"), Base(new, "new"))
        return
    with pytest.raises(BuildError, match=message):
        LibraryCheck().check(image, Base(old, "old"), Base(new, "new"))


def test_a_record_that_asks_for_nonsense() -> None:
    with pytest.raises(FormatError, match=r"requires.glibc: 'x' is no version"):
        LibraryCheck().check(with_record(NEW, "x"), Base(NEW, "old"), Base(OLD, "new"))
