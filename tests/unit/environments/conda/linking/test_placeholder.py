"""Placeholders are replaced as installers do it: in text, in C strings, and in interpreter lines so that they run."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docker_envs.environments.conda.linking.placeholder import replace_binary, replace_text
from docker_envs.environments.console_script import MAX_SHEBANG, python_shebang

if TYPE_CHECKING:
    from pathlib import Path

PLACEHOLDER = b"/build/placehold"
LONG = b"/opt/" + b"l" * 130

pieces = st.sampled_from([PLACEHOLDER, b"\0", b"/lib", b":", b"x", PLACEHOLDER[:7], b"\xff\0\0"])
contents = st.lists(pieces, max_size=30).map(b"".join)
prefixes = st.binary(min_size=1, max_size=len(PLACEHOLDER)).filter(lambda p: b"\0" not in p and b"/build" not in p)


def replaced_string_by_string(content: bytes, prefix: bytes) -> bytes:
    """The rule in its simplest form: each C string on its own, filled up to its old length."""
    return b"\0".join(part.replace(PLACEHOLDER, prefix).ljust(len(part), b"\0") for part in content.split(b"\0"))


@given(contents, prefixes)
def test_binary_is_replaced_string_by_string(content: bytes, prefix: bytes) -> None:
    """conda docs: "the binary file is padded with null bytes … so that the length does not change"."""
    replaced = replace_binary(content, PLACEHOLDER, prefix)
    assert replaced == replaced_string_by_string(content, prefix)
    assert len(replaced) == len(content)


@given(contents, prefixes)
def test_bytes_around_c_strings_keep_their_place(content: bytes, prefix: bytes) -> None:
    replaced = replace_binary(content, PLACEHOLDER, prefix)
    position = 0
    for part in content.split(b"\0"):
        if PLACEHOLDER not in part:
            assert replaced[position : position + len(part)] == part
        position += len(part) + 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"\0none\0", b"\0none\0", id="none"),
        pytest.param(PLACEHOLDER + b"\0", b"/opt" + b"\0" * 13, id="the prefix alone"),
        pytest.param(PLACEHOLDER + b"/lib\0next", b"/opt/lib" + b"\0" * 13 + b"next", id="a path"),
        pytest.param(
            b"-L" + PLACEHOLDER + b":" + PLACEHOLDER + b"\0x",
            b"-L/opt:/opt" + b"\0" * 25 + b"x",
            id="two in one string",
        ),
        pytest.param(PLACEHOLDER + b"/z", b"/opt/z" + b"\0" * 12, id="unterminated"),
        pytest.param(PLACEHOLDER + b"\0\0\0\x7f", b"/opt" + b"\0" * 15 + b"\x7f", id="padding stays"),
        pytest.param(
            PLACEHOLDER + b"\n" + PLACEHOLDER + b"\0", b"/opt\n/opt" + b"\0" * 25, id="a newline ends no C string"
        ),
    ],
)
def test_binary_table(content: bytes, expected: bytes) -> None:
    assert replace_binary(content, PLACEHOLDER, b"/opt") == expected


@given(contents.filter(lambda content: not content.startswith(b"#!")), prefixes)
def test_text_is_replaced_everywhere(content: bytes, prefix: bytes) -> None:
    assert replace_text(content, PLACEHOLDER, prefix) == content.replace(PLACEHOLDER, prefix)


EXEC = b"#!/bin/sh\n'''exec' \""
SHEBANGS = [
    pytest.param(b"#!%b/bin/sh -e\n", b"/opt", b"#!/opt/bin/sh -e\n", id="short"),
    pytest.param(b"#!%b/bin/sh -e", LONG, b"#!/usr/bin/env sh -e", id="no newline"),
    pytest.param(b"#!%b/bin/sh -e\n", LONG, b"#!/usr/bin/env sh -e\n", id="long"),
    pytest.param(b"#!%b/bin/perl\n", LONG, b"#!/usr/bin/env perl\n", id="long without options"),
    pytest.param(
        b"#!%b/bin/python3.11 -Is\n",
        LONG,
        EXEC + LONG + b'/bin/python3.11" -Is "$0" "$@" #\'\'\'\n',
        id="long python with options",
    ),
    pytest.param(
        b"#! %b/bin/python\n", LONG, EXEC + LONG + b'/bin/python" "$0" "$@" #\'\'\'\n', id="a space before the program"
    ),
    pytest.param(b"#!%b/bin/python3-config\n", LONG, b"#!/usr/bin/env python3-config\n", id="not quite python"),
    pytest.param(
        b"#!%b/bin/python2\n", b"/a b", EXEC + b'/a b/bin/python2" "$0" "$@" #\'\'\'\n', id="python, prefix with space"
    ),
    pytest.param(b"#!%b/bin/sh\n", b"/a b", b"#!/usr/bin/env sh\n", id="prefix with space"),
    pytest.param(b"#!/bin/sh -x\n: %b\n", b"/a b", b"#!/bin/sh -x\n: /a b\n", id="another program, prefix with space"),
    pytest.param(b"#!/bin/sh -x\n: %b\n", LONG, b"#!/bin/sh -x\n: " + LONG + b"\n", id="only the first line counts"),
    pytest.param(b"#!\n%b\n", LONG, b"#!\n" + LONG + b"\n", id="no program"),
    pytest.param(b" #!%b/bin/sh\n", LONG, b" #!" + LONG + b"/bin/sh\n", id="not at the start"),
]


@pytest.mark.parametrize(("content", "prefix", "expected"), SHEBANGS)
def test_interpreter_lines(content: bytes, prefix: bytes, expected: bytes) -> None:
    """As rattler's `install/link.rs`: rewritten when longer than 127 bytes, or when a space would end the program."""
    content = content.replace(b"%b", PLACEHOLDER)
    assert replace_text(content, PLACEHOLDER, prefix) == expected


@pytest.mark.parametrize("length", [MAX_SHEBANG - 1, MAX_SHEBANG, MAX_SHEBANG + 1])
def test_the_limit_counts_the_whole_line_without_its_end(length: int) -> None:
    prefix = b"/" + b"p" * (length - len(b"#!/bin/sh") - 1)
    line = replace_text(b"#!" + PLACEHOLDER + b"/bin/sh\n", PLACEHOLDER, prefix)
    assert line == (b"#!" + prefix + b"/bin/sh\n" if length <= MAX_SHEBANG else b"#!/usr/bin/env sh\n")


@pytest.mark.parametrize("folder", ["plain", "with space", "long-" * 30])
def test_python_interpreter_lines_run(tmp_path: Path, folder: str) -> None:
    interpreter = tmp_path / folder / "python3"
    interpreter.parent.mkdir()
    interpreter.symlink_to(sys.executable)
    script = tmp_path / "script"
    script.write_text(f"{python_shebang(str(interpreter))}\nimport sys\nprint('ran', *sys.argv[1:])\n")
    script.chmod(0o755)
    done = subprocess.run([script, "a b"], capture_output=True, text=True, check=True)
    assert done.stdout == "ran a b\n"


def test_python_interpreter_lines_are_one_line_where_that_fits() -> None:
    fits = "/" + "p" * (MAX_SHEBANG - 3)
    assert python_shebang(fits) == f"#!{fits}"
    assert python_shebang(f"{fits}p").startswith("#!/bin/sh\n")
