"""A pool of Debian packages as a problem for rattler's solver, and its answer back.

Names and versions of Debian fit no other scheme, so each package gets a number as its name, and its candidates get
numbers as their versions, the preferred one the highest. A clause with several options is a package of its own, with a
version for each option. So what the solver prefers, a high version, is what is preferred here.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from docker_envs.environments.debian.version import version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from docker_envs.environments.debian.solving.pool import Candidate, Option, Pool

T = TypeVar("T")

_CHANNEL = "https://debian.invalid/"


class UnsolvableError(Exception):
    """The solver's explanation, in its own names."""


@dataclass
class Problem:
    """What is given to the solver.

    Args:
        pool: The candidates.
        preferred: Packages that are better than others.
        within: Only packages with these names may be chosen; None for all.

    Attributes:
        texts: What the solver's names and requirements stand for, for messages.
    """

    pool: Pool
    preferred: Mapping[str, Candidate]
    within: frozenset[str] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _numbers: dict[Candidate, int] = field(default_factory=dict)
    _groups: dict[tuple[tuple[Candidate, ...], ...], str] = field(default_factory=dict)
    _records: dict[str, dict[str, Any]] = field(default_factory=dict)
    _by_record: dict[tuple[str, str], Candidate] = field(default_factory=dict)
    _waiting: list[Candidate] = field(default_factory=list)

    def solve(self, roots: Sequence[tuple[str, Sequence[Option]]]) -> list[Candidate]:
        """Choose packages.

        Args:
            roots: What is needed: a text for messages, and options of which one must be there.

        Raises:
            UnsolvableError: Nothing fits.
        """
        specs = [self._requirement(text, options) for text, options in roots]
        while self._waiting:
            self._add_record(self._waiting.pop())
        repodata = {"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": self._records}
        found = _solve(json.dumps(repodata), specs)
        return [self._by_record[each] for each in found if each in self._by_record]

    def _requirement(self, text: str, options: Sequence[Option]) -> str:
        """The solver's spec for a clause, whose options become known to it."""
        usable = [option for option in options if self.within is None or option.name in self.within]
        if len(usable) == 1:
            spec = f"{self._name(usable[0].name)} {self._versions(usable[0].candidates)}"
        else:
            spec = f"{self._group(usable, text)} >=0"
        self.texts[spec] = text
        return spec

    def _group(self, options: Sequence[Option], text: str) -> str:
        key = tuple(option.candidates for option in options)
        if key not in self._groups:
            name = self._groups[key] = f"g{len(self._groups)}"
            self.texts[name] = text
            ordered = sorted(options, key=lambda option: self.preferred.get(option.name) not in option.candidates)
            for number, option in enumerate(reversed(ordered), 1):
                spec = f"{self._name(option.name)} {self._versions(option.candidates)}"
                self.texts[spec] = _option_text(option)
                self.texts[f"{name} {number}"] = f"`{text}`"
                self._write(name, number, [spec], [])
        return self._groups[key]

    def _name(self, name: str) -> str:
        if name not in self._names:
            self._names[name] = f"p{len(self._names)}"
            self.texts[self._names[name]] = name
            order = sorted(self.pool.candidates(name), key=self._order)
            self._numbers.update({candidate: number for number, candidate in enumerate(order, 1)})
            self._waiting += order
        return self._names[name]

    def _order(self, candidate: Candidate) -> tuple[bool, object]:
        return (self.preferred.get(candidate.name) is candidate, version_key(candidate.indexed.version))

    def _versions(self, candidates: Sequence[Candidate]) -> str:
        return "|".join(f"=={number}" for number in sorted(self._numbers[each] for each in candidates))

    def _add_record(self, candidate: Candidate) -> None:
        name, number = self._name(candidate.name), self._numbers[candidate]
        self.texts[f"{name} {number}"] = f"{candidate.name} {candidate.indexed.version}"
        self._by_record[name, str(number)] = candidate
        depends = [self._requirement(str(clause), options) for clause, options in self.pool.depends(candidate)]
        self._write(name, number, depends, self._constraints(candidate))

    def _constraints(self, candidate: Candidate) -> list[str]:
        """Versions of other packages that may be there together with one."""
        conflicts = self.pool.conflicts(candidate)
        names = sorted({other.name for other in conflicts})
        found = []
        for other in names:
            if self.within is not None and other not in self.within:
                continue
            name = self._name(other)
            allowed = [each for each in self.pool.candidates(other) if each not in conflicts]
            spec = f"{name} {self._versions(allowed) if allowed else '==0'}"
            self.texts[spec] = f"no `{other}`" if not allowed else f"another version of `{other}`"
            found.append(spec)
        return found

    def _write(self, name: str, number: int, depends: list[str], constrains: list[str]) -> None:
        self._records[f"{name}-{number}-0.conda"] = {
            "name": name,
            "version": str(number),
            "build": "0",
            "build_number": 0,
            "subdir": "noarch",
            "depends": depends,
            "constrains": constrains,
        }


def _option_text(option: Option) -> str:
    return " or ".join(f"{option.name} {each.indexed.version}" for each in option.candidates[-3:])


def _solve(repodata: str, specs: Sequence[str]) -> list[tuple[str, str]]:
    import rattler
    from rattler import exceptions

    async def run() -> list[tuple[str, str]]:
        with tempfile.TemporaryDirectory(prefix="docker-envs-") as directory:
            path = Path(directory) / "repodata.json"
            path.write_text(repodata)
            sparse = rattler.SparseRepoData(rattler.Channel(_CHANNEL), "noarch", path)
            # Unlike a source in Python, a file gives its records in one order, so the answer is the same each time.
            records = await rattler.solve_with_sparse_repodata(list(dict.fromkeys(specs)), [sparse])
            return [(record.name.normalized, str(record.version)) for record in records]

    try:
        return _run(run)
    except exceptions.SolverError as error:
        raise UnsolvableError(str(error)) from error


def _run(task: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run to the end, on another thread where an event loop runs on this one already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(task())
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: asyncio.run(task())).result()
