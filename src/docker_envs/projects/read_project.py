"""A project's file read as a whole: text, variables, images that extend others, and then each image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.documents.text_file import read_text
from docker_envs.environments.conda.declarations.pixi_manifest import is_pixi_pyproject
from docker_envs.projects.extends import merged_images
from docker_envs.projects.find import SHARED_NAMES
from docker_envs.projects.interpolate import INTERPOLATE, interpolate
from docker_envs.projects.model import ONLY_IMAGE, EnvironmentFile, ImageDeclaration, Project
from docker_envs.projects.read_image import IMAGE_KEYS, read_image
from docker_envs.projects.source import read_source

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker_envs.documents.node import Node

TOP_KEYS = ("version", INTERPOLATE, "images", *IMAGE_KEYS)
#: Keys of the top that begin so are for the file's author, to put anchors there.
AUTHOR_PREFIX = "x-"

_VERSION = 1


def read_project(path: Path, *, variables: Mapping[str, str]) -> Project:
    """Read what a file declares.

    Args:
        path: A `docker-env.yaml`, a `docker-env.toml`, or a file with `[tool.docker-envs]`.
        variables: Environment variables, of which the declaration gets those that it asks for.

    Raises:
        InvalidDeclarationError: It is no valid declaration; the error says where and why.
    """
    document = interpolate(_without_authors_keys(read_source(path)), variables)
    fields = document.mapping("a mapping that declares an image", known=TOP_KEYS)
    if "version" in fields and not fields["version"].is_null:
        _check_version(fields["version"])
    of_images = replace(document, pairs=tuple(pair for pair in document.pairs if pair[0].written in IMAGE_KEYS))
    images = {ONLY_IMAGE: of_images}
    if "images" in fields:
        images = merged_images(of_images, fields["images"])
    read = tuple(_with_own_environment(read_image(title, node, path.parent), node) for title, node in images.items())
    _check_references(read, images)
    return Project(path, read)


def _without_authors_keys(document: Node) -> Node:
    pairs = tuple(pair for pair in document.pairs if not pair[0].written.startswith(AUTHOR_PREFIX))
    return replace(document, pairs=pairs)


def _check_version(node: Node) -> None:
    if node.integer("the version of the format") != _VERSION:
        raise node.error(
            f"the declaration has version {node.written}, only {_VERSION} is known",
            hint="a newer release of docker-envs may know it",
        )


def _with_own_environment(image: ImageDeclaration, node: Node) -> ImageDeclaration:
    """In a manifest of pixi, the environment is the one that it declares, unless another one is named."""
    path = node.path
    said = any(key.written == "environment" for key, _ in node.pairs)
    if said or path.name not in SHARED_NAMES:
        return image
    if path.name == "pyproject.toml" and not is_pixi_pyproject(read_text(path)):
        return image
    return replace(image, environments=(EnvironmentFile(path),))


def _check_references(images: tuple[ImageDeclaration, ...], nodes: Mapping[str, Node]) -> None:
    """See that no two images are published under one name."""
    owners: dict[str, str] = {}
    for image in images:
        for reference in map(str, image.references):
            if reference in owners:
                where = nodes[image.title]
                node = next((value for key, value in where.pairs if key.written in ("tags", "name")), where)
                raise node.error(
                    f"the images `{owners[reference]}` and `{image.title}` are both called `{reference}`",
                    hint="give one of them another `name`, or other `tags`",
                )
            owners[reference] = image.title
