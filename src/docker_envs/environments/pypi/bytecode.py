"""Bytecode of distributions, which wheels do not bring; under the same policy as for conda packages.

It is not in `RECORD`, which may leave it out: uninstallers know where it is.

Spec: PyPA specifications, "Recording installed projects", "The RECORD file"; PEP 3147, "PYC Repository Directories".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from docker_envs.archive.entry import file_entry
from docker_envs.environments.bytecode import MAX_SOURCE_SIZE
from docker_envs.environments.bytecode_path import bytecode_path
from docker_envs.environments.findings import Finding, FindingKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker_envs.archive.entry import Entry
    from docker_envs.environments.bytecode import Compiler
    from docker_envs.environments.pypi.installation import Installation


def with_bytecode(
    entries: Iterable[Entry],
    target: Installation,
    compiler: Compiler,
    *,
    package: str,
    findings: list[Finding],
) -> Iterator[Entry]:
    """The entries of a distribution, each module with its bytecode behind it.

    Args:
        entries: Of the distribution.
        target: Where it goes.
        compiler: Of the same minor version of Python.
        package: Name of the distribution, for findings.
        findings: Receives modules that cannot be compiled.
    """
    listed = list(entries)
    known = {entry.path for entry in listed}
    for entry in listed:
        path = bytecode_path(entry.path, compiler.interpreter.cache_tag)
        inside = entry.path.startswith(f"{target.site_packages_path}/")
        if not inside or not entry.path.endswith(".py") or entry.size > MAX_SOURCE_SIZE or path in known:
            yield entry
            continue
        source = entry.read()
        entry.content = (source,)
        yield entry
        content = compiler.compile(source, f"/{entry.path}")
        if content is not None:
            yield file_entry(path, content, mtime=entry.mtime)
        else:
            text = "cannot be compiled, so there is no bytecode of it"
            relative = entry.path.removeprefix(f"{target.prefix[1:]}/")
            findings.append(Finding(FindingKind.NOT_COMPILED, package, relative, text))
