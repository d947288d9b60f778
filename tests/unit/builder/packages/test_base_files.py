"""What is in a base image, as its containers see it."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.archive.entry import Kind
from docker_envs.builder.caches.cache import CacheDirectory
from docker_envs.builder.packages import base_files
from docker_envs.builder.packages.base_files import read_base_system
from docker_envs.digest import Digest
from docker_envs.errors import FormatError, NotFoundError
from docker_envs.oci import media_types
from docker_envs.oci.descriptor import Descriptor
from docker_envs.oci.layer import Layer
from docker_envs.report import SILENT
from tests.apt_builds import tree
from tests.images import make_image
from tests.packages.build import Directory, Hardlink, Node, Symlink, tar_bytes, text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker_envs.environments.debian.system.base import BaseSystem
    from docker_envs.oci.image import Image


def layer(files: Mapping[str, Node]) -> Layer:
    content = tar_bytes(list(files.items()))
    descriptor = Descriptor(media_types.OCI_LAYER_TAR, Digest.of(content), len(content))
    return Layer(descriptor, lambda: io.BytesIO(content), diff_id=Digest.of(content))


def read(image: Image, folder: Path) -> BaseSystem:
    return read_base_system(image, CacheDirectory(folder), SILENT)


LAYERS: tuple[dict[str, Node], ...] = (
    {
        "etc/": Directory(),
        "etc/one": text("1"),
        "etc/two": text("2"),
        "etc/hosts": text("h"),
        "usr/lib/a": text("not kept"),
        "usr/lib/deep/b": text("b"),
        "opt/folder/x": text("x"),
        "var/lib/dpkg/status": text("old"),
        "bin": Symlink("usr/bin"),
    },
    {
        "etc/.wh.one": text(""),
        "etc/two": text("22"),
        "etc/three": Hardlink("etc/two"),
        "usr/lib/deep/.wh..wh..opq": text(""),
        "usr/lib/deep/c": text("c"),
        "opt/folder": text("now a file"),
        "var/lib/dpkg/status": text("new"),
    },
    {"etc/one": text("again"), ".wh.bin": text("")},
)


def test_layers_are_seen_as_containers_see_them(tmp_path: Path) -> None:
    image = make_image(*map(layer, LAYERS))
    found = read(image, tmp_path)
    seen = tree(image)
    assert {entry.path for entry in found.entries if entry.kind is not Kind.DIRECTORY} == {
        path for path, content in seen.items() if content != "/"
    }
    assert found.contents == {
        "etc/one": b"again",
        "etc/two": b"22",
        "etc/three": b"22",
        "etc/hosts": b"h",
        "var/lib/dpkg/status": b"new",
    }
    three = next(entry for entry in found.entries if entry.path == "etc/three")
    assert (three.kind, three.size, three.link) == (Kind.FILE, 2, "")


def test_a_base_is_read_once(tmp_path: Path) -> None:
    image = make_image(*map(layer, LAYERS))
    first = read(image, tmp_path)

    def fail() -> io.BytesIO:
        raise NotFoundError("it is not there any more")

    gone = replace(image, layers=tuple(replace(each, opener=fail) for each in image.layers))
    assert read(gone, tmp_path) == first
    with pytest.raises(NotFoundError):
        read(gone, tmp_path / "other")


def test_no_base_has_nothing(tmp_path: Path) -> None:
    assert read(make_image(), tmp_path).entries == ()


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_files, "_MAX_CONTENT", 3)
    with pytest.raises(FormatError, match=r"`/etc/one` has 5 bytes, more than 3"):
        read(make_image(*map(layer, LAYERS)), tmp_path)
