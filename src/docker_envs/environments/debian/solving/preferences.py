"""Which packages one would choose if nothing stood in the way, as apt does.

The solver says what is possible; of many possibilities, this says which one people expect: the first alternative,
unless another one is there anyway, and no package that nobody needs.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.environments.debian.solving.pool import Candidate, Option, Pool


def prefer(pool: Pool, roots: Sequence[Sequence[Option]]) -> dict[str, Candidate]:
    """Packages by name: those of the base, those asked for, and what they need.

    Clauses with a single option come first, so that choices are made when it is known what is there anyway.

    Args:
        pool: The candidates.
        roots: What is asked for; of each, one option is needed.

    Returns:
        What is preferred; conflicts are avoided where there is another option, but there may be some.
    """
    return _Preferring(pool).run(roots)


class _Preferring:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._chosen: dict[str, Candidate] = {}
        self._excluded: set[Candidate] = set()
        self._single: deque[Option] = deque()
        self._several: deque[tuple[Option, ...]] = deque()
        for name, package in pool.installed.items():
            own = next(each for each in pool.candidates(name) if each.installed is package)
            self._chosen[name] = own
            self._excluded |= pool.conflicts(own)

    def run(self, roots: Sequence[Sequence[Option]]) -> dict[str, Candidate]:
        for options in roots:
            # What was asked for is there before anything else is chosen.
            if len(options) == 1:
                self._choose(options[0], newest=True)
        self._add(roots)
        while self._single or self._several:
            while self._single:
                self._choose(self._single.popleft())
            if self._several:
                options = self._several.popleft()
                if not any(self._chosen.get(option.name) in option.candidates for option in options):
                    self._choose(self._best(options))
        return self._chosen

    def _add(self, clauses: Sequence[Sequence[Option]]) -> None:
        for options in clauses:
            if len(options) == 1:
                self._single.append(options[0])
            elif options:
                self._several.append(tuple(options))

    def _choose(self, option: Option, *, newest: bool = False) -> None:
        current = self._chosen.get(option.name)
        candidate = self._pool.best(option)
        if current in option.candidates and not (newest and current is not candidate):
            return
        if current is not None and not newest and not current.installed:
            return
        self._chosen[option.name] = candidate
        self._excluded |= self._pool.conflicts(candidate)
        self._add([options for _, options in self._pool.depends(candidate)])

    def _best(self, options: Sequence[Option]) -> Option:
        """The first that stands in no conflict, best one whose package is there in another version, or locked."""
        free = [option for option in options if self._is_free(self._pool.best(option))] or options
        there = next((option for option in free if option.name in self._chosen), None)
        return there or next((option for option in free if option.name in self._pool.locked), free[0])

    def _is_free(self, candidate: Candidate) -> bool:
        conflicts = self._pool.conflicts(candidate)
        return candidate not in self._excluded and not any(each in conflicts for each in self._chosen.values())
