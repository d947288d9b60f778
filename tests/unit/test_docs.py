"""The documentation says what is true: examples run, names exist, links lead somewhere.

How examples are written is told in `tests/documents.py`. Those that need a registry or an engine run in
`tests/integration/test_docs.py`.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest

from docker_envs import errors
from docker_envs.oci.layer import Layer
from tests.documents import (
    NEEDS,
    PAGES,
    ROOT,
    SERVICES,
    anchors,
    broken_links,
    examples,
    prepare_folder,
    spans,
    use_channel,
)
from tests.images import AMD64

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.documents import Example

PYTHON_PAGE = ROOT / "docs/python.md"
EXAMPLES = examples()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    prepare_folder(tmp_path, AMD64)
    return tmp_path


def imported(example: Example) -> Iterator[tuple[str, str, str]]:
    """Module, name and local name of everything that an example imports from the project."""
    for node in ast.walk(ast.parse(example.code, str(example))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("docker_envs"):
            for alias in node.names:
                yield str(node.module), alias.name, alias.asname or alias.name


def resolve(dotted: str) -> Any:
    """What a dotted name means.

    Raises:
        AttributeError: Nothing.
    """
    parts = dotted.split(".")
    found: Any = importlib.import_module(parts[0])
    for end in range(2, len(parts) + 1):
        name = ".".join(parts[:end])
        if inspect.ismodule(found) and not hasattr(found, parts[end - 1]):
            try:
                importlib.import_module(name)
            except ModuleNotFoundError as error:
                raise AttributeError(name) from error
        found = getattr(found, parts[end - 1])
    return found


def has_attribute(owner: type, name: str) -> bool:
    """Whether instances of a class have an attribute, by the class or by what its methods assign."""
    sources = (inspect.getsource(each) for each in owner.__mro__ if each.__module__.startswith("docker_envs"))
    assigned = re.compile(rf"\bself\.{name} = |^    {name}: ", re.MULTILINE)
    return hasattr(owner, name) or any(assigned.search(text) for text in sources)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_examples_compile_and_import_what_exists(example: Example) -> None:
    compile(example.code, str(example), "exec", dont_inherit=True)
    assert example.needs <= NEEDS
    for module, name, _ in imported(example):
        resolve(f"{module}.{name}")


@pytest.mark.parametrize("example", [each for each in EXAMPLES if not each.needs & SERVICES], ids=str)
def test_examples_without_services_run(
    example: Example, workplace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    has_channel = "channel" in example.needs
    printed = example.run(use_channel(tmp_path_factory.mktemp("channel"), monkeypatch) if has_channel else {})
    assert example.printed in (None, printed)


def test_pages_with_examples_have_them() -> None:
    by_page = {page.name: [each for each in EXAMPLES if each.page == page] for page in PAGES}
    assert len(by_page["README.md"]) == 1
    assert len(by_page["python.md"]) >= 12
    assert sum(each.printed is not None for each in by_page["python.md"]) >= 9


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# One, `two`: three_four\n\n## Same\n\n## Same\n\n```sh\n# no heading\n```\n")
    assert anchors(other) == {"one-two-three_four", "same", "same-1"}
    good = "[a](other.md) [b](other.md#same-1) [c](#top) [d](https://example.org/#x) `[e](code.md)`"
    page.write_text(f"# Top\n\n{good}\n\n```\n[f](fenced.md)\n```\n")
    assert broken_links(page) == []
    bad = ["missing.md", "other.md#same-2", "#bottom", "other.md#no-heading"]
    page.write_text("# Top\n\n" + " ".join(f"[x]({link})" for link in bad))
    assert broken_links(page) == bad


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_dotted_names_exist(page: Path) -> None:
    for span in spans(page):
        if re.fullmatch(r"docker_envs(\.\w+)+", span):
            resolve(span)


def test_attributes_exist() -> None:
    owners: dict[str, Any] = {"Layer": Layer, **vars(errors)}
    for example in EXAMPLES:
        for module, name, local in imported(example):
            owners.setdefault(local, resolve(f"{module}.{name}"))
    found = [span.split(".") for span in spans(PYTHON_PAGE) if re.fullmatch(r"[A-Z]\w+\.[a-z_]\w*", span)]
    assert len(found) > 15
    for owner, name in found:
        assert has_attribute(owners[owner], name), f"{owner}.{name}"
    assert not has_attribute(Layer, "missing")
    with pytest.raises(AttributeError):
        resolve("docker_envs.oci.missing")


def test_every_error_for_callers_is_named() -> None:
    """The table of errors has every direct branch of the tree."""
    branches = {kind.__name__ for kind in errors.DockerEnvsError.__subclasses__() if kind.__module__ == errors.__name__}
    assert {f"docker_envs.errors.{name}" for name in branches} <= spans(PYTHON_PAGE)


def test_named_tests_exist() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    known = set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
    named = {span for page in PAGES for span in spans(page) if re.fullmatch(r"test_\w+", span)}
    assert len(named) > 50
    assert named <= known
