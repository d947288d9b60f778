"""How all packages of an environment are linked together, decided before any file is read; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docker_envs.environments.bytecode import choose_interpreter
from docker_envs.environments.clobber import Clobber, find_case_conflicts, find_clobbers
from docker_envs.environments.conda.linking.link_plan import LinkOptions, LinkPlan, plan_link
from docker_envs.environments.conda.linking.link_scripts import LinkScript, Verdict
from docker_envs.environments.conda.linking.noarch import PythonInfo
from docker_envs.environments.conda.planned import PlannedCondaPackage, ReadPackage
from docker_envs.environments.filters import Filter, Saving
from docker_envs.environments.findings import Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from docker_envs.environments.conda.metadata import PackageMetadata


@dataclass(frozen=True, slots=True)
class CondaEnvironment:
    """The packages of an environment, and what is worth knowing about them together.

    Attributes:
        packages: In topological order.
        clobbers: Paths that several packages bring.
        findings: What metadata show; more is found when layers are made.
        savings: What each filter that was asked for leaves out.
        scripts: Scripts that an installer would run and that are left unrun, and what they mean; those of other systems
            are left out.
    """

    packages: tuple[PlannedCondaPackage, ...] = ()
    clobbers: tuple[Clobber, ...] = ()
    findings: tuple[Finding, ...] = ()
    savings: tuple[Saving, ...] = ()
    scripts: tuple[LinkScript, ...] = ()

    @property
    def python(self) -> PythonInfo | None:
        """The environment's Python, if it has one."""
        return _python([package.read for package in self.packages])

    @property
    def metadata(self) -> tuple[PackageMetadata, ...]:
        """What the packages say about themselves."""
        return tuple(package.metadata for package in self.packages)

    @property
    def is_compiled(self) -> bool:
        """Whether anything gets bytecode."""
        return any(package.link.interpreter for package in self.packages)

    @property
    def link_scripts(self) -> dict[str, list[str]]:
        """By package name, all scripts that an installer would run, those of other systems included."""
        return {each.name: each.metadata.link_scripts for each in self.packages if each.metadata.link_scripts}

    @property
    def unhandled_scripts(self) -> tuple[LinkScript, ...]:
        """Scripts whose effect may be missed."""
        return tuple(script for script in self.scripts if script.verdict is Verdict.ATTENTION)


def plan_environment(packages: Sequence[ReadPackage], options: LinkOptions) -> CondaEnvironment:
    """Decide how the packages of an environment are linked.

    Args:
        packages: In topological order.
        options: How they are linked; unless bytecode is asked for, the result depends on nothing else.

    Raises:
        BuildError: A package cannot be linked there, or there is nothing to compile with.
        FormatError: A package's paths contradict each other.
    """
    links = _plan_links(packages, options)
    clobbers = find_clobbers(
        [(link.metadata.name, link.target_files()) for link in links],
        {link.metadata.name: link.target_directories() for link in links},
    )
    dropped = _dropped(clobbers)
    final = [replace(link, dropped=dropped.get(link.metadata.name, frozenset())) for link in links]
    scripts = tuple(script for link in final for script in link.link_scripts())
    return CondaEnvironment(
        packages=tuple(PlannedCondaPackage(read, link) for read, link in zip(packages, final, strict=True)),
        clobbers=tuple(clobbers),
        findings=tuple(_findings(final, clobbers, scripts)),
        savings=tuple(_savings(final, options.filters)),
        scripts=scripts,
    )


def _python(packages: Sequence[ReadPackage]) -> PythonInfo | None:
    return next((PythonInfo.from_metadata(each.metadata) for each in packages if each.metadata.name == "python"), None)


def _plan_links(packages: Sequence[ReadPackage], options: LinkOptions) -> list[LinkPlan]:
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


def _dropped(clobbers: Sequence[Clobber]) -> dict[str, frozenset[str]]:
    dropped: dict[str, set[str]] = {}
    for clobber in clobbers:
        for loser in clobber.losers:
            dropped.setdefault(loser, set()).add(clobber.path)
    return {name: frozenset(paths) for name, paths in dropped.items()}
