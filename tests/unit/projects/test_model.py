"""The project as a value: what can be asked of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_envs.errors import InvalidInputError
from docker_envs.oci.reference import Reference
from docker_envs.projects.model import ImageDeclaration, Project

PROJECT = Project(Path("docker-env.yaml"), (ImageDeclaration("app"), ImageDeclaration("debug")))


def titles(*wanted: str) -> list[str]:
    return [image.title for image in PROJECT.select(wanted)]


def test_images_are_selected_in_the_order_of_the_file() -> None:
    assert titles() == ["app", "debug"]
    assert titles("debug", "app") == ["app", "debug"]
    assert titles("debug") == ["debug"]


def test_an_unknown_image() -> None:
    with pytest.raises(InvalidInputError, match=r"^docker-env.yaml declares no image `debgu`$") as caught:
        titles("debgu")
    assert caught.value.hint == "did you mean `debug`?"
    with pytest.raises(InvalidInputError):
        Project(Path("docker-env.yaml"), (ImageDeclaration(),)).select([""])


def test_names_that_an_image_is_published_under() -> None:
    image = ImageDeclaration(name=Reference.parse("ghcr.io/me/app"), tags=("1.0", "1"))
    assert [str(reference) for reference in image.references] == ["ghcr.io/me/app:1.0", "ghcr.io/me/app:1"]
    assert ImageDeclaration().references == ()
