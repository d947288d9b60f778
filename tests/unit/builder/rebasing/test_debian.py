"""Debian packages stay on the base that they were chosen for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.rebasing.debian import check_debian_packages
from docker_envs.builder.rebasing.image import Base
from docker_envs.builder.recording import SYSTEM_TITLE
from docker_envs.errors import BuildError
from docker_envs.oci.edit import append_layer, with_config
from tests.recorded import debian_package, package, record
from tests.recorded_images import with_record
from tests.unit.builder.rebasing.bases import make_base, on
from tests.unit.images import make_layer, text_layer

if TYPE_CHECKING:
    import io

    from docker_envs.oci.image import Image
    from docker_envs.records.record import Record

OLD, NEW = make_base("bookworm"), make_base("trixie", layers=3)
WITH, WITHOUT = record(debian_package(), package()), record(package())


def built(base: Image, own: Record, title: str = SYSTEM_TITLE) -> Image:
    image = append_layer(base, text_layer("etc/passwd"), history={"created_by": f"docker-envs build: {title}"})
    return with_record(image, own)


def check(image: Image, old: Image = OLD) -> None:
    check_debian_packages(image, Base(old, "debian:12"), Base(NEW, "debian:13"))


@pytest.mark.parametrize("title", [SYSTEM_TITLE, f"{SYSTEM_TITLE}, and more"])
def test_an_image_with_debian_packages(title: str) -> None:
    with pytest.raises(BuildError, match="chosen for `debian:12`") as caught:
        check(built(OLD, WITH, title))
    assert caught.value.hint is not None
    assert "build it anew on `debian:13`" in caught.value.hint


def test_an_image_whose_history_does_not_say() -> None:
    image = built(OLD, WITH)
    with pytest.raises(BuildError, match="Debian packages"):
        check(with_config(image, image.config.with_rootfs(image.config.diff_ids, [])))


@pytest.mark.parametrize(
    "image",
    [built(OLD, WITHOUT), append_layer(built(OLD, WITHOUT), make_layer(), history={"created_by": SYSTEM_TITLE})],
    ids=["conda", "named-so"],
)
def test_an_image_without(image: Image) -> None:
    check(image)


def test_debian_packages_of_the_base_move_with_it() -> None:
    base = built(OLD, WITH)
    check(on(base, "app"), base)
    with pytest.raises(BuildError, match="Debian packages"):
        check(on(base, "app"))


def test_no_layer_is_read_where_the_history_says_enough() -> None:
    def fail() -> io.BytesIO:
        raise AssertionError("read")

    image = built(OLD, WITH, "python-3.12.1-0")
    check(replace(image, layers=tuple(replace(layer, opener=fail) for layer in image.layers)))
