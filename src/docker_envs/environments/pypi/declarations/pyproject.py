"""`pyproject.toml`: the dependencies of a project, some of its extras, and dependency groups; not the project itself.

Spec: PyPA specifications, "Declaring project metadata" (PEP 621), "Dependency Groups" (PEP 735); uv docs, "Managing
dependencies", for `[tool.uv.sources]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from docker_envs.documents.node import Kind
from docker_envs.documents.toml_document import parse_toml_nodes
from docker_envs.environments.pypi.declarations.declaration import LocalProject, PypiDeclaration, PypiRequirement
from docker_envs.environments.pypi.declarations.requirement import read_requirement
from docker_envs.suggestion import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from docker_envs.documents.node import Node

_UV_HINT = "lock the project with `uv lock`, and name its `uv.lock`"


def read_pyproject(
    path: Path, text: str, *, extras: Collection[str] = (), groups: Collection[str] = ()
) -> PypiDeclaration:
    """Read the text of a `pyproject.toml`.

    Args:
        path: The file.
        text: Its content.
        extras: Of `[project.optional-dependencies]`, besides the project's own dependencies.
        groups: Of `[dependency-groups]`.

    Raises:
        InvalidDeclarationError: It cannot be understood, or has no such extra or group.
    """
    document = parse_toml_nodes(path, text)
    tables = document.mapping("a document")
    project = tables["project"].mapping("a table") if "project" in tables else {}
    if "dependency-groups" not in tables and not project:
        raise document.error("has neither `[project]` nor `[dependency-groups]`", hint="only these declare packages")
    optional = _table(project, "optional-dependencies")
    dynamic = [item.text("a field") for item in project["dynamic"].items("a list")] if "dynamic" in project else []
    if "dependencies" in dynamic:
        raise project["dynamic"].error("only the build backend knows the dependencies", hint=_UV_HINT)
    items = project["dependencies"].items("a list of requirements") if "dependencies" in project else []
    for extra in extras:
        items += _named(document, optional, extra, "extra").items("a list of requirements")
    for group in groups:
        items += _group(document, _table(tables, "dependency-groups"), group, ())
    # An extra may name the project itself, to have others of its extras.
    own = canonicalize_name(project["name"].text("a name")) if "name" in project else ""
    found = list(_expanded(document, items, own, optional, set()))
    sources = _table(_table(_table(tables, "tool"), "uv"), "sources")
    located = [_located(each, sources) for each in found]
    return PypiDeclaration(
        requirements=tuple(each for each in located if isinstance(each, PypiRequirement)),
        projects=tuple(each for each in located if isinstance(each, LocalProject)),
        directory=path.parent,
        source=str(path),
    )


def _table(tables: Mapping[str, Node], name: str) -> dict[str, Node]:
    return tables[name].mapping("a table") if name in tables else {}


def _named(document: Node, tables: Mapping[str, Node], name: str, kind: str) -> Node:
    for known, node in tables.items():
        if canonicalize_name(known) == canonicalize_name(name):
            return node
    raise document.error(f"has no {kind} `{name}`", hint=suggest(name, tables))


def _group(document: Node, groups: Mapping[str, Node], name: str, above: tuple[str, ...]) -> list[Node]:
    found: list[Node] = []
    for item in _named(document, groups, name, "dependency group").items("a list of requirements"):
        if item.kind is not Kind.MAPPING:
            found.append(item)
            continue
        included = item.mapping("a requirement", known=("include-group",))["include-group"].text("a group")
        if canonicalize_name(included) in above:
            raise item.error(f"the group `{included}` includes itself")
        found += _group(document, groups, included, (*above, canonicalize_name(name)))
    return found


def _expanded(
    document: Node, items: list[Node], own: str, optional: Mapping[str, Node], seen: set[str]
) -> Iterator[tuple[PypiRequirement | LocalProject, Node]]:
    for item in items:
        found = read_requirement(item.text("a requirement"), place=item.place, directory=item.path.parent)
        if not isinstance(found, PypiRequirement) or found.name != own:
            yield found, item
            continue
        for extra in sorted(Requirement(found.text).extras - seen):
            seen.add(extra)
            more = _named(document, optional, extra, "extra").items("a list of requirements")
            yield from _expanded(document, more, own, optional, seen)


def _located(
    found: tuple[PypiRequirement | LocalProject, Node], sources: Mapping[str, Node]
) -> PypiRequirement | LocalProject:
    """A requirement from where `[tool.uv.sources]` says."""
    requirement, item = found
    source = next(
        (node for name, node in sources.items() if canonicalize_name(name) == getattr(requirement, "name", "")), None
    )
    if source is None or not isinstance(requirement, PypiRequirement):
        return requirement
    fields = source.mapping("a source") if source.kind is Kind.MAPPING else {}
    place = fields.get("path", fields.get("url"))
    if place is None or "marker" in fields:
        raise source.error(f"this source of `{requirement.name}` is known to uv alone", hint=_UV_HINT)
    parsed = Requirement(requirement.text)
    extras = f"[{','.join(sorted(parsed.extras))}]" if parsed.extras else ""
    address = place.text("an address")
    if "path" in fields:
        address = (item.path.parent / address).resolve().as_uri()
    marker = f" ; {parsed.marker}" if parsed.marker else ""
    return read_requirement(
        f"{parsed.name}{extras} @ {address}{marker}", place=source.place, directory=item.path.parent
    )
