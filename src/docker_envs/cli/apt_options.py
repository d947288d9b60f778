"""The options about Debian packages, as one value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from docker_envs.cli import options
from docker_envs.environments.debian.declarations.declaration import AptDeclaration, Seed
from docker_envs.environments.debian.declarations.declare import AptSettings, declare_packages
from docker_envs.environments.debian.declarations.request import PackageRequest
from docker_envs.environments.debian.declarations.source import AptSource, parse_snapshot
from docker_envs.environments.debian.declarations.sources_files import parse_source, read_sources
from docker_envs.errors import InvalidInputError

_PANEL = "Debian packages"
#: How messages call what the options say.
_NAMES = {"suite": "--apt-suite", "mirror": "--apt-mirror", "sources": "--apt-source"}

Apt = Annotated[
    list[str] | None,
    typer.Option(
        "--apt",
        metavar="PACKAGE",
        help="Debian package, such as `git`, `git=1:2.39*` or `git/trixie-backports`; may be repeated, or separated by "
        "commas.",
        rich_help_panel=_PANEL,
    ),
]
AptSuite = Annotated[
    str | None,
    typer.Option(metavar="CODENAME", help="Release of Debian (default: the base's).", rich_help_panel=_PANEL),
]
AptMirror = Annotated[
    str | None, typer.Option(metavar="URL", help="Mirror of Debian, with `--apt-suite`.", rich_help_panel=_PANEL)
]
AptSources = Annotated[
    list[str] | None,
    typer.Option(
        "--apt-source",
        metavar="SOURCE",
        help="Another archive: `deb \\[signed-by=KEYRING] URL SUITE COMPONENT…`, or a .list or .sources file; may be "
        "repeated.",
        rich_help_panel=_PANEL,
    ),
]
AptSnapshot = Annotated[
    str | None, typer.Option(metavar="TIME", help="Archives as they were, such as 2026-01-31.", rich_help_panel=_PANEL)
]
AptSeed = Annotated[
    str | None,
    typer.Option(
        help="What an image from nothing has besides: none, base, essential, apt or required (default: base).",
        rich_help_panel=_PANEL,
    ),
]
AptRecommends = Annotated[
    bool, typer.Option("--apt-recommends", help="Add what packages recommend.", rich_help_panel=_PANEL)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AptOptions:
    """Which Debian packages an image gets, and from where; the fields are the options of these names."""

    apt: Apt = None
    apt_suite: AptSuite = None
    apt_mirror: AptMirror = None
    apt_source: AptSources = None
    apt_snapshot: AptSnapshot = None
    apt_seed: AptSeed = None
    apt_recommends: AptRecommends = False

    def apt_given(self) -> dict[str, object]:
        """The options with what they say, by how messages call them."""
        names = ("apt", "apt_suite", "apt_mirror", "apt_source", "apt_snapshot", "apt_seed", "apt_recommends")
        return {f"`--{name.replace('_', '-')}`": getattr(self, name) for name in names}

    def apt_declaration(self) -> AptDeclaration | None:
        """What the options declare; None when they say nothing.

        Raises:
            InvalidInputError: One makes no sense, or contradicts another.
        """
        if not any(self.apt_given().values()):
            return None
        words = (word for text in self.apt or () for word in re.split(r"[,\s]+", text.strip()) if word)
        settings = AptSettings(
            suite=self.apt_suite,
            mirror=self.apt_mirror,
            sources=tuple(source for text in self.apt_source or () for source in _sources(text)),
            snapshot=None if self.apt_snapshot is None else parse_snapshot(self.apt_snapshot),
            seed=None if self.apt_seed is None else options.parse_choice(self.apt_seed, Seed, "--apt-seed"),
            recommends=self.apt_recommends,
        )
        requests = tuple(dict.fromkeys(map(PackageRequest.parse, words)))
        return declare_packages(requests, settings, source="command line", names=_NAMES)


def _sources(text: str) -> list[AptSource] | tuple[AptSource, ...]:
    if text.lstrip().startswith(("deb ", "deb-src ", "deb\t")):
        found = parse_source(text.strip(), "`--apt-source`")
        if not found:
            raise InvalidInputError(f"`--apt-source {text.strip()}` names no archive of packages")
        return found
    path = Path(text)
    if path.suffix not in (".list", ".sources") or "://" in text:
        raise InvalidInputError(
            f"`--apt-source {text.rpartition('@')[2]}` is neither an archive nor a list of these",
            hint="write it as `deb https://HOST/debian SUITE main`, or name a `.list` or `.sources` file",
        )
    return read_sources(path)
