"""Where the bytecode of a module is.

Spec: PEP 3147, "PYC Repository Directories".
"""

from __future__ import annotations


def bytecode_path(source_path: str, cache_tag: str) -> str:
    """Where the bytecode of a module is: `a/b.py` → `a/__pycache__/b.cpython-311.pyc`."""
    folder, slash, name = source_path.rpartition("/")
    return f"{folder}{slash}__pycache__/{name.removesuffix('.py')}.{cache_tag}.pyc"
