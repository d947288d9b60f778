"""The plan of an image: which layers of which packages, known before any of them is made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from docker_envs.archive.compression import Compression
from docker_envs.digest import Digest
from docker_envs.environments.conda.linking.bytecode import choose_interpreter
from docker_envs.environments.conda.linking.clobber import Clobber, find_case_conflicts, find_clobbers
from docker_envs.environments.conda.linking.filters import Filter, Saving
from docker_envs.environments.conda.linking.findings import Finding, FindingKind
from docker_envs.environments.conda.linking.link_plan import LinkOptions, LinkPlan, plan_link
from docker_envs.environments.conda.linking.link_scripts import LinkScript, Verdict
from docker_envs.environments.conda.linking.noarch import PythonInfo
from docker_envs.fields import canonical_json
from docker_envs.planner.layering import Grouping, PackageGroup, Reason, SizedPackage, group_packages
from docker_envs.version import DIGEST_FORMAT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from docker_envs.archive.compression import CompressionSetting
    from docker_envs.environments.conda.activating.packaged import PackagedFile
    from docker_envs.environments.conda.metadata import PackageMetadata
    from docker_envs.environments.conda.package import CondaPackage

#: Size of a layer by the size of its files: of site-packages and libraries, at the default levels.
_RATIOS = {Compression.GZIP: 0.30, Compression.ZSTD: 0.32, Compression.NONE: 1.0}


@dataclass(frozen=True, slots=True)
class PlannedPackage:
    """A package with what was read of it.

    Attributes:
        package: Where it came from.
        metadata: What it says about itself.
        sha256: Of the archive, verified, as hexadecimal digits.
        size: Of the archive in bytes.
        activation_files: What takes part in activation; None when only the archive tells.
    """

    package: CondaPackage
    metadata: PackageMetadata
    sha256: str
    size: int
    activation_files: tuple[PackagedFile, ...] | None = None


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One layer to be made.

    Attributes:
        links: How each of its packages is linked, in order.
        packages: The same packages, in the same order.
        key: Digest over everything that its bytes depend on.
        group: Why they are together, or alone.
    """

    links: tuple[LinkPlan, ...]
    packages: tuple[PlannedPackage, ...]
    key: Digest
    group: PackageGroup

    @property
    def size(self) -> int:
        """Bytes of all package archives together: how much work it is."""
        return sum(package.size for package in self.packages)

    def estimated_size(self, compression: CompressionSetting) -> int:
        """About how many bytes the layer will have, from what its files are said to have.

        Archives are compressed better than layers, so a layer is hardly smaller.
        """
        ratio = _RATIOS[compression.kind]
        total = 0
        for link, package in zip(self.links, self.packages, strict=True):
            omitted = set(link.omitted_paths())
            files = {link.target(entry): entry.size_in_bytes or 0 for entry in link.metadata.paths}
            installed = sum(size for path, size in files.items() if path not in omitted)
            total += int(ratio * installed) if omitted else max(package.size, int(ratio * installed))
        return total

    @property
    def title(self) -> str:
        """The packages' names for people, shortened when there are many."""
        names = [package.package.display_name for package in self.packages]
        return " ".join(names) if len(names) <= 4 else f"{' '.join(names[:3])} and {len(names) - 3} more"


@dataclass(frozen=True, slots=True)
class Plan:
    """All layers of an environment, bottom first, and what is worth knowing about them.

    Attributes:
        layers: Bottom first.
        clobbers: Paths that several packages bring.
        link_scripts: By package name, scripts that an installer would run and that are left unrun.
        timestamp: When the newest package was built, in seconds since 1970 UTC; 0 when no package says.
        findings: What metadata show; more is found when layers are made.
        savings: What each filter that was asked for leaves out.
        scripts: The same scripts as `link_scripts`, those of other systems left out, and what they mean.
    """

    layers: tuple[PlannedLayer, ...]
    clobbers: tuple[Clobber, ...]
    link_scripts: dict[str, list[str]]
    timestamp: int
    findings: tuple[Finding, ...] = ()
    savings: tuple[Saving, ...] = ()
    scripts: tuple[LinkScript, ...] = ()

    @property
    def unhandled_scripts(self) -> tuple[LinkScript, ...]:
        """Scripts whose effect may be missed."""
        return tuple(script for script in self.scripts if script.verdict is Verdict.ATTENTION)

    @property
    def python(self) -> PythonInfo | None:
        """The environment's Python, if it has one."""
        return _python([package for layer in self.layers for package in layer.packages])

    def to_json(self) -> list[dict[str, Any]]:
        """The layers as data."""
        return [
            {
                "key": str(layer.key),
                "packages": [package.package.display_name for package in layer.packages],
                "package_bytes": layer.size,
                "reason": layer.group.reason.name.lower(),
                "group": layer.group.group,
            }
            for layer in self.layers
        ]


