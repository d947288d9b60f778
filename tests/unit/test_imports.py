"""Imports point downwards only, and never in a circle; some modules and words have one place."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2] / "src" / "docker_envs"
PACKAGE = "docker_envs"

#: The floors from the ground up; whatever is not below one of these names belongs to no floor. The package's own
#: `__init__` holds the version and stands on the ground.
FLOORS = (
    (
        "",
        "version",
        "errors",
        "streams",
        "digest",
        "fields",
        "paths",
        "report",
        "suggestion",
        "documents",
        "archive",
        "oci",
        "validate",
    ),
    ("transports",),
    ("images",),
    ("records",),
    ("environments",),
    ("planner",),
    ("builder",),
    ("projects",),
    ("cli", "docker", "registry", "conda", "__main__", "server"),
)
GROUND, DOORS = 0, len(FLOORS) - 1

#: Doors that may use another door.
DOOR_TO_DOOR = {("registry.client", "docker.base"), ("conda", "docker.base"), ("__main__", "cli")}

#: Rooms of `environments` that belong to no kind, so that every kind may use them.
SHARED_ROOMS = {"shell"}

#: The doors that build.
BUILDING_DOORS = {"conda", "cli", "server"}

#: Where a third-party module, or a module of the standard library, may be imported. Filters of the original interface
#: take a `tarfile.TarInfo`; all other code has its own `Entry`.
HOMES = {
    "tarfile": ("docker.tar_filter", "conda"),
    "urllib3": ("transports.http",),
    "rattler": ("environments.conda", "environments.debian.solving"),
    "pysequoia": ("environments.debian.indexing",),
    "docker": ("transports.engine",),
    "packageurl": ("records",),
    "license_expression": ("records",),
    "spdx_tools": ("records.spdx",),
    "cyclonedx": ("records.cyclonedx",),
    "uv": ("environments.pypi.resolving.uv",),
}


class Import(NamedTuple):
    """One import of one of our modules by another, names without the package."""

    importer: str
    imported: str
    line: int
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.importer or PACKAGE}:{self.line} imports {self.imported or PACKAGE}"


class Source(NamedTuple):
    """What the modules import, and which of them print."""

    modules: frozenset[str]
    imports: tuple[Import, ...]
    foreign: tuple[Import, ...]
    prints: tuple[str, ...]


class _Visitor(ast.NodeVisitor):
    def __init__(self, module: str, modules: frozenset[str], *, is_package: bool) -> None:
        self.module = module
        self.modules = modules
        self.is_package = is_package
        self.imports: list[Import] = []
        self.foreign: list[Import] = []
        self.prints: list[str] = []
        self._typing_only = False

    def visit_If(self, node: ast.If) -> None:
        name = node.test.attr if isinstance(node.test, ast.Attribute) else getattr(node.test, "id", "")
        outer, self._typing_only = self._typing_only, self._typing_only or name == "TYPE_CHECKING"
        for child in node.body:
            self.visit(child)
        self._typing_only = outer
        for child in node.orelse:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node.lineno)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            here = [PACKAGE, *filter(None, self.module.split("."))]
            above = here[: len(here) - node.level + self.is_package]
            base = ".".join([*above, *filter(None, [node.module])])
        for alias in node.names:
            full = f"{base}.{alias.name}"
            self._add(full if self._ours(full) in self.modules else base, node.lineno)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id == "print":
            self.prints.append(f"{self.module}:{node.lineno} prints")
        self.generic_visit(node)

    def _add(self, name: str, line: int) -> None:
        ours = self._ours(name)
        if ours is None:
            self.foreign.append(Import(self.module, name, line, self._typing_only))
        elif ours != self.module:
            self.imports.append(Import(self.module, ours, line, self._typing_only))

    @staticmethod
    def _ours(name: str) -> str | None:
        head, _, rest = name.partition(".")
        return rest if head == PACKAGE else None


def read_source(root: Path) -> Source:
    """All imports below `root`, those inside functions included."""
    files = {_module_name(path.relative_to(root)): path for path in sorted(root.rglob("*.py"))}
    modules = frozenset(files)
    imports, foreign, prints = [], [], []
    for module, path in files.items():
        visitor = _Visitor(module, modules, is_package=path.name == "__init__.py")
        visitor.visit(ast.parse(path.read_text(), str(path)))
        imports += visitor.imports
        foreign += visitor.foreign
        prints += visitor.prints
    return Source(modules, tuple(imports), tuple(foreign), tuple(prints))


def _module_name(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module: str) -> int | None:
    head = module.partition(".")[0]
    return next((number for number, names in enumerate(FLOORS) if head in names), None)


def is_below(module: str, parent: str) -> bool:
    return module == parent or module.startswith(f"{parent}.")


def homeless_modules(source: Source) -> list[str]:
    return sorted(module for module in source.modules if floor_of(module) is None)


def upward_imports(source: Source) -> list[str]:
    """Imports that no rule allows, those for type checkers included."""
    return [str(edge) for edge in source.imports if not _allowed(edge)]


def _allowed(edge: Import) -> bool:
    importer, imported = floor_of(edge.importer), floor_of(edge.imported)
    if importer is None or imported is None:
        return True  # `homeless_modules` tells
    if importer != imported:
        door = edge.importer.partition(".")[0]
        builds = importer == DOORS and imported == floor_of("builder")
        return imported < importer and (not builds or door in BUILDING_DOORS)
    if importer == GROUND:
        return edge.importer != "" or edge.imported == "version"
    if importer == DOORS:
        same = edge.importer.partition(".")[0] == edge.imported.partition(".")[0]
        return same or any(is_below(edge.importer, one) and is_below(edge.imported, two) for one, two in DOOR_TO_DOOR)
    if importer == floor_of("environments"):
        return _same_kind(edge)
    return True


def _same_kind(edge: Import) -> bool:
    """Kinds of environments use their own modules and those that belong to no kind, which use no kind."""
    kinds = [_kind(edge.importer), _kind(edge.imported)]
    return kinds[0] == kinds[1] or (kinds[1] == "" and kinds[0] != "")


def _kind(module: str) -> str:
    parts = module.split(".")
    is_kind = len(parts) > 2 or (len(parts) == 2 and (ROOT / "environments" / parts[1]).is_dir())
    return parts[1] if is_kind and parts[1] not in SHARED_ROOMS else ""


def import_cycles(source: Source) -> list[list[str]]:
    """Groups of modules that import each other in a circle, at run time (Tarjan's strongly connected components)."""
    graph: dict[str, list[str]] = defaultdict(list)
    for edge in source.imports:
        if not edge.typing_only:
            graph[edge.importer].append(edge.imported)
    numbers: dict[str, int] = {}
    lows: dict[str, int] = {}
    stack: list[str] = []
    cycles: list[list[str]] = []

    def visit(module: str) -> None:
        numbers[module] = lows[module] = len(numbers)
        stack.append(module)
        for other in graph[module]:
            if other not in numbers:
                visit(other)
            if other in stack:
                lows[module] = min(lows[module], lows[other])
        if lows[module] == numbers[module]:
            start = stack.index(module)
            if len(stack) - start > 1:
                cycles.append(sorted(stack[start:]))
            del stack[start:]

    for module in sorted(source.modules):
        if module not in numbers:
            visit(module)
    return cycles


def misplaced(source: Source) -> list[str]:
    return [
        str(edge)
        for edge in source.foreign
        if (homes := HOMES.get(edge.imported.partition(".")[0]))
        and not any(is_below(edge.importer, home) for home in homes)
    ] + [line for line in source.prints if not line.startswith(("cli.", "cli:"))]


SOURCE = read_source(ROOT)


def test_source_is_found() -> None:
    assert {"", "errors", "oci.image", "archive.reader"} <= SOURCE.modules
    assert len(SOURCE.imports) > 50


def test_every_module_belongs_to_a_floor() -> None:
    assert homeless_modules(SOURCE) == []


def test_imports_point_downwards() -> None:
    assert upward_imports(SOURCE) == []


def test_imports_make_no_circle() -> None:
    assert import_cycles(SOURCE) == []


def test_third_party_modules_and_print_stay_at_home() -> None:
    assert misplaced(SOURCE) == []


def write_modules(root: Path, modules: dict[str, str]) -> Source:
    for name, text in modules.items():
        path = root / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_source(root)


TYPING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


@pytest.mark.parametrize(
    ("module", "text", "allowed"),
    [
        ("oci.image", "from docker_envs.transports import http", False),
        ("oci.image", "import docker_envs.transports.http", False),
        ("oci.image", "from docker_envs.transports.http import get", False),
        ("oci.image", "def f():\n    from docker_envs.transports import http", False),
        ("oci.image", f"{TYPING}from docker_envs.transports.http import get", False),
        ("oci.image", "try:\n    from ..transports import http\nexcept ImportError: pass", False),
        ("oci.image", "from .config import x", True),
        ("transports.http", "from docker_envs.oci import image", True),
        ("transports.http", "from docker_envs.transports.fetch import x", True),
        ("environments.conda.solve", "from docker_envs.environments.pypi import uv", False),
        ("environments.conda.solve", "from docker_envs.environments.base import x", True),
        ("environments.conda.solve", "from docker_envs.environments.conda.linking.link import x", True),
        ("environments.base", "from docker_envs.environments.conda.linking.link import x", False),
        ("environments.conda.solve", "from docker_envs.environments.shell.parser import x", True),
        ("environments.shell.parser", "from docker_envs.environments.shell.words import x", True),
        ("environments.shell.parser", "from docker_envs.environments.conda.linking.link import x", False),
        ("builder.build", "from docker_envs.planner import plan", True),
        ("planner.plan", "from docker_envs.builder import build", False),
        ("registry.client", "from docker_envs.docker.base import Image", True),
        ("docker.base", "from docker_envs.registry.client import pull_image", False),
        ("docker.client", "from docker_envs.builder import build", False),
        ("conda", "from docker_envs.builder import build", True),
        ("cli.build", "from docker_envs.conda import x", False),
        ("cli.build", "from docker_envs.cli.options import x", True),
        ("__main__", "from docker_envs.cli import main", True),
    ],
)
def test_rules(tmp_path: Path, module: str, text: str, *, allowed: bool) -> None:
    others = ["transports.http", "transports.fetch", "oci.config", "environments.base", "environments.pypi.uv",
              "environments.conda.link", "environments.shell.words", "builder.build", "planner.plan", "docker.base",
              "conda", "registry.client", "cli.__init__", "cli.options"]  # fmt: skip
    source = write_modules(tmp_path, {**dict.fromkeys(others, ""), module: text})
    assert (upward_imports(source) == []) is allowed
    assert len(source.imports) == 1


def test_modules_without_a_floor_are_found(tmp_path: Path) -> None:
    assert homeless_modules(write_modules(tmp_path, {"utils": "", "helpers.text": "", "oci.image": ""})) == [
        "helpers.text",
        "utils",
    ]


@pytest.mark.parametrize(
    ("text", "cycles"),
    [
        ("from docker_envs.oci import b", [["oci.a", "oci.b", "oci.c"]]),
        ("def f():\n    import docker_envs.oci.b", [["oci.a", "oci.b", "oci.c"]]),
        (f"{TYPING}from docker_envs.oci import b", []),
        ("", []),
    ],
    ids=["top", "in-function", "for-types", "none"],
)
def test_circles_are_found(tmp_path: Path, text: str, cycles: list[list[str]]) -> None:
    modules = {"oci.a": text, "oci.b": "from docker_envs.oci.c import x", "oci.c": "from docker_envs.oci.a import x"}
    assert import_cycles(write_modules(tmp_path, modules)) == cycles


@pytest.mark.parametrize(
    ("module", "text", "allowed"),
    [
        ("archive.reader", "import tarfile", False),
        ("docker.tar_filter", "import tarfile", True),
        ("docker.client", "import tarfile", False),
        ("transports.registry.client", "from urllib3.util import Retry", False),
        ("transports.http", "import urllib3", True),
        ("environments.conda.solve", "from rattler import solve", True),
        ("planner.lock", "def f():\n    import rattler", False),
        ("transports.engine.client", "import docker", True),
        ("docker.client", "import docker", False),
        ("docker.client", "from docker_envs.docker import base", True),
        ("cli.build", "print(1)", True),
        ("builder.build", "def f():\n    print(1)", False),
    ],
)
def test_homes(tmp_path: Path, module: str, text: str, *, allowed: bool) -> None:
    assert (misplaced(write_modules(tmp_path, {module: text})) == []) is allowed
