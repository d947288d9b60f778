"""Prefix placeholders: bytes in, bytes out.

A package is built in a long prefix, whose occurrences in its files are replaced by the prefix it will live in.

Spec: conda docs, "Making packages relocatable"; the rules for shebangs are those of `conda.core.portability` and of
rattler's `install/link.rs`, which the tests compare with.
"""

from __future__ import annotations

import re

from docker_envs.environments.console_script import MAX_SHEBANG

_SHEBANG = re.compile(rb"#! *(/(?:\\ |[^ \n\r\t])*)([^\n]*)\Z")
_PYTHON = re.compile(rb"python(?:\d+(?:\.\d+)?)?\Z")


def replace_text(content: bytes, placeholder: bytes, prefix: bytes) -> bytes:
    """Replace all occurrences; an interpreter line that becomes too long, or holds a space, is rewritten."""
    if not content.startswith(b"#!"):
        return content.replace(placeholder, prefix)
    line, newline, rest = content.partition(b"\n")
    return _replace_shebang(line, placeholder, prefix) + newline + rest.replace(placeholder, prefix)


def replace_binary(content: bytes, placeholder: bytes, prefix: bytes) -> bytes:
    """Replace inside C strings, which keep their length: zeros fill them up at their end.

    `prefix` must not be longer than `placeholder`.
    """
    start = content.find(placeholder)
    if start < 0:
        return content
    parts = []
    position = 0
    while start >= 0:
        end = content.find(b"\0", start + len(placeholder))
        if end < 0:
            end = len(content)
        replaced = content[start:end].replace(placeholder, prefix)
        parts += [content[position:start], replaced.ljust(end - start, b"\0")]
        position = end
        start = content.find(placeholder, position)
    parts.append(content[position:])
    return b"".join(parts)


def _replace_shebang(line: bytes, placeholder: bytes, prefix: bytes) -> bytes:
    if b" " in prefix:
        return _to_env(line).replace(placeholder, prefix) if placeholder in line else line
    line = line.replace(placeholder, prefix)
    return line if len(line) <= MAX_SHEBANG else _to_env(line)


def _to_env(line: bytes) -> bytes:
    """An interpreter line of any length: a shell that executes Python, or `env` that looks the program up in `PATH`."""
    match = _SHEBANG.match(line)
    if match is None:
        return line
    interpreter, options = match.groups()
    program = interpreter.rpartition(b"/")[2]
    if _PYTHON.match(program):
        return b"#!/bin/sh\n'''exec' \"%b\"%b \"$0\" \"$@\" #'''" % (interpreter, options)
    return b"#!/usr/bin/env %b%b" % (program, options)