def make_plan(
    packages: Sequence[PlannedPackage],
    *,
    options: LinkOptions,
    budget: int,
    compression: CompressionSetting,
    grouping: Grouping | None = None,
    layers: Sequence[Sequence[str]] | None = None,
) -> Plan:
    """Plan the layers of an environment.

    Args:
        packages: In topological order.
        options: How they are linked; unless bytecode is asked for, the plan depends on nothing else.
        budget: Number of layers there may be.
        compression: Of the layers; part of their keys.
        grouping: How packages are distributed; by default `auto`.
        layers: Names of the packages of each layer, lowest first, when that is known already.

    Raises:
        BuildError: A package cannot be linked there, or there is nothing to compile with.
        FormatError: A package's paths contradict each other.
        InvalidInputError: There is no room for a layer.
    """
    links = _plan_links(packages, options)
    clobbers = find_clobbers(
        [(link.metadata.name, link.target_files()) for link in links],
        {link.metadata.name: link.target_directories() for link in links},
    )
    dropped = _dropped(clobbers)
    final = {link.metadata.name: replace(link, dropped=dropped.get(link.metadata.name, frozenset())) for link in links}
    by_name = {each.metadata.name: each for each in packages}
    groups = (
        group_packages([_sized(each) for each in packages], budget=budget, grouping=grouping)
        if layers is None
        else [PackageGroup(tuple(names), Reason.GROUP) for names in layers]
    )
    planned = []
    for group in groups:
        members = tuple(by_name[name] for name in group.names)
        linked = tuple(final[name] for name in group.names)
        key = layer_key(linked, members, options=options, compression=compression)
        planned.append(PlannedLayer(linked, members, key, group))
    scripts = tuple(script for link in final.values() for script in link.link_scripts())
    return Plan(
        layers=tuple(planned),
        clobbers=tuple(clobbers),
        link_scripts={
            each.metadata.name: each.metadata.link_scripts for each in packages if each.metadata.link_scripts
        },
        timestamp=max((each.metadata.timestamp // 1000 for each in packages), default=0),
        findings=tuple(_findings(list(final.values()), clobbers, scripts)),
        savings=tuple(_savings(list(final.values()), options.filters)),
        scripts=scripts,
    )


def _sized(package: PlannedPackage) -> SizedPackage:
    metadata = package.metadata
    return SizedPackage(metadata.name, package.size, tuple(metadata.needs), metadata.timestamp)


def _python(packages: Sequence[PlannedPackage]) -> PythonInfo | None:
    return next((PythonInfo.from_metadata(each.metadata) for each in packages if each.metadata.name == "python"), None)


def _plan_links(packages: Sequence[PlannedPackage], options: LinkOptions) -> list[LinkPlan]:
    python = _python(packages)
    has_modules = any(each.metadata.is_noarch_python for each in packages)
    interpreter = choose_interpreter(options.compile, python) if has_modules else None
    return [
        plan_link(each.package, each.metadata, options=options, python=python, interpreter=interpreter)
        for each in packages
    ]


def _findings(
    links: Sequence[LinkPlan], clobbers: Sequence[Clobber], scripts: Sequence[LinkScript]
) -> Iterator[Finding]:
    for clobber in clobbers:
        losers = ", ".join(f"`{name}`" for name in clobber.losers)
        text = f"takes the place of what is there in {losers}"
        yield Finding(FindingKind.CLOBBER, clobber.winner, clobber.path, text)
    for link in links:
        for path in link.replaced_by_scripts():
            text = "is its console script, in place of its file of that name"
            yield Finding(FindingKind.CLOBBER, link.metadata.name, path, text)
    kept = [(link.metadata.name, [path for path in link.target_files() if path not in link.dropped]) for link in links]
    for conflict in find_case_conflicts(kept):
        others = ", ".join(f"`{path}`" for path in conflict.paths[1:])
        text = f"is one path with {others} on hosts that ignore case or Unicode form"
        yield Finding(FindingKind.CASE_CONFLICT, ", ".join(conflict.packages), conflict.paths[0], text)
    for script in scripts:
        text = f"is not run ({script.verdict}): {script.reason}"
        yield Finding(FindingKind.LINK_SCRIPT, script.package, script.path, text)


def _savings(links: Sequence[LinkPlan], filters: Collection[Filter]) -> Iterator[Saving]:
    files: Counter[Filter] = Counter()
    sizes: Counter[Filter] = Counter()
    for link in links:
        declared = (
            {link.target(entry): entry.size_in_bytes or 0 for entry in link.metadata.paths} if link.filtered else {}
        )
        for path, each in link.filtered.items():
            files[each] += 1
            sizes[each] += declared[path]
    for each in Filter:
        if each in filters:
            yield Saving(each, files[each], sizes[each])


def layer_key(
    links: Sequence[LinkPlan],
    packages: Sequence[PlannedPackage],
    *,
    options: LinkOptions,
    compression: CompressionSetting,
) -> Digest:
    """Digest over all that a layer's bytes depend on, and nothing else: of filters, what they leave out."""
    members = [
        {
            "sha256": package.sha256,
            "url": link.package.public_url,
            "python": [link.python.version, link.python.site_packages] if link.python else None,
            "dropped": link.omitted_paths(),
            "compiler": [link.interpreter.version, link.interpreter.cache_tag] if link.interpreter else None,
        }
        for link, package in zip(links, packages, strict=True)
    ]
    document = {
        "format": DIGEST_FORMAT,
        "prefix": options.prefix,
        "keep_setuid": options.keep_setuid,
        "compression": str(compression),
        "packages": members,
    }
    return Digest.of(canonical_json(document))


def _dropped(clobbers: Sequence[Clobber]) -> dict[str, frozenset[str]]:
    dropped: dict[str, set[str]] = {}
    for clobber in clobbers:
        for loser in clobber.losers:
            dropped.setdefault(loser, set()).add(clobber.path)
    return {name: frozenset(paths) for name, paths in dropped.items()}
