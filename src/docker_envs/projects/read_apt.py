"""`apt`: Debian packages of an image, as a list, or with where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from docker_envs.documents.node import Kind
from docker_envs.environments.debian.declarations.declaration import AptDeclaration, Seed
from docker_envs.environments.debian.declarations.declare import AptSettings, declare_packages
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import AptSource, parse_snapshot
from docker_envs.errors import InvalidDeclarationError, InvalidInputError
from docker_envs.projects import checking

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from docker_envs.documents.node import Node

T = TypeVar("T")

APT_KEYS = ("packages", "suite", "mirror", "components", "sources", "snapshot", "seed", "recommends")
SOURCE_KEYS = ("uri", "suites", "components", "signed_by", "architectures", "check_valid_until")
_WHAT = "a list of packages, or a mapping with `packages`"


def read_apt(node: Node, folder: Path) -> AptDeclaration:
    """`apt`.

    Args:
        node: A list of packages, or a mapping.
        folder: What paths of keyrings are relative to.

    Raises:
        InvalidDeclarationError: Something in it is wrong.
    """
    source = str(node.path)
    if node.kind is Kind.LIST:
        return AptDeclaration(requests=_requests(node), source=source)
    fields = {key: value for key, value in node.mapping(_WHAT, known=APT_KEYS).items() if not value.is_null}

    def read(key: str, read_value: Callable[[Node], T], default: T) -> T:
        return read_value(fields[key]) if key in fields else default

    settings = AptSettings(
        suite=read("suite", lambda value: checking.filled(value, "the codename of a release"), None),
        mirror=read("mirror", lambda value: checking.filled(value, "the address of a mirror"), None),
        components=read("components", lambda value: _words(value, "a list of components", "a component"), ()),
        sources=read("sources", lambda value: _sources(value, folder), ()),
        snapshot=read("snapshot", _snapshot, None),
        seed=read("seed", lambda value: checking.choice(value, Seed, "a seed"), None),
        recommends=read("recommends", lambda value: value.truth("`true` or `false`"), default=False),
    )
    requests = _requests(fields["packages"]) if "packages" in fields else ()
    try:
        return declare_packages(requests, settings, source=source)
    except InvalidInputError as error:
        raise node.error(str(error), hint=error.hint) from error


def _requests(node: Node) -> tuple[PackageRequest, ...]:
    items = checking.texts(node, "a list of packages", "a package such as `git`")
    return tuple(dict.fromkeys(checking.checked(item, PackageRequest.parse) for item in items))


def _snapshot(node: Node) -> datetime:
    """A time; YAML takes some for dates and some for numbers."""
    return checking.checked(node, parse_snapshot, node.scalar("the time of a snapshot"))


def _words(node: Node, what: str, each: str) -> tuple[str, ...]:
    return tuple(checking.filled(item, each) for item in checking.texts(node, what, each))


def _sources(node: Node, folder: Path) -> tuple[AptSource, ...]:
    return tuple(_source(item, folder) for item in node.items("a list of archives"))


def _source(node: Node, folder: Path) -> AptSource:
    fields = node.mapping("an archive with `uri` and `suites`", known=SOURCE_KEYS)
    for key in ("uri", "suites"):
        if key not in fields:
            raise node.error(f"an archive needs `{key}`")
    truth = fields.get("check_valid_until")
    architectures = fields.get("architectures")
    components = fields.get("components")
    try:
        return AptSource(
            checking.filled(fields["uri"], "the address of an archive"),
            _words(fields["suites"], "a list of suites", "a suite"),
            () if components is None else _words(components, "a list of components", "a component"),
            signed_by=_signed_by(fields["signed_by"], folder) if "signed_by" in fields else "",
            architectures=() if architectures is None else _words(architectures, "a list", "an architecture"),
            check_valid_until=True if truth is None else truth.truth("`true` or `false`"),
        )
    except InvalidInputError as error:
        if isinstance(error, InvalidDeclarationError):
            raise
        raise node.error(str(error), hint=error.hint) from error


def _signed_by(node: Node, folder: Path) -> str:
    """An armored key, fingerprints, or the path of a keyring."""
    text = checking.filled(node, "a keyring, a key, or fingerprints")
    if text.startswith("-----BEGIN") or ("/" not in text and Path(text).suffix not in (".gpg", ".asc", ".pgp")):
        return text
    return str(checking.host_path(node, folder, what="a keyring"))
