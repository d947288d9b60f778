"""Relations between packages: `libc6 (>= 2.34), default-mta | mail-transport-agent, python3:any`.

Spec: Debian Policy 4.7, sections 7.1 and 7.5; dpkg, deb-control(5); multiarch-spec, "Dependencies involving
Architecture: all packages".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from docker_envs.environments.debian.version import version_key
from docker_envs.errors import FormatError

NAME_PATTERN = r"[a-z0-9][a-z0-9+.-]*"

_RELATION = re.compile(
    rf"\s*(?P<name>{NAME_PATTERN})(?::(?P<qualifier>[a-z0-9-]+))?"
    r"(?:\s*\(\s*(?P<operator><<|<=|=|>=|>>|<|>)\s*(?P<version>[^\s()]+)\s*\))?\s*",
    re.IGNORECASE,
)
# The two are what deb-control(5) says of the signs that nobody should use any more.
_OPERATORS = {"<": "<=", ">": ">="}


@dataclass(frozen=True, slots=True)
class Relation:
    """One package, named as a relation names it; `str()` writes it as Debian does.

    Attributes:
        name: Of a package, real or virtual.
        qualifier: `any`, `native`, an architecture, or empty.
        operator: `<<`, `<=`, `=`, `>=`, `>>`, or empty where any version serves.
        version: What versions are compared with.
    """

    name: str
    qualifier: str = ""
    operator: str = ""
    version: str = ""

    def allows(self, version: str) -> bool:
        """Whether a version fits."""
        if not self.operator:
            return True
        one, other = version_key(version), version_key(self.version)
        if one == other:
            return "=" in self.operator
        return (one < other) is (self.operator[0] == "<") and self.operator != "="

    def __str__(self) -> str:
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return f"{name} ({self.operator} {self.version})" if self.operator else name


@dataclass(frozen=True, slots=True)
class Clause:
    """Relations of which one must hold, the preferred one first."""

    alternatives: tuple[Relation, ...]

    def __str__(self) -> str:
        return " | ".join(map(str, self.alternatives))


@lru_cache(maxsize=1 << 14)
def parse_clauses(text: str) -> tuple[Clause, ...]:
    """The clauses of a field such as `Depends`, all of which must hold.

    Raises:
        FormatError: It is malformed.
    """
    return tuple(
        Clause(tuple(_parse_relation(part, text) for part in clause.split("|")))
        for clause in text.split(",")
        if clause.strip()
    )


def parse_relations(text: str) -> tuple[Relation, ...]:
    """The relations of a field that has no alternatives, such as `Provides` or `Conflicts`.

    Raises:
        FormatError: It is malformed.
    """
    return tuple(relation for clause in parse_clauses(text) for relation in clause.alternatives)


def _parse_relation(part: str, text: str) -> Relation:
    match = _RELATION.fullmatch(part)
    if match is None:
        raise FormatError("Debian package", f"{part.strip()!r} in {text[:200]!r} is not a relation")
    operator = match["operator"] or ""
    relation = Relation(
        match["name"], match["qualifier"] or "", _OPERATORS.get(operator, operator), match["version"] or ""
    )
    if relation.version:
        version_key(relation.version)
    return relation
