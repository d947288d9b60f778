"""Console scripts: programs of an environment that call a function."""

from __future__ import annotations

#: Longest interpreter line, in bytes: `BINPRM_BUF_SIZE` of Linux before 5.1, less its end.
MAX_SHEBANG = 127

_SCRIPT = """\
{shebang}
# -*- coding: utf-8 -*-
import re
import sys

from {module} import {name}

if __name__ == '__main__':
\tsys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])
\tsys.exit({function}())
"""


def python_shebang(interpreter: str) -> str:
    """The first line or lines of a Python script that `interpreter` (an absolute path) runs, without the newline."""
    if len(interpreter.encode()) > MAX_SHEBANG - 2 or " " in interpreter:
        return f"#!/bin/sh\n'''exec' \"{interpreter}\" \"$0\" \"$@\" #'''"
    return f"#!{interpreter}"


def console_script(interpreter: str, module: str, function: str) -> bytes:
    """A script that calls `function`, which may have dots, of `module`; as rattler writes it."""
    return _SCRIPT.format(
        shebang=python_shebang(interpreter), module=module, name=function.partition(".")[0], function=function
    ).encode()
