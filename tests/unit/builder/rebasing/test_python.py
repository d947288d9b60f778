"""Distributions stay with the Python that they are for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from docker_envs.builder.rebasing.image import Base
from docker_envs.builder.rebasing.python import check_python
from docker_envs.errors import BuildError
from docker_envs.oci.edit import append_layer, with_config
from docker_envs.records.record import RecordedPython, make_record, record_entries, record_label
from tests.debian import layer_of
from tests.images import make_image

if TYPE_CHECKING:
    from docker_envs.oci.image import Image
    from docker_envs.streams import ByteSource


def official(version: str) -> Base:
    """A base that says which Python it has."""
    image = make_image({"etc/version": version.encode()})
    env = {"PATH": "/usr/local/bin:/bin", "PYTHON_VERSION": version} if version else {"PATH": "/bin"}
    return Base(with_config(image, image.config.with_env(env)), f"python:{version}")


def with_distributions(base: Base, program: str = "/usr/local/bin/python3.12") -> Image:
    recorded = RecordedPython(layout="venv", program=program, version="3.12", site_packages="lib/x")
    record = make_record(digest_format=1, platform="linux/amd64", prefix="/opt/venv", python=recorded)
    layer = layer_of(record_entries(record))
    image = append_layer(base.image, layer, history={})
    return with_config(image, image.config.with_labels(record_label(base.image, layer)))


def test_another_python_is_an_error() -> None:
    old, new = official("3.12.7"), official("3.13.1")
    with pytest.raises(BuildError, match=r"`python:3\.13\.1` has Python 3\.13, but distributions at `/opt/venv` are"):
        check_python(with_distributions(old), old, new)


@pytest.mark.parametrize(
    ("old", "new", "program"),
    [
        ("3.12.7", "3.12.8", "/usr/local/bin/python3.12"),
        ("3.12.7", "", "/usr/local/bin/python3.12"),
        ("", "3.13.1", "/usr/local/bin/python3.12"),
        ("3.12.7", "3.13.1", "/usr/bin/python3.12"),
    ],
    ids=["the same", "nobody knows now", "nobody knew", "not the base's"],
)
def test_what_fits_or_is_not_known(old: str, new: str, program: str) -> None:
    base = official(old)
    check_python(with_distributions(base, program), base, official(new))


def test_nothing_is_read_when_the_bases_agree() -> None:
    old = official("3.12.7")
    image = with_distributions(old)

    def unreadable() -> ByteSource:
        raise AssertionError

    closed = replace(image, layers=tuple(replace(layer, opener=unreadable) for layer in image.layers))
    check_python(closed, old, official("3.12.9"))
    with pytest.raises(AssertionError):
        check_python(closed, old, official("3.11.9"))


def test_records_of_the_old_base_do_not_matter() -> None:
    below = official("3.12.7")
    old = Base(with_distributions(below), "below")
    check_python(old.image, old, official("3.13.1"))
