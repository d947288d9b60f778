"""Sources scripts in real shells, to compare with."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from docker_envs.environments.conda.activating.shell.conditions import PathKind, PathLookup, prefix_lookup

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Those of these shells that are here: name and command.
SHELLS = {
    name: command
    for name, command in {"sh": ["/bin/sh"], "bash": ["bash"], "busybox": ["busybox", "sh"]}.items()
    if shutil.which(command[0])
}
POSIX_SHELLS = [name for name in SHELLS if name != "bash"]

_OWN = frozenset(("_", "OLDPWD", "PWD", "SHLVL"))
_SOURCE = 'trap "$ENV_COMMAND" EXIT; unset ENV_COMMAND; for __script in "$@"; do . "$__script"; done'


def source(shell: str, scripts: Sequence[Path], env: Mapping[str, str], directory: Path) -> dict[str, str]:
    """The environment after a shell has sourced scripts; its own variables aside."""
    output = directory / "environment"
    command = f"{shutil.which('env')} -0 > '{output}'"
    found = subprocess.run(
        [shutil.which(SHELLS[shell][0]) or "", *SHELLS[shell][1:], "-c", _SOURCE, shell, *map(str, scripts)],
        env={**env, "ENV_COMMAND": command},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert output.exists(), found
    pairs = (pair.partition(b"=") for pair in output.read_bytes().split(b"\0") if pair)
    output.unlink()
    return {name.decode(): value.decode() for name, _, value in pairs if name.decode() not in _OWN}


def lookup_in(prefix: Path) -> PathLookup:
    """What is known of a prefix that is on disk."""
    kinds: dict[str, PathKind | None] = {
        str(path.relative_to(prefix)): PathKind.EXECUTABLE if path.stat().st_mode & 0o100 else PathKind.FILE
        for path in prefix.rglob("*")
        if path.is_file()
    }
    return prefix_lookup(str(prefix), kinds)


def write(prefix: Path, path: str, content: str | bytes = "") -> Path:
    """Write a file below a prefix; what is in `bin` can be executed."""
    target = prefix / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)
    if path.startswith("bin/"):
        target.chmod(0o755)
    return target
