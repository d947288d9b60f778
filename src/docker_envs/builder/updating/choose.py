"""Which packages an environment has after an update or a removal."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.environments.conda.package import CondaPackage
from docker_envs.environments.conda.solving.channel_access import ChannelAccess
from docker_envs.environments.conda.solving.match_specs import parse_match_spec
from docker_envs.environments.conda.solving.solve import solve
from docker_envs.environments.conda.solving.virtual_packages import virtual_packages
from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform
from docker_envs.records.record import CONDA, DEB, PYPI, qualified_name
from docker_envs.report import Reporter, counted
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from docker_envs.builder.recorded import AnyPackage
    from docker_envs.environments.conda.solving.virtual_packages import VirtualPackage
    from docker_envs.records.record import Record, RecordedPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How an environment shall change.

    Attributes:
        specs: Match specs of packages that may become others.
        removed: Names of packages that shall go; then there are no specs.
        with_dependents: Whether those that need them go as well.
        channels: URLs, highest priority first; those that the packages came from follow. They also say where channels
            are that were local when the image was built.
        virtual_packages: Overrides of what the target offers.
        access: How channels are reached.
    """

    specs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    with_dependents: bool = False
    channels: tuple[str, ...] = ()
    virtual_packages: tuple[VirtualPackage, ...] = ()
    access: ChannelAccess = field(default_factory=ChannelAccess)


def choose_packages(
    record: Record, have: Sequence[AnyPackage], wanted: Wanted, *, repodata: Path, reporter: Reporter
) -> dict[str, AnyPackage]:
    """The packages that there shall be, by their qualified names; wheels and Debian packages stay as they are.

    Args:
        record: What is in the image.
        have: The same packages in the same order, where they can be had.
        wanted: What shall change.
        repodata: Directory where indexes of channels are kept.
        reporter: Hears about the solve, and of packages that nothing needs any more.

    Raises:
        InvalidInputError: A package is not in the image, or others need one that shall go.
        SolveError: No set of packages fits.
        TransportError: A channel cannot be reached.
    """
    known = {recorded.qualified_name: package for recorded, package in zip(record.packages, have, strict=True)}
    if wanted.removed:
        gone = _removed(record, wanted)
        for name in _orphans(record, gone):
            reporter.message(f"note: nothing needs `{name}` any more")
        return {name: package for name, package in known.items() if name not in gone}
    others = {name: package for name, package in known.items() if not isinstance(package, CondaPackage)}
    conda = [package for package in have if isinstance(package, CondaPackage)]
    solved = _solved(record, conda, wanted, repodata, reporter)
    return {**others, **{package.name: package for package in solved}}


def _solved(
    record: Record, have: Sequence[CondaPackage], wanted: Wanted, repodata: Path, reporter: Reporter
) -> tuple[CondaPackage, ...]:
    named = [parse_match_spec(spec).name.normalized for spec in wanted.specs]
    _check_known(named, record)
    rest = [package for package in have if package.name not in named]
    channels = _channels(have)
    # With several channels, each package stays with its own: nobody wrote down which was meant to come first.
    python = _python_of_wheels(record)
    several = len({*channels, *wanted.channels}) > 1
    names = ((f"{_channel(package)}::{package.name}" if several else package.name, package) for package in rest)
    others = [f"{spec}{python}" if package.name == "python" else spec for spec, package in names]
    task = reporter.start("solve", counted(len(have), "package"))
    found = solve(
        tuple(dict.fromkeys((*wanted.channels, *channels))),
        (*wanted.specs, *others),
        platform=Platform.parse(record.platform),
        virtual_packages=virtual_packages(Platform.parse(record.platform), wanted.virtual_packages),
        cache=repodata,
        access=wanted.access,
        preferred=rest,
    )
    task.finish()
    # The address of a package is part of its layer, so it stays what it was.
    known = {(package.name, package.sha256): package for package in have}
    return tuple(known.get((package.name, package.sha256), package) for package in found)


def _python_of_wheels(record: Record) -> str:
    """What keeps the minor version of Python, which wheels are installed for; empty where there are none."""
    python = record.by_name.get("python")
    if python is None or all(package.kind != PYPI for package in record.packages):
        return ""
    return f"={'.'.join(python.version.split('.')[:2])}"


def _channel(package: CondaPackage) -> str:
    return package.url.rsplit("/", 2)[0]


def _channels(packages: Iterable[CondaPackage]) -> list[str]:
    """The channels of packages; those of most packages first."""
    counts = Counter(map(_channel, packages))
    return sorted(counts, key=lambda channel: (-counts[channel], channel))


def _check_known(names: Iterable[str], record: Record) -> None:
    for name in names:
        names = (name, qualified_name(PYPI, name), qualified_name(DEB, name))
        found = next((record.by_name[each] for each in names if each in record.by_name), None)
        if found is None:
            raise InvalidInputError(f"the image has no package `{name}`", hint=suggest(name, record.by_name))
        if found.kind != CONDA:
            what = "a distribution from PyPI" if found.kind == PYPI else "a Debian package"
            raise InvalidInputError(
                f"`{found.name}` is {what}, and only conda's packages can be changed in an image that is there",
                hint="change its declaration, and build the image anew",
            )


def _removed(record: Record, wanted: Wanted) -> set[str]:
    """All that goes.

    Raises:
        InvalidInputError: One is not there, or others need it, and may not go.
    """
    _check_known(wanted.removed, record)
    gone = set(wanted.removed)
    while needing := [
        each.qualified_name
        for each in record.packages
        if each.qualified_name not in gone and gone.intersection(each.depends)
    ]:
        gone.update(needing)
    others = sorted(gone.difference(wanted.removed))
    if others and not wanted.with_dependents:
        names = ", ".join(f"`{name}`" for name in others)
        raise InvalidInputError(
            f"{names} cannot be without what shall go", hint="remove these as well: `--with-dependents`"
        )
    return gone


def _orphans(record: Record, gone: set[str]) -> list[str]:
    """What only removed packages needed."""
    stays: list[RecordedPackage] = [package for package in record.packages if package.qualified_name not in gone]
    needed = {name for package in stays for name in package.depends}
    was_needed = {name for package in record.packages if package.qualified_name in gone for name in package.depends}
    return sorted(was_needed - needed - gone)
