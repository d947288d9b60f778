"""Texts from the command line to values."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from docker_envs.builder.caches.remote_caches import CacheUse
from docker_envs.builder.host import parse_target_platform
from docker_envs.builder.request import AttachmentKind, Attachments
from docker_envs.errors import InvalidInputError
from docker_envs.images.location import parse_location
from docker_envs.planner.layering import Grouping, Strategy, UserGroup

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from docker_envs.environments.conda.declarations.prefix import PrefixImport
    from docker_envs.oci.descriptor import Platform
    from docker_envs.oci.reference import Reference

Choice = TypeVar("Choice", bound=StrEnum)


def parse_pairs(items: Iterable[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` items.

    Raises:
        InvalidInputError: One has no name or no `=`.
    """
    pairs = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise InvalidInputError(f"invalid `{option}` {item!r}", hint=f"write it as `{option} NAME=VALUE`")
        pairs[name] = value
    return pairs


def parse_command(text: str | None, option: str) -> tuple[str, ...] | None:
    """A command as a shell would split it, or as a JSON list as in a Dockerfile; an empty text removes the base's.

    Raises:
        InvalidInputError: It cannot be split.
    """
    if text is None:
        return None
    if text.lstrip().startswith("["):
        try:
            items = json.loads(text)
        except ValueError as error:
            raise InvalidInputError(f"invalid `{option}` {text!r}: no JSON list ({error})") from error
        if not all(isinstance(item, str) for item in items):
            raise InvalidInputError(f"invalid `{option}` {text!r}: not all items are strings")
        return tuple(items)
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InvalidInputError(f"invalid `{option}` {text!r}: {error}") from error


def parse_platforms(texts: Iterable[str]) -> list[Platform]:
    """Platforms, several in a text separated by commas, each once; by default that of this machine."""
    names: list[str | None] = [name for text in texts for name in text.split(",")]
    return list(dict.fromkeys(parse_target_platform(name) for name in names or [None]))


def parse_owner(text: str, option: str) -> tuple[int, int]:
    """Numbers of user and group.

    Raises:
        InvalidInputError: They are none; names are in the image's files, which nobody reads for this.
    """
    user, colon, group = text.partition(":")
    numbers = (user, group) if colon else (user, user)
    if not all(number.isascii() and number.isdecimal() and int(number) < 1 << 31 for number in numbers):
        raise InvalidInputError(f"invalid `{option}` {text!r}", hint=f"write it in numbers, as `{option} 1000:1000`")
    return int(numbers[0]), int(numbers[1])


def parse_choice(text: str, kind: type[Choice], option: str) -> Choice:
    """One of a few words.

    Raises:
        InvalidInputError: It is another one.
    """
    try:
        return kind(text)
    except ValueError as error:
        words = ", ".join(f"`{choice}`" for choice in kind)
        raise InvalidInputError(f"invalid `{option}` {text!r}", hint=f"use one of {words}") from error


def parse_attachments(text: str | None) -> Attachments:
    """What is attached to pushed images: words with commas between, or `none`; by default all that registries take.

    Raises:
        InvalidInputError: A word is another one.
    """
    if text is None:
        return Attachments(frozenset(AttachmentKind))
    if text.strip() == "none":
        return Attachments()
    words = [word.strip() for word in text.split(",")]
    return Attachments(frozenset(parse_choice(word, AttachmentKind, "--attach") for word in words), required=True)


def parse_mirrors(items: Iterable[str]) -> dict[str, list[str]]:
    """Mirrors by the URL that they stand for, from `URL=MIRROR` items."""
    mirrors: dict[str, list[str]] = {}
    for item in items:
        for url, mirror in parse_pairs([item], "--mirror").items():
            mirrors.setdefault(url, []).append(mirror)
    return mirrors


def parse_grouping(layers: str | None, groups: Iterable[str] | None, *, below: Grouping) -> Grouping:
    """How packages are distributed, from `--layers` and `--group`; what these do not say is taken from `below`."""
    strategy = below.strategy if layers is None else parse_choice(layers, Strategy, "--layers")
    return Grouping(strategy, below.groups if groups is None else tuple(UserGroup.parse(text) for text in groups))


def installed_prefix(host_path: Path | None, name: str | None) -> PrefixImport | None:
    """What is in the installed environment that was named by its path or its name.

    Raises:
        InvalidInputError: Both were given, or there is no such environment.
    """
    if host_path is None and name is None:
        return None
    if host_path is not None and name is not None:
        raise InvalidInputError("`--prefix-from` and `--name` name two environments", hint="use one of them")
    from docker_envs.environments.conda.declarations.environment_names import find_environment
    from docker_envs.environments.conda.declarations.prefix import read_prefix

    return read_prefix(host_path if host_path is not None else find_environment(name or ""))


def parse_caches(sources: Iterable[str], targets: Iterable[str], verify: str) -> CacheUse:
    """Which remote caches are used.

    Raises:
        InvalidInputError: One is no repository, or `verify` is neither a number nor `all`.
    """
    if verify != "all" and not (verify.isascii() and verify.isdecimal()):
        raise InvalidInputError(f"invalid `--cache-verify` {verify!r}", hint="give a number of layers, or `all`")
    return CacheUse(
        sources=tuple(_parse_repository(text, "--cache-from") for text in sources),
        targets=tuple(_parse_repository(text, "--cache-to") for text in targets),
        verify=None if verify == "all" else int(verify),
    )


def _parse_repository(text: str, option: str) -> Reference:
    reference = parse_location(text).registry_reference
    if "@" in text or ":" in text.rpartition("/")[2]:
        raise InvalidInputError(
            f"invalid `{option}` {text!r}: a cache is a repository without a tag", hint=f"use `{reference.name}`"
        )
    return replace(reference, tag=None)
