"""One image of a declaration, once all that it takes from others is in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from docker_envs.archive.compression import CompressionSetting
from docker_envs.builder.host import SCRATCH, parse_target_platform
from docker_envs.builder.request import ActivationMode, PythonLayout
from docker_envs.environments.base import Target
from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.environments.conda.solving.channels import ChannelPriority
from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
from docker_envs.environments.conda.subdirs import subdir_of
from docker_envs.environments.filters import Filter
from docker_envs.environments.pypi.declarations.requirement import parse_distribution
from docker_envs.errors import InvalidReferenceError
from docker_envs.images.location import parse_location
from docker_envs.oci.descriptor import Platform
from docker_envs.oci.reference import DEFAULT_TAG, Reference
from docker_envs.planner.layering import DEFAULT_MAX_LAYERS, Grouping, Strategy, UserGroup
from docker_envs.projects import checking
from docker_envs.projects.model import ImageDeclaration, Scratch
from docker_envs.projects.read_apt import read_apt
from docker_envs.projects.read_config import read_config, read_groups, read_users
from docker_envs.projects.read_environment import read_environments
from docker_envs.projects.read_files import read_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from docker_envs.documents.node import Node
    from docker_envs.images.location import Location

T = TypeVar("T")

IMAGE_KEYS = (
    "name",
    "tags",
    "base",
    "platforms",
    "environment",
    "apt",
    "prefix",
    "python_layout",
    "build_sdists",
    "files",
    "config",
    "users",
    "groups",
    "activation",
    "filters",
    "layers",
    "compression",
    "epoch",
    "compile",
    "channel_priority",
    "virtual_packages",
    "strict",
    "keep_setuid",
)
LAYERS_KEYS = ("max", "strategy", "groups")

#: The end of the year 9999, the last that texts of times can hold.
_MAX_EPOCH = 253_402_300_799
_MAX_LAYERS = 127


def read_image(title: str, node: Node, folder: Path) -> ImageDeclaration:
    """An image from its mapping.

    Args:
        title: Its name in the file.
        node: The mapping, whose keys are known ones.
        folder: What paths of the host are relative to.

    Raises:
        InvalidDeclarationError: Something in it is wrong.
    """
    fields = {key: value for key, value in node.mapping("an image", known=IMAGE_KEYS).items() if not value.is_null}

    def read(key: str, read_value: Callable[[Node], T], default: T) -> T:
        return read_value(fields[key]) if key in fields else default

    layers = read("layers", _layers, (DEFAULT_MAX_LAYERS, Grouping()))
    groups = read_groups(fields.get("groups"))
    return ImageDeclaration(
        title=title,
        name=read("name", _name, None),
        tags=read("tags", _tags, (DEFAULT_TAG,)),
        base=read("base", lambda value: _base(value, folder), None),
        platforms=read("platforms", _platforms, ()),
        environments=read_environments(fields.get("environment"), folder),
        apt=read("apt", lambda value: read_apt(value, folder), None),
        prefix=read("prefix", _prefix, None),
        python_layout=read(
            "python_layout", lambda value: checking.choice(value, PythonLayout, "a layout"), PythonLayout.AUTO
        ),
        build_sdists=read("build_sdists", _distributions, frozenset[str]()),
        files=read_files(fields.get("files"), folder),
        config=read_config(fields.get("config")),
        users=read_users(fields.get("users"), groups),
        groups=groups,
        activation=read(
            "activation", lambda value: checking.choice(value, ActivationMode, "an activation"), ActivationMode.ENV
        ),
        filters=read("filters", _filters, frozenset[Filter]()),
        max_layers=layers[0],
        grouping=layers[1],
        compression=read("compression", _compression, CompressionSetting()),
        epoch=read("epoch", _epoch, None),
        compile=read("compile", lambda value: checking.choice(value, CompilePolicy, "a policy"), CompilePolicy.NEVER),
        channel_priority=read(
            "channel_priority", lambda value: checking.choice(value, ChannelPriority, "a channel priority"), None
        ),
        virtual_packages=read("virtual_packages", _virtual_packages, ()),
        strict=read("strict", lambda value: value.truth("`true` or `false`"), default=False),
        keep_setuid=read("keep_setuid", lambda value: value.truth("`true` or `false`"), default=False),
    )


def _name(node: Node) -> Reference | None:
    text = checking.filled(node, "the name of a repository")
    last = text.rpartition("/")[2]
    if ":" in last or "@" in text:
        name, _, tag = text.rpartition("@" if "@" in text else ":")
        hint = "leave the digest out" if "@" in text else f'write it as `name: {name}` and `tags: ["{tag}"]`'
        raise node.error(f"`{text}` is more than the name of a repository", hint=hint)
    return checking.checked(node, Reference.parse)


def _tags(node: Node) -> tuple[str, ...]:
    some = Reference.parse("repository")
    tags = [(item, checking.written(item, "a tag")) for item in node.items("a list of tags")]
    if not tags:
        raise node.error("the list of tags is empty", hint=f"leave it out for `{DEFAULT_TAG}`")
    for item, tag in tags:
        try:
            some.with_tag(tag)
        except InvalidReferenceError as error:
            raise item.error(
                f"invalid tag `{tag}`", hint="use letters, digits, `_`, `.` and `-`, at most 128"
            ) from error
    return tuple(dict.fromkeys(tag for _, tag in tags))


def _base(node: Node, folder: Path) -> Location | Scratch | None:
    text = checking.filled(node, "a base image")
    if text == SCRATCH:
        return "scratch"
    location = checking.checked(node, parse_location)
    if location.is_stream:
        raise node.error("a base cannot come from standard input")
    return replace(location, path=folder / location.path) if location.path is not None else location


def _platforms(node: Node) -> tuple[Platform, ...]:
    platforms = []
    for item in checking.texts(node, "a list of platforms", "a platform such as `linux/amd64`"):
        checking.filled(item, "a platform such as `linux/amd64`")
        platforms.append(checking.checked(item, _platform))
    return tuple(dict.fromkeys(platforms))


def _platform(text: str) -> Platform:
    platform = parse_target_platform(text)
    subdir_of(platform)
    return platform


def _prefix(node: Node) -> str | None:
    some = Platform("linux", "amd64")
    return checking.checked(node, lambda text: Target(some, text).prefix, checking.filled(node, "an absolute path"))


def _distributions(node: Node) -> frozenset[str]:
    items = checking.texts(node, "a list of distributions", "the name of a distribution, or `all`")
    return frozenset(checking.checked(item, parse_distribution) for item in items)


def _filters(node: Node) -> frozenset[Filter]:
    return frozenset(checking.choice(item, Filter, "a filter") for item in node.items("a list of filters"))


def _layers(node: Node) -> tuple[int, Grouping]:
    fields = node.mapping("a mapping of `max`, `strategy` and `groups`", known=LAYERS_KEYS)
    most = DEFAULT_MAX_LAYERS
    if "max" in fields:
        most = checking.whole_number(fields["max"], "a number of layers", least=1, most=_MAX_LAYERS)
    strategy = checking.choice(fields["strategy"], Strategy, "a strategy") if "strategy" in fields else Strategy.AUTO
    groups = fields["groups"].mapping("a mapping of groups") if "groups" in fields else {}
    return most, Grouping(strategy, tuple(_group(name, value) for name, value in groups.items()))


def _group(name: str, node: Node) -> UserGroup:
    patterns = [
        checking.filled(item, "the name of a package, or a pattern") for item in node.items("a list of packages")
    ]
    if not patterns or not name.strip():
        raise node.error(f"the group `{name}` has no packages")
    return UserGroup(name.strip(), tuple(pattern.strip().lower() for pattern in patterns))


def _compression(node: Node) -> CompressionSetting:
    return checking.checked(node, CompressionSetting.parse, node.text("a compression such as `gzip`"))


def _epoch(node: Node) -> int | None:
    return checking.whole_number(node, "seconds since 1970", most=_MAX_EPOCH)


def _virtual_packages(node: Node) -> tuple[VirtualPackage, ...]:
    items = checking.texts(node, "a list of virtual packages", "a virtual package such as `__cuda=12.4`")
    return tuple(checking.checked(item, VirtualPackage.parse) for item in items)
