"""Several images in one file: what each takes from the top of the file and from the images that it extends."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from docker_envs.documents.node import Kind
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from docker_envs.documents.node import Node

EXTENDS = "extends"

_TITLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
#: Mappings whose keys are taken one by one; all else is taken as a whole.
_MERGED = frozenset(
    {(), ("apt",), ("config",), ("config", "env"), ("config", "labels"), ("layers",), ("layers", "groups")}
)
#: Mappings that may be written as a list, which is then the value of this key.
_LISTED = {("apt",): "packages"}


def merged_images(defaults: Node, images: Node) -> dict[str, Node]:
    """The images by title, each with all that it takes from others.

    Args:
        defaults: A mapping that every image extends.
        images: The mapping of images.

    Raises:
        InvalidDeclarationError: An image extends one that is not there, or itself.
    """
    declared = images.mapping("a mapping of images")
    if not declared:
        raise images.error("no image is declared")
    for key, _ in images.pairs:
        if not _TITLE.match(key.written):
            raise key.error(f"invalid name of an image `{key.written}`", hint="use letters, digits, `.`, `_` and `-`")
    return {title: merge(defaults, _with_extended(title, declared, ())) for title in declared}


def _with_extended(title: str, images: dict[str, Node], chain: tuple[str, ...]) -> Node:
    image = images[title]
    own = image.mapping("an image")
    merged: Node | None = None
    for name in _extended(own.get(EXTENDS)):
        parent = name.text("the name of an image")
        if parent not in images:
            others = [each for each in images if each != title]
            raise name.error(f"no image `{parent}` is declared", hint=suggest(parent, others))
        if parent in (*chain, title):
            circle = (*chain, title, parent)[(*chain, title).index(parent) :]
            raise name.error(f"images extend each other in a circle: {' → '.join(f'`{each}`' for each in circle)}")
        extended = _with_extended(parent, images, (*chain, title))
        merged = extended if merged is None else merge(merged, extended)
    image = replace(image, pairs=tuple(pair for pair in image.pairs if pair[0].written != EXTENDS))
    return image if merged is None else merge(merged, image)


def _extended(value: Node | None) -> list[Node]:
    if value is None:
        return []
    return [value] if value.is_scalar and not value.is_null else value.items("the name of an image, or a list of names")


def merge(below: Node, above: Node, where: tuple[str, ...] = ()) -> Node:
    """Two mappings as one: what is above wins, and nothing (null) takes away what is below.

    Raises:
        InvalidDeclarationError: One is no mapping, or has a key twice.
    """
    below, above = _as_mapping(below, where), _as_mapping(above, where)
    lower, upper = below.mapping("a mapping"), above.mapping("a mapping")
    if above.kind is not Kind.MAPPING:
        return below
    pairs = [(key, value) for key, value in below.pairs if key.written not in upper]
    for key, value in above.pairs:
        known = lower.get(key.written)
        inside = (*where, key.written)
        if known is not None and value.is_null:
            continue
        if known is not None and inside in _MERGED:
            value = merge(known, value, inside)
        pairs.append((key, value))
    return replace(above, pairs=tuple(pairs))


def _as_mapping(node: Node, where: tuple[str, ...]) -> Node:
    if node.kind is not Kind.LIST or where not in _LISTED:
        return node
    key = replace(node, kind=Kind.TEXT, written=_LISTED[where], members=())
    return replace(node, kind=Kind.MAPPING, members=(), pairs=((key, node),))
