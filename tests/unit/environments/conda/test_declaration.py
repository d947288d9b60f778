"""What people write down: environment files and explicit lists, good ones and bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from docker_envs.environments.conda.declaration import Declaration, read_environment_file, read_explicit_file
from docker_envs.errors import InvalidDeclarationError, InvalidInputError

FILE = Path("env.yml")
KNOWN = "known are category, channels, dependencies, name, platforms, prefix, variables"
SHA256, MD5 = "0123456789abcdef" * 4, "0123456789abcdef" * 2
URL = "https://h/ch/linux-64/x-1-0.conda"


def test_a_full_environment_file() -> None:
    text = """\
name: ignored
prefix: /ignored
channels:
  - conda-forge
  - https://u:p@h/t/T/ch
  - nodefaults
dependencies:
  - python=3.11
  - numpy >=2,<3
  - conda-forge::pandas
variables:
  A: text
"""
    assert read_environment_file(FILE, text) == Declaration(
        channels=("conda-forge", "https://u:p@h/t/T/ch", "nodefaults"),
        specs=("python=3.11", "numpy >=2,<3", "conda-forge::pandas"),
        variables={"A": "text"},
        source="env.yml",
    )


@pytest.mark.parametrize("text", ["name: x", "{}", "dependencies:\nchannels:\nvariables:\n", "dependencies: []"])
def test_an_empty_environment(text: str) -> None:
    assert read_environment_file(FILE, text) == Declaration(source="env.yml")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        ("'1'", "1"),
        ("1", "1"),
        ("1.50", "1.5"),
        ("true", "true"),
        ("no", "false"),
        ("~", ""),
        ("", ""),
        ("'a=b $HOME'", "a=b $HOME"),
        ("|\n    two\n    lines", "two\nlines\n"),
        ("2024-01-02", "2024-01-02"),
    ],
)
def test_variables_of_every_type(value: str, expected: str) -> None:
    assert read_environment_file(FILE, f"variables:\n  A: {value}\n").variables == {"A": expected}


def test_channels_beside_the_file(tmp_path: Path) -> None:
    """A relative channel is meant from the file that names it, wherever one stands."""
    found = read_environment_file(tmp_path / "sub/env.yml", "channels: [./ch, ../other, plain, file:///srv/ch]")
    assert found.channels == (
        (tmp_path / "sub/ch").as_uri(),
        (tmp_path / "other").as_uri(),
        "plain",
        "file:///srv/ch",
    )


BAD_FILES = [
    ("tabs", "a:\n\t- b", "env.yml:2:1: no valid YAML: found character '\\t' that cannot start any token", None),
    (
        "open list",
        "dependencies: [a\n",
        "env.yml:2:1: no valid YAML: expected ',' or ']', but got '<stream end>'",
        None,
    ),
    (
        "indentation",
        "channels:\n  - a\n - b\n",
        "env.yml:3:2: no valid YAML: expected <block end>, but found '<block sequence start>'",
        None,
    ),
    (
        "control character",
        "a: \x01",
        (
            "env.yml: no valid YAML: unacceptable character #x0001: special characters are not allowed\n"
            '  in "<unicode string>", position 3'
        ),
        None,
    ),
    (
        "python object",
        "!!python/object:os.system a",
        (
            "env.yml:1:1: no valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object:os.system'"
        ),
        None,
    ),
    ("a list", "- python", "env.yml: expected a mapping with `channels` and `dependencies`", None),
    ("nothing", "", "env.yml: expected a mapping with `channels` and `dependencies`", None),
    ("unknown key", "dependancies: [python]", "env.yml: unknown key `dependancies`", KNOWN),
    ("dependencies a text", "dependencies: python", "env.yml: dependencies: expected a list, got 'python'", None),
    ("channels a text", "channels: conda-forge", "env.yml: channels: expected a list, got 'conda-forge'", None),
    ("a number", "dependencies: [python, 3]", "env.yml: dependencies[1]: expected a match spec, got 3", None),
    (
        "a mapping",
        "dependencies: [{conda: [a]}]",
        "env.yml: dependencies[0]: expected a match spec, got {'conda': ['a']}",
        None,
    ),
    ("a channel mapping", "channels: [{a: b}]", "env.yml: channels[0]: expected a name or URL, got {'a': 'b'}", None),
    (
        "pip",
        "dependencies:\n  - python\n  - pip:\n    - requests\n",
        "env.yml: dependencies[1]: `pip:` packages are not supported yet",
        "name their conda packages instead, most of PyPI is on conda-forge",
    ),
    ("variables a list", "variables: [A]", "env.yml: variables: expected a mapping, got ['A']", None),
    ("variable a list", "variables: {A: [1]}", "env.yml: variables: `A` is no name or its value no text", None),
    ("variable without name", "variables: {'': a}", "env.yml: variables: `` is no name or its value no text", None),
    ("variable with =", "variables: {'A=B': a}", "env.yml: variables: `A=B` is no name or its value no text", None),
    ("variable a number", "variables: {1: a}", "env.yml: variables: `1` is no name or its value no text", None),
]


@pytest.mark.parametrize(("text", "message", "hint"), [pytest.param(*row[1:], id=row[0]) for row in BAD_FILES])
def test_bad_environment_files(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        read_environment_file(FILE, text)
    assert str(caught.value) == message
    assert caught.value.hint == hint


def test_an_explicit_list() -> None:
    text = f"""\
# This file may be used to create an environment
# platform: linux-64
@EXPLICIT

{URL}
{URL}#{MD5}
  {URL}#{SHA256}
{URL}#sha256:{SHA256}
https://h/ch/noarch/a-b-2-py_0.tar.bz2
"""
    packages = read_explicit_file(Path("list.txt"), text).packages
    assert packages is not None
    assert [(each.name, each.md5, each.sha256) for each in packages] == [
        ("x", None, None),
        ("x", MD5, None),
        ("x", None, SHA256),
        ("x", None, SHA256),
        ("a-b", None, None),
    ]
    assert [each.subdir for each in packages] == ["linux-64"] * 4 + ["noarch"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{URL}#abc", "list.txt:2: 'abc' is neither an md5 nor a sha256 digest"),
        (f"{URL}#sha256:{MD5}", f"list.txt:2: 'sha256:{MD5}' is neither an md5 nor a sha256 digest"),
        (f"{URL}#{SHA256.upper()}", f"list.txt:2: '{SHA256.upper()}' is neither an md5 nor a sha256 digest"),
        ("numpy=2", "list.txt:2: `numpy=2` is not the address of a conda package"),
        ("https://h/x.zip", "list.txt:2: `https://h/x.zip` is not the address of a conda package"),
    ],
)
def test_bad_lines(line: str, message: str) -> None:
    with pytest.raises(InvalidDeclarationError) as caught:
        read_explicit_file(Path("list.txt"), f"@EXPLICIT\n{line}\n")
    assert str(caught.value) == message


def test_more_channels_and_specs() -> None:
    declared = Declaration(("a", "b"), ("python",), variables={"A": "1"}, source="env.yml")
    merged = declared.merged(channels=("b", "c"), specs=("numpy",))
    assert merged == Declaration(("a", "b", "c"), ("python", "numpy"), None, {"A": "1"}, "env.yml")


def test_nothing_can_be_added_to_a_lock() -> None:
    lock = Declaration(packages=(), source="list.txt")
    assert lock.merged(channels=("a",), specs=()).packages == ()
    with pytest.raises(InvalidInputError) as caught:
        lock.merged(channels=(), specs=("numpy",))
    assert str(caught.value) == "list.txt is a lock, so no specs can be added to it"
