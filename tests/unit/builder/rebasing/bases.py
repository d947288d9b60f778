"""Bases, and images on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docker_envs.builder.configure import BASE_DIGEST, BASE_NAME
from docker_envs.oci.edit import append_layer, with_annotations, with_config
from tests.images import AMD64, make_image, make_layer

if TYPE_CHECKING:
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.image import Image

DEBIAN = "# debian.sh --arch 'amd64' out/ '{}' '@1'"
END = {"created_by": "CMD", "empty_layer": True}


def make_base(release: str, *, layers: int = 2, platform: Platform = AMD64, **container: Any) -> Image:
    """A base that says which Debian it is."""
    image = make_image(*({f"etc/{number}": release.encode()} for number in range(layers)), platform=platform)
    history = [dict(entry) for entry in image.config.history]
    if history:
        history[0] = {"created_by": DEBIAN.format(release)}
    config = image.config.with_container(Env=["PATH=/bin", f"RELEASE={release}"], Cmd=["sh"], **container)
    return with_config(image, config.with_rootfs(config.diff_ids, [*history, END]))


def on(base: Image, text: str, *, name: str | None = None) -> Image:
    """An image of one layer on a base, that says so when the base has a name."""
    image = append_layer(base, make_layer({"opt/app": text.encode()}), history={"created_by": text})
    image = with_config(image, image.config.with_env({"PATH": "/opt/bin:/bin"}).with_container(User="me"))
    return with_annotations(image, {BASE_NAME: name, BASE_DIGEST: base.digest} if name else {})
