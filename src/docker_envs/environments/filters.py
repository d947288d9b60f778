"""Filters: files that containers rarely need, left out of layers and records when asked for.

A filter decides by a file's target path and by what else its package lists, never by content. So what is left out is
known, and counted, before any file is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from docker_envs.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable


class Filter(StrEnum):
    """What is left out; where several apply to a file, it counts for the first one here.

    Attributes:
        DOCS: Documentation, manual and info pages; licences stay.
        HEADERS: `include/`; a compiler's own headers are elsewhere, and Python's `pyconfig.h` stays.
        STATIC_LIBS: Static libraries, `*.a`.
        JS_MAPS: Source maps of JavaScript, `*.js.map`.
        TESTS: Test modules and their data in directories `tests` and `test` of packages in site-packages.
        PYCACHE: Bytecode whose source is there.
        LOCALES: Translated messages and sources of locales.
    """

    DOCS = "docs"
    HEADERS = "headers"
    STATIC_LIBS = "static-libs"
    JS_MAPS = "js-maps"
    TESTS = "tests"
    PYCACHE = "pycache"
    LOCALES = "locales"


@dataclass(frozen=True, slots=True)
class Saving:
    """What a filter left out of an environment.

    Attributes:
        filter: The filter.
        files: Number of files and links.
        size: Their bytes as packages declare them; packages without `paths.json` declare none.
    """

    filter: Filter
    files: int
    size: int


_DOCS = re.compile(r"(?:share/(?:docs?|man|info|gtk-doc|devhelp|help)|docs?|man|ssl/man)/")
_LICENCE = re.compile(r"(?i)(?:.*/)?(?:licen[cs]e|copying|copyright|notice|authors)[^/]*\Z")
_PYCONFIG = re.compile(r"include/[^/]+/pyconfig[^/]*\.h\Z")
_LOCALES = re.compile(r"share/(?:locale|i18n|nls)/")
# Not directly in site-packages: there `tests` would be a package of that name, which others may import.
_SUITE = re.compile(r"(.*?/site-packages/[^/]+/(?:.*?/)?tests?)/")
_TEST_MODULE = re.compile(r"(?:.*/)?(?:__pycache__/)?(?:test_[^/]*|[^/]*_test|conftest)(?:\.[^/]*)?\.pyc?\Z")
_MODULE_SUFFIXES = (".py", ".pyc", ".pyi", ".so")
_BYTECODE_SUFFIXES = (".pyc", ".pyo")


def parse_filters(names: Iterable[str]) -> frozenset[Filter]:
    """Filters by name; commas separate names within a text.

    Raises:
        InvalidInputError: There is no such filter.
    """
    wanted = [name.strip() for text in names for name in text.split(",")]
    known = {each.value: each for each in Filter}
    for name in wanted:
        if name not in known:
            raise InvalidInputError(f"unknown filter {name!r}", hint=f"filters are {', '.join(known)}")
    return frozenset(known[name] for name in wanted)


def filtered_paths(paths: Collection[str], filters: Collection[Filter]) -> dict[str, Filter]:
    """Which of a package's files are left out, and by which filter.

    Args:
        paths: Target paths of all files and links of the package, relative to the prefix.
        filters: Those asked for.
    """
    if not filters:
        return {}
    rules = [(each, _rule(each, paths)) for each in Filter if each in filters]
    found: dict[str, Filter] = {}
    for path in paths:
        for each, matches in rules:
            if matches(path):
                found[path] = each
                break
    return found


def _rule(each: Filter, paths: Collection[str]) -> Callable[[str], bool]:
    match each:
        case Filter.DOCS:
            return lambda path: _DOCS.match(path) is not None and _LICENCE.match(path) is None
        case Filter.HEADERS:
            return lambda path: path.startswith("include/") and _PYCONFIG.match(path) is None
        case Filter.STATIC_LIBS:
            return lambda path: path.endswith(".a")
        case Filter.JS_MAPS:
            return lambda path: path.endswith(".js.map")
        case Filter.TESTS:
            return _tests_rule(paths)
        case Filter.PYCACHE:
            return _bytecode_rule(paths)
        case Filter.LOCALES:
            return lambda path: _LOCALES.match(path) is not None


def _tests_rule(paths: Collection[str]) -> Callable[[str], bool]:
    """Test modules; and what is no module, in a directory that has test modules.

    Other modules stay, since a package may import them: `django.test`, `astropy.tests.runner`.
    """
    suites = {match[1] for path in paths if (match := _SUITE.match(path)) and _TEST_MODULE.match(path)}

    def matches(path: str) -> bool:
        suite = _SUITE.match(path)
        if suite is None or suite[1] not in suites:
            return False
        return _TEST_MODULE.match(path) is not None or not path.endswith(_MODULE_SUFFIXES)

    return matches


def _bytecode_rule(paths: Collection[str]) -> Callable[[str], bool]:
    """Bytecode without its source is the module itself, and stays."""
    known = set(paths)

    def matches(path: str) -> bool:
        if not path.endswith(_BYTECODE_SUFFIXES):
            return False
        folder, _, name = path.rpartition("/")
        if folder == "__pycache__" or folder.endswith("/__pycache__"):
            folder, name = folder.removesuffix("__pycache__").rstrip("/"), name.partition(".")[0]
        else:
            name = name.rpartition(".")[0]
        return f"{folder}/{name}.py".lstrip("/") in known

    return matches
