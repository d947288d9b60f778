from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.errors import FormatError, InvalidInputError
from docker_envs.oci.reference import Reference
from docker_envs.transports.registry.registries_conf import RegistriesConf, default_files

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "registries.conf"


def load(file: Path, text: str) -> RegistriesConf:
    file.write_text(text)
    return RegistriesConf.load([file])


def primary(conf: RegistriesConf, name: str) -> str:
    return str(conf.sources(Reference.parse(name)).primary)


def mirrors(conf: RegistriesConf, name: str) -> list[str]:
    return [str(mirror) for mirror, _ in conf.sources(Reference.parse(name)).mirrors]


def table(prefix: str, location: str = "", more: str = "") -> str:
    where = f"location = '{location}'" if location else ""
    return f"[[registry]]\nprefix = '{prefix}'\n{where}\n{more}\n"


def test_nothing_is_changed_by_default(file: Path) -> None:
    conf = load(file, 'unqualified-search-registries = ["quay.io"]\n[aliases]\n"debian" = "quay.io/debian"\n')
    assert conf == RegistriesConf({})
    sources = conf.sources(Reference.parse("debian"))
    assert sources.primary == Reference.parse("docker.io/library/debian:latest")
    assert (sources.mirrors, sources.insecure) == ((), False)


@pytest.mark.parametrize(
    ("prefix", "location", "name", "found"),
    [
        ("example.com", "in.net", "example.com/foo:1", "in.net/foo:1"),
        ("example.com/", "in.net/", "example.com/foo:1", "in.net/foo:1"),
        ("example.com/foo", "in.net/bar", "example.com/foo/image:1", "in.net/bar/image:1"),
        ("example.com/foo", "in.net/bar", "example.com/foo:1", "in.net/bar:1"),
        ("example.com/foo", "in.net/bar", "example.com/foobar:1", "example.com/foobar:1"),
        ("example.com/foo", "in.net:5000/a/b", "example.com/foo/c/d:1", "in.net:5000/a/b/c/d:1"),
        ("example.com", "in.net", "example.com:5000/foo:1", "example.com:5000/foo:1"),
        ("example.com", "in.net", "sub.example.com/foo:1", "sub.example.com/foo:1"),
        ("docker.io", "in.net/hub", "debian:12", "in.net/hub/library/debian:12"),
        ("docker.io/library", "in.net", "debian:12", "in.net/debian:12"),
        ("example.com", "docker.io", "example.com/library/debian:12", "docker.io/library/debian:12"),
        ("example.com", "localhost:5000", f"example.com/foo@{DIGEST}", f"localhost:5000/foo@{DIGEST}"),
        ("*.example.com", "in.net", "a.b.example.com/foo:1", "in.net/foo:1"),
        ("*.example.com", "in.net", "a.example.com:5000/foo:1", "in.net/foo:1"),
        ("*.example.com", "in.net", "example.com/foo:1", "example.com/foo:1"),
        ("*.example.com", "in.net", "badexample.com/foo:1", "badexample.com/foo:1"),
        ("*.example.com", "", "a.example.com/foo:1", "a.example.com/foo:1"),
    ],
)
def test_locations(file: Path, prefix: str, location: str, name: str, found: str) -> None:
    assert primary(load(file, table(prefix, location)), name) == found


def test_the_longest_prefix_counts(file: Path) -> None:
    conf = load(
        file,
        table("example.com", "one.net") + table("example.com/a/b", "three.net") + table("example.com/a", "two.net"),
    )
    names = ("example.com/x", "example.com/a/x", "example.com/a/b/x", "example.com/ab/x")
    assert [primary(conf, name) for name in names] == [
        "one.net/x:latest",
        "two.net/x:latest",
        "three.net/x:latest",
        "one.net/ab/x:latest",
    ]


