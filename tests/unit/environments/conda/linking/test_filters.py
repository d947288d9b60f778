"""What each filter leaves out, and that nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.environments.bytecode import CompilePolicy
from docker_envs.environments.conda.linking.link_plan import LinkOptions
from docker_envs.environments.filters import Filter, Saving, filtered_paths, parse_filters
from docker_envs.errors import InvalidInputError, PrefixTooLongError
from tests.packages.build import OLD_PLACEHOLDER, PackageSpec, binary, text
from tests.packages.channel import SPECIAL
from tests.unit.environments.conda.linked import PREFIX, link, link_files

if TYPE_CHECKING:
    from pathlib import Path

SITE = "lib/python3.11/site-packages"

LEFT_OUT: dict[Filter, list[str]] = {
    Filter.DOCS: [
        "share/doc/a/index.html",
        "share/man/man1/a.1",
        "share/info/a.info",
        "share/gtk-doc/html/a/b.html",
        "man/man1/a.1",
        "doc/a.txt",
        "ssl/man/man3/x.3",
    ],
    Filter.HEADERS: ["include/a.h", "include/python3.11/Python.h", "include/boost/any.hpp"],
    Filter.STATIC_LIBS: ["lib/libz.a", "lib/python3.11/config-3.11/libpython3.11.a"],
    Filter.JS_MAPS: ["share/jupyter/lab/static/main.js.map", f"{SITE}/a/static/b.js.map"],
    Filter.TESTS: [
        f"{SITE}/a/tests/test_one.py",
        f"{SITE}/a/tests/data/big.csv",
        f"{SITE}/a/b/test/one_test.py",
        f"{SITE}/a/tests/conftest.py",
        f"{SITE}/a/tests/__pycache__/test_one.cpython-311.pyc",
        f"{SITE}/a/tests/deep/er/test_two.py",
    ],
    Filter.PYCACHE: [f"{SITE}/a/__pycache__/b.cpython-311.pyc", f"{SITE}/a/b.pyc", f"{SITE}/a/__pycache__/b.opt-1.pyc"],
    Filter.LOCALES: ["share/locale/de/LC_MESSAGES/a.mo", "share/i18n/charmaps/UTF-8.gz"],
}

KEPT: dict[Filter, list[str]] = {
    Filter.DOCS: [
        "share/doc/a/LICENSE.txt",
        "share/doc/a/copyright",
        "share/docking/a",
        "info/a",
        f"{SITE}/a/doc/x.txt",
    ],
    Filter.HEADERS: [
        "include/python3.11/pyconfig.h",
        "lib/gcc/x86_64-conda-linux-gnu/13/include/stddef.h",
        f"{SITE}/numpy/core/include/numpy/arrayobject.h",
    ],
    Filter.STATIC_LIBS: ["lib/libz.so", "lib/a.a.txt", "share/a"],
    Filter.JS_MAPS: ["share/a.js", "share/a.map", "share/js.map"],
    Filter.TESTS: [
        f"{SITE}/tests/test_top.py",
        f"{SITE}/a/tests/__init__.py",
        f"{SITE}/a/tests/helper.py",
        f"{SITE}/a/tests/_speedups.so",
        f"{SITE}/django/test/client.py",
        f"{SITE}/django/test/template.html",
        f"{SITE}/a/testing/test_one.py",
        f"{SITE}/a/test_one.py",
        "lib/python3.11/test/test_os.py",
        "share/a/tests/test_one.py",
    ],
    Filter.PYCACHE: [f"{SITE}/a/only.pyc", f"{SITE}/a/__pycache__/only.cpython-311.pyc", f"{SITE}/a/b.py"],
    Filter.LOCALES: ["lib/locale/locale-archive", f"{SITE}/django/conf/locale/de/LC_MESSAGES/django.mo"],
}


@pytest.mark.parametrize("each", Filter)
def test_rules(each: Filter) -> None:
    paths = [*LEFT_OUT[each], *KEPT[each]]
    assert sorted(filtered_paths(paths, {each})) == sorted(LEFT_OUT[each])


@given(st.sets(st.sampled_from(Filter)))
def test_filters_combine(filters: set[Filter]) -> None:
    """Together they leave out what each does alone, and each file counts for one of them."""
    paths = sorted({path for table in (LEFT_OUT, KEPT) for found in table.values() for path in found})
    alone = {each: set(filtered_paths(paths, {each})) for each in filters}
    together = filtered_paths(paths, filters)
    assert set(together) == set().union(*alone.values())
    assert all(path in alone[each] for path, each in together.items())


@pytest.mark.parametrize(
    ("texts", "expected"),
    [([], set()), (["docs"], {Filter.DOCS}), (["docs,js-maps", " tests"], {Filter.DOCS, Filter.JS_MAPS, Filter.TESTS})],
)
def test_names(texts: list[str], expected: set[Filter]) -> None:
    assert parse_filters(texts) == expected


def test_unknown_names() -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_filters(["docs,manuals"])
    assert str(caught.value) == "unknown filter 'manuals'"
    assert caught.value.hint == "filters are docs, headers, static-libs, js-maps, tests, pycache, locales"


def test_filtered_files_leave_layer_and_record_and_are_counted(tmp_path: Path) -> None:
    spec = next(each for each in SPECIAL if each.name == "trimmable")
    whole = link(tmp_path / "whole", spec)
    filters = frozenset({Filter.DOCS, Filter.HEADERS, Filter.LOCALES, Filter.PYCACHE})
    made = link(tmp_path / "less", spec, options=LinkOptions(PREFIX, filters))
    left_out = {
        "include/trimmable.h",
        "share/doc/trimmable/manual.txt",
        "share/locale/de/LC_MESSAGES/trimmable.mo",
        "share/man/man1/trimmable.1",
    }
    assert made.records["trimmable"].keys() == whole.records["trimmable"].keys() - left_out
    expected = {path: linked for path, linked in whole.files.items() if path not in left_out}
    manual = whole.files["share/doc/trimmable/manual.txt"]
    assert made.files == expected | {"share/trimmable/manual.txt": manual}
    assert made.conda.savings == (
        Saving(Filter.DOCS, 2, 200),
        Saving(Filter.HEADERS, 1, 13),
        Saving(Filter.PYCACHE, 0, 0),
        Saving(Filter.LOCALES, 1, 4),
    )


def test_a_filter_without_effect_changes_no_key(tmp_path: Path) -> None:
    files = {"bin/a": text("a\n"), "lib/a.a": text("a\n")}
    keys = [
        link_files(tmp_path, files, LinkOptions(PREFIX, frozenset(filters))).plan.layers[0].key
        for filters in ((), (Filter.DOCS,), (Filter.STATIC_LIBS,), (Filter.STATIC_LIBS, Filter.DOCS))
    ]
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_what_is_left_out_clobbers_nothing_and_needs_no_placeholder(tmp_path: Path) -> None:
    first = PackageSpec("first", files={"lib/a.a": binary(OLD_PLACEHOLDER, placeholder=OLD_PLACEHOLDER)})
    second = PackageSpec("second", files={"lib/a.a": text("a\n")})
    prefix = "/opt/" + "p" * 30
    with pytest.raises(PrefixTooLongError):
        link(tmp_path / "all", first, second, options=LinkOptions(prefix))
    options = LinkOptions(prefix, frozenset({Filter.STATIC_LIBS}))
    made = link(tmp_path / "less", first, second, options=options)
    assert made.files == {}
    assert made.conda.clobbers == ()
    assert made.conda.findings == ()


def test_old_packages_are_counted_without_sizes(tmp_path: Path) -> None:
    spec = PackageSpec("made", files={"lib/a.a": text("a\n")}, legacy=True, formats=(".tar.bz2",))
    made = link(tmp_path, spec, options=LinkOptions(PREFIX, frozenset({Filter.STATIC_LIBS})))
    assert made.conda.savings == (Saving(Filter.STATIC_LIBS, 1, 0),)


@pytest.mark.parametrize("policy", [CompilePolicy.AUTO, CompilePolicy.ALWAYS])
def test_bytecode_is_not_made_to_be_left_out(policy: CompilePolicy) -> None:
    with pytest.raises(InvalidInputError) as caught:
        LinkOptions(PREFIX, frozenset({Filter.PYCACHE}), policy)
    assert str(caught.value) == f"`--compile {policy}` makes bytecode, which `--filter pycache` leaves out"
