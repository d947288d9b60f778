from __future__ import annotations

import pytest

from docker_envs.environments.debian.relations import Clause, Relation, parse_clauses, parse_relations
from docker_envs.errors import FormatError


def test_clauses() -> None:
    text = "libc6 (>= 2.34), default-mta|mail-transport-agent ,python3:any (<<3.12) | x:amd64,"
    assert parse_clauses(text) == (
        Clause((Relation("libc6", "", ">=", "2.34"),)),
        Clause((Relation("default-mta"), Relation("mail-transport-agent"))),
        Clause((Relation("python3", "any", "<<", "3.12"), Relation("x", "amd64"))),
    )
    assert ", ".join(map(str, parse_clauses(text))) == (
        "libc6 (>= 2.34), default-mta | mail-transport-agent, python3:any (<< 3.12) | x:amd64"
    )


def test_obsolete_operators_include_the_version() -> None:
    """deb-control(5): `<` and `>` mean `<=` and `>=`."""
    assert [relation.operator for relation in parse_relations("a (< 1), b (> 1)")] == ["<=", ">="]


@pytest.mark.parametrize(
    ("operator", "allowed"), [("<<", "0"), ("<=", "01"), ("=", "1"), (">=", "12"), (">>", "2"), ("", "012")]
)
def test_allows(operator: str, allowed: str) -> None:
    relation = Relation("a", "", operator, "1" if operator else "")
    assert "".join(version for version in "012" if relation.allows(version)) == allowed


def test_equal_versions_may_be_written_differently() -> None:
    assert Relation("a", "", "=", "1.0").allows("0:1.00-0")


@pytest.mark.parametrize("text", ["a (1)", "a (= )", "a b", "a (>= 1) x", "_", "a (>= é)", "a | ", "a [amd64]"])
def test_malformed(text: str) -> None:
    with pytest.raises(FormatError):
        parse_clauses(text)