def test_without_prefix_the_location_is_it(file: Path) -> None:
    conf = load(file, "[[registry]]\nlocation = 'example.com'\ninsecure = true\n")
    assert conf.is_insecure("example.com/foo")
    assert conf.is_insecure("example.com")
    assert not conf.is_insecure("example.net/foo")
    assert conf.sources(Reference.parse("example.com/foo")).insecure


def test_blocked(file: Path) -> None:
    conf = load(file, table("example.com/bad", "example.com/bad", "blocked = true"))
    with pytest.raises(InvalidInputError) as caught:
        conf.sources(Reference.parse("example.com/bad/image"))
    assert str(caught.value) == f"`{file}` forbids to pull from `example.com/bad`"
    assert mirrors(conf, "example.com/good/image") == []


def test_mirrors_are_in_their_order(file: Path) -> None:
    conf = load(
        file,
        table("example.com/foo", "in.net/bar")
        + "[[registry.mirror]]\nlocation = 'mirror-0.local:5000/for-foo'\n"
        + "[[registry.mirror]]\nlocation = 'mirror-1.local'\ninsecure = true\n",
    )
    sources = conf.sources(Reference.parse("example.com/foo/image:1"))
    assert [(str(mirror), insecure) for mirror, insecure in sources.mirrors] == [
        ("mirror-0.local:5000/for-foo/image:1", False),
        ("mirror-1.local/image:1", True),
    ]
    assert str(sources.primary) == "in.net/bar/image:1"


@pytest.mark.parametrize(
    ("registry", "mirror", "uses"),
    [
        ("", "", ["tag", "digest"]),
        ("", "pull-from-mirror = 'all'", ["tag", "digest"]),
        ("", "pull-from-mirror = ''", ["tag", "digest"]),
        ("", "pull-from-mirror = 'digest-only'", ["digest"]),
        ("", "pull-from-mirror = 'tag-only'", ["tag"]),
        ("mirror-by-digest-only = true", "", ["digest"]),
        ("mirror-by-digest-only = false", "", ["tag", "digest"]),
    ],
)
def test_mirrors_for_some_pulls(file: Path, registry: str, mirror: str, uses: list[str]) -> None:
    conf = load(
        file, table("example.com", "example.com", registry) + f"[[registry.mirror]]\nlocation = 'm.local'\n{mirror}\n"
    )
    names = {"tag": "example.com/foo:1", "digest": f"example.com/foo:1@{DIGEST}"}
    assert [use for use, name in names.items() if mirrors(conf, name)] == uses


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[registry]\n", "no valid TOML: .*line 1, column"),
        ("a = 1\nb = \n", "no valid TOML: .*line 2, column"),
        ("[[registry]]\n", r"registry\[0\].location: missing"),
        ("registry = 1\n", "registry: expected list, got int"),
        ("registry = [1]\n", r"registry\[0\]: expected an object"),
        ("[[registry]]\nlocation = 1\n", r"registry\[0\].location: expected str, got int"),
        ("[[registry]]\nlocation = 'a.b'\ninsecure = 'yes'\n", r"registry\[0\].insecure: expected bool, got str"),
        ("[[registry]]\nlocation = 'https://a.b'\n", r"registry\[0\].prefix: expected `host\[:port\]\[/path\]`"),
        ("[[registry]]\nlocation = 'mirror'\n", r"registry\[0\].prefix: .* names no host"),
        ("[[registry]]\nlocation = 'a.b/c:1'\n", r"registry\[0\].prefix: expected"),
        (f"[[registry]]\nlocation = 'a.b/c@{DIGEST}'\n", r"registry\[0\].prefix: expected"),
        ("[[registry]]\nprefix = '*.a.b/c'\n", r"registry\[0\].prefix: expected `\*.` and a domain"),
        ("[[registry]]\nprefix = 'a.*.b'\nlocation = 'c.d'\n", r"registry\[0\].prefix: expected"),
        (
            "[[registry]]\nlocation = 'a.b'\n[[registry.mirror]]\n",
            r"registry\[0\].mirror\[0\].location: missing, expected str",
        ),
        (
            "[[registry]]\nlocation = 'a.b'\n[[registry.mirror]]\nlocation='c.d'\npull-from-mirror='never'\n",
            r"mirror\[0\].pull-from-mirror: expected one of all, digest-only, tag-only, got 'never'",
        ),
        (
            table("a.b", "a.b", "mirror-by-digest-only = true\n[[registry.mirror]]\nlocation='c.d'")
            + "pull-from-mirror='all'",
            "not beside `mirror-by-digest-only`",
        ),
        ("[registries.insecure]\nregistries = ['a.b']\n", "version 1 of the format"),
    ],
)
def test_damaged_files_are_named_with_the_place(file: Path, text: str, reason: str) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        load(file, text)
    assert str(caught.value).startswith(f"`{file}`: ")


