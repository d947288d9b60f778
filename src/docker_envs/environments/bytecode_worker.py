"""Compiles Python sources to bytecode; run by the interpreter that the bytecode is for, never imported.

Reads frames from stdin, `name length, source length, name, source`, and answers each on stdout with `length, bytecode`,
of length 0 where there is none. Nothing is imported or run, only compiled. Each source is compiled in a fork of its
own: whatever was compiled before leaves no trace in the bytes (`marshal` looks at reference counts), and a source that
brings the compiler down takes nothing with it.

Spec: PEP 552, "Deterministic pycs".
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.path[0]  # this file's own directory

import gc
import importlib.util
import marshal
import os
import resource
import struct
import warnings

_FRAME = struct.Struct(">II")
_LENGTH = struct.Struct(">I")
#: Hash-based, and not to be checked against the source.
_UNCHECKED = struct.pack("<I", 0b01)
#: Limit for one source, in seconds.
_CPU_SECONDS = 60


def bytecode(source: bytes, name: str) -> bytes:
    """The content of an unchecked hash-based `.pyc`.

    Args:
        source: The module's source.
        name: What tracebacks call the file.
    """
    code = compile(source, name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(source) + marshal.dumps(code)


def _answer(source: bytes, name: str) -> None:
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = _CPU_SECONDS if hard == resource.RLIM_INFINITY else min(_CPU_SECONDS, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
    made = bytecode(source, name)
    sys.stdout.buffer.write(_LENGTH.pack(len(made)) + made)
    sys.stdout.buffer.flush()


def _serve() -> None:
    while True:
        header = sys.stdin.buffer.read(_FRAME.size)
        if len(header) < _FRAME.size:
            return
        name_length, length = _FRAME.unpack(header)
        name, source = sys.stdin.buffer.read(name_length), sys.stdin.buffer.read(length)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _answer(source, name.decode("utf-8", "surrogateescape"))
                status = 0
            finally:
                os._exit(status)
        if os.waitpid(child, 0)[1]:
            sys.stdout.buffer.write(_LENGTH.pack(0))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    gc.disable()  # what it touches would be copied into each fork, and no fork lives long
    bytecode(b"", "")  # what the compiler sets up once, no fork needs to
    _serve()
