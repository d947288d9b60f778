"""What a lock was made for; when any of it changes, the lock is stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from docker_envs.digest import Digest
from docker_envs.fields import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PypiInputs(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is wanted from package indexes of Python.

    Attributes:
        requirements: Sorted, without credentials.
        constraints: Likewise.
        hashes: Digest of those that files of the requirements may have.
        indexes: As options of pip, in order, without credentials.
        projects: Paths of projects with the digest of what they need, sorted.
        sdists: Distributions whose source may be built, sorted.
        prereleases: Whether versions before a release will do.
        layout: Where they go, if not as by default.
        packages: Digest of what a lock of another tool names, when that is what is declared.
    """

    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    hashes: str | None = None
    indexes: tuple[str, ...] = ()
    projects: dict[str, str] = {}
    sdists: tuple[str, ...] = ()
    prereleases: bool = False
    layout: str | None = None
    packages: str | None = None

    def changes(self, now: PypiInputs) -> Iterator[str]:
        """What is not the same any more, a phrase each."""
        yield from listed_changes("requirement", self.requirements, now.requirements)
        yield from listed_changes("constraint", self.constraints, now.constraints)
        yield from listed_changes("index option", self.indexes, now.indexes)
        yield from listed_changes("project", sorted(self.projects), sorted(now.projects))
        for path in sorted(self.projects.keys() & now.projects.keys()):
            if self.projects[path] != now.projects[path]:
                yield f"the project `{path}` needs something else"
        yield from listed_changes("permission to build", self.sdists, now.sdists)
        if self.hashes != now.hashes:
            yield "the hashes of requirements are others"
        if self.prereleases != now.prereleases:
            yield f"versions before a release are {'' if now.prereleases else 'not '}wanted"
        if self.layout != now.layout:
            yield f"the Python layout is `{now.layout or 'auto'}` instead of `{self.layout or 'auto'}`"
        if self.packages != now.packages:
            yield "the lock of distributions that it names has other ones"


class AptInputs(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is wanted from archives of Debian packages.

    Attributes:
        requests: As apt takes them, sorted.
        sources: Archives in order, without credentials: address, suites, components, and what signs them.
        snapshot: The time as of which they are read.
        seed: What is there without being asked for, if not as by default.
        recommends: Whether recommended packages are wanted.
    """

    requests: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    snapshot: str | None = None
    seed: str | None = None
    recommends: bool = False

    def changes(self, now: AptInputs) -> Iterator[str]:
        """What is not the same any more, a phrase each."""
        yield from listed_changes("Debian package", self.requests, now.requests)
        yield from listed_changes("archive", self.sources, now.sources)
        if self.snapshot != now.snapshot:
            yield f"the snapshot is `{now.snapshot}` instead of `{self.snapshot}`"
        if self.seed != now.seed:
            yield f"the seed is `{now.seed}` instead of `{self.seed}`"
        if self.recommends != now.recommends:
            yield f"recommended packages are {'' if now.recommends else 'not '}wanted"


class LockInputs(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What was locked: when any of it changes, the lock is stale.

    Attributes:
        base: Base image as the project names it.
        channels: Without credentials, highest priority first.
        specs: Match specs, sorted.
        virtual_packages: As `NAME=VERSION=BUILD`.
        settings: How it was solved, what is as by default left out.
        packages: Digest of what a lock of another tool names, when the environment is one.
        apt: What is wanted of Debian packages; None for nothing.
        pypi: What is wanted from PyPI; None for nothing.
    """

    base: str | None = None
    channels: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    virtual_packages: tuple[str, ...] = ()
    settings: dict[str, str] = {}
    packages: str | None = None
    apt: AptInputs | None = None
    pypi: PypiInputs | None = None

    @property
    def digest(self) -> Digest:
        """Digest of the declaration."""
        return Digest.of(canonical_json(msgspec.to_builtins(self)))

    @property
    def depends_on_base(self) -> bool:
        """Whether the base decides about packages: what it has already, and its Python."""
        return self.apt is not None or self.pypi is not None

    def has_packages_of(self, other: LockInputs) -> bool:
        """Whether both ask for the same packages; different bases only count where they decide about these."""
        if self.depends_on_base:
            return self == other
        return msgspec.structs.replace(self, base=None) == msgspec.structs.replace(other, base=None)

    def has_conda_of(self, other: LockInputs) -> bool:
        """Whether both ask for the same conda packages, which depend on nothing else."""
        own, others = (msgspec.structs.replace(each, base=None, apt=None, pypi=None) for each in (self, other))
        return own == others

    def has_debs_of(self, other: LockInputs) -> bool:
        """Whether both ask for the same Debian packages on the same base."""
        return (self.base, self.apt) == (other.base, other.apt)

    def changes(self, now: LockInputs) -> list[str]:
        """What is not the same any more, a phrase each."""
        found = []
        if self.base != now.base:
            found.append(f"the base is `{now.base}` instead of `{self.base}`")
        found += listed_changes("channel", self.channels, now.channels)
        found += listed_changes("spec", self.specs, now.specs)
        found += listed_changes("virtual package", self.virtual_packages, now.virtual_packages)
        if self.settings != now.settings:
            found.append("it is solved in another way")
        if self.packages != now.packages:
            found.append("the lock that it names has other packages")
        found += (self.apt or AptInputs()).changes(now.apt or AptInputs())
        found += (self.pypi or PypiInputs()).changes(now.pypi or PypiInputs())
        return found


def listed_changes(what: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """What is new in a list, gone from it, or in another order."""
    yield from (f"the {what} `{each}` is new" for each in after if each not in before)
    yield from (f"the {what} `{each}` is gone" for each in before if each not in after)
    if before != after and set(before) == set(after):
        yield f"the {what}s are in another order"