PREFIXES = st.text(alphabet="a.*/:@1-_[] ", max_size=12)
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "prefix": PREFIXES,
        "location": PREFIXES,
        "insecure": st.booleans() | st.integers(),
        "mirror": st.lists(st.fixed_dictionaries({"location": PREFIXES}), max_size=2) | st.just([1]),
    },
)


def toml(table: dict[str, Any]) -> str:
    mirrors = table.pop("mirror", [])
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(["[[registry]]", *lines, f"mirror = [{', '.join(map(_inline, mirrors))}]"])


def _inline(value: Any) -> str:
    return f"{{location = {json.dumps(value['location'])}}}" if isinstance(value, dict) else json.dumps(value)


@given(table=TABLES)
def test_any_table_is_used_or_refused(tmp_path_factory: pytest.TempPathFactory, table: dict[str, Any]) -> None:
    file = tmp_path_factory.getbasetemp() / "any.conf"
    with contextlib.suppress(FormatError):
        conf = load(file, toml(table))
        for name in ("debian", "a.a/a:1", "a.a:1/a/a"):
            sources = conf.sources(Reference.parse(name))
            for found in (sources.primary, *(mirror for mirror, _ in sources.mirrors)):
                assert Reference.parse(str(found)) == found


def test_files_that_are_no_text(file: Path) -> None:
    file.write_bytes(b"\xff")
    with pytest.raises(FormatError, match="not in UTF-8"):
        RegistriesConf.load([file])


def test_a_file_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(tmp_path / "missing.conf"))
    with pytest.raises(InvalidInputError, match=r"cannot read `.*missing.conf`: No such file"):
        RegistriesConf.load()


def test_an_empty_version_1_says_nothing(file: Path) -> None:
    text = "[registries.search]\nregistries = ['a.b']\n[registries.insecure]\nregistries = []\n"
    assert load(file, text) == RegistriesConf({})


def test_drop_ins_replace_tables_with_the_same_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "containers"
    (folder / "registries.conf.d" / "folder.conf").mkdir(parents=True)
    (folder / "registries.conf").write_text(table("a.example", "one.net") + table("b.example", "one.net"))
    (folder / "registries.conf.d" / "20.conf").write_text(table("b.example", "three.net"))
    (folder / "registries.conf.d" / "10.conf").write_text(table("b.example", "two.net") + table("c.example", "two.net"))
    (folder / "registries.conf.d" / "30.conf.bak").write_text("[[")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF")
    conf = RegistriesConf.load()
    assert [primary(conf, f"{name}.example/x:1") for name in "abc"] == ["one.net/x:1", "three.net/x:1", "two.net/x:1"]
    assert all(str(file).startswith(str(folder)) for file in default_files())


def test_without_an_own_file_the_systems_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "containers" / "registries.conf.d"
    folder.mkdir(parents=True)
    (folder / "mine.conf").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("CONTAINERS_REGISTRIES_CONF")
    *others, last = default_files()
    assert last == folder / "mine.conf"
    assert all(str(file).startswith("/etc/containers/registries.conf") for file in others)
