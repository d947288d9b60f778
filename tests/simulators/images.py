"""Tiny images for transports to move, and a layer that never ends."""

from __future__ import annotations

import io
import os
import time
from functools import partial
from typing import TYPE_CHECKING

from docker_envs.digest import Digest
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor, Platform
from docker_envs.oci.layer import Layer
from tests.images import AMD64, make_image, make_layer

if TYPE_CHECKING:
    from docker_envs.oci.image import Image


def tiny_layer(content: str) -> Layer:
    """A gzip layer with one file."""
    return make_layer({"etc/tiny": content.encode()})


def tiny_image(*, platform: Platform = AMD64) -> Image:
    """An image of two layers that touch one path."""
    return make_image(tiny_layer("base\n"), tiny_layer("top\n"), platform=platform)


class _SlowStream(io.RawIOBase):
    """Some bytes every tenth of a second, for a long time; says so on standard output at first."""

    def __init__(self, filler: bytes) -> None:
        super().__init__()
        self._filler = filler
        # One write, for four threads do this at once.
        os.write(1, b"sending\n")

    def read(self, size: int = -1) -> bytes:
        time.sleep(0.1)
        return self._filler * 1000


def slow_layer(filler: bytes) -> Layer:
    """A layer that takes more than a day to read."""
    descriptor = Descriptor(media_types.OCI_LAYER_TAR, Digest.of(filler), 1 << 30)
    return Layer(descriptor, partial(_SlowStream, filler), diff_id=Digest.of(filler))
