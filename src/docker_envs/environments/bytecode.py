"""Bytecode for packages that come without (`noarch: python`, wheels): made by an interpreter of the target's version.

Bytecode depends on the minor version of Python alone, not on the platform, so an interpreter of the building host will
do. It is made hash-based and unchecked: valid whatever the source's time is, and for good, as an image's files are.

Spec: PEP 552, "Deterministic pycs"; PEP 3147, "PYC Repository Directories".
"""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import msgspec

from docker_envs.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The largest module that is compiled, in bytes, since it is held in memory.
MAX_SOURCE_SIZE = 16 << 20

_WORKER = Path(__file__).with_name("bytecode_worker.py")
_PROBE = (
    "import sys; i = sys.implementation; v = sys.version_info;"
    'print(\'{"version": "%d.%d.%d", "implementation": "%s", "cache_tag": "%s", "final": %s}\''
    " % (v[0], v[1], v[2], i.name, i.cache_tag, 'true' if v[3] == 'final' else 'false'))"
)
_PROBE_SECONDS = 20
# No site-packages, no user's directory, no bytecode of its own.
_FLAGS = ("-s", "-S", "-B")
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_FRAME = struct.Struct(">II")
_LENGTH = struct.Struct(">I")


class CompilePolicy(StrEnum):
    """Whether bytecode is made.

    Attributes:
        NEVER: Not; digests are the same whatever the building host has installed.
        AUTO: If an interpreter of the target's minor version is found.
        ALWAYS: Yes, and it is an error when none is found.
    """

    NEVER = "never"
    AUTO = "auto"
    ALWAYS = "always"


class TargetPython(Protocol):
    """The Python of an environment."""

    @property
    def version(self) -> str:
        """Major and minor."""

    @property
    def implementation(self) -> str:
        """`cpython` or `pypy`, as `sys.implementation.name` has it."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python of the building host.

    Attributes:
        executable: Its host path.
        version: Major, minor and micro: `3.11.7`.
        cache_tag: Part of the names of its bytecode: `cpython-311`.
    """

    executable: str
    version: str
    cache_tag: str


class _Probed(msgspec.Struct):
    version: str
    implementation: str
    cache_tag: str
    final: bool


def choose_interpreter(policy: CompilePolicy, python: TargetPython | None) -> Interpreter | None:
    """The interpreter that compiles for an environment's Python; None when nothing is compiled.

    Raises:
        BuildError: The policy is `always`, and none is found.
    """
    if policy is CompilePolicy.NEVER or python is None:
        return None
    found = find_interpreter(python)
    if found is None and policy is CompilePolicy.ALWAYS:
        raise BuildError(
            f"no `{_command(python)}` is found here, which is needed to compile bytecode",
            hint=f"put `{_command(python)}` on the `PATH`, or use `--compile auto`",
        )
    return found


def find_interpreter(python: TargetPython) -> Interpreter | None:
    """A released interpreter of the same implementation and minor version: this one, or one on the `PATH`.

    Cost: a few milliseconds for each candidate, since it is asked who it is.
    """
    if not hasattr(os, "fork"):
        return None
    for executable in _candidates(python):
        probed = _probe(executable)
        if (
            probed is not None
            and probed.final
            and probed.implementation == python.implementation
            and probed.version.rpartition(".")[0] == python.version
        ):
            return Interpreter(executable, probed.version, probed.cache_tag)
    return None


class Compiler:
    """Compiles one source after the other, in a process that starts with the first.

    Attributes:
        interpreter: Whose bytecode it is.
    """

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self._process: subprocess.Popen[bytes] | None = None

    def compile(self, source: bytes, name: str) -> bytes | None:
        """The content of a `.pyc`, the same each time; None for a source that cannot be compiled.

        Args:
            source: The module's source.
            name: Its absolute path in the image, as tracebacks show it.

        Raises:
            BuildError: The interpreter has died.
        """
        process = self._started()
        encoded = name.encode("utf-8", "surrogateescape")
        try:
            stdin, stdout = _pipes(process)
            stdin.write(_FRAME.pack(len(encoded), len(source)) + encoded + source)
            stdin.flush()
            (length,) = _LENGTH.unpack(stdout.read(_LENGTH.size))
            content = stdout.read(length)
        except (OSError, struct.error) as error:
            raise BuildError(f"`{self.interpreter.executable}` died while it compiled `{name}`") from error
        if len(content) != length:
            raise BuildError(f"`{self.interpreter.executable}` died while it compiled `{name}`")
        return content or None

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is None:
            return
        for pipe in _pipes(self._process):
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()
        self._process = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    [self.interpreter.executable, *_FLAGS, str(_WORKER)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=_environment(),
                )
            except OSError as error:
                raise BuildError(f"cannot start `{self.interpreter.executable}` ({error})") from error
        return self._process


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None:
        raise BuildError("the compiling process has no pipes")
    return process.stdin, process.stdout


def _environment() -> dict[str, str]:
    # The seed of hashes decides the order of sets in bytecode before 3.11. `-I` would ignore it, so nothing else of
    # `PYTHON*` is handed on instead.
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    return {**kept, "LC_ALL": "C", "PYTHONHASHSEED": "0"}


def _command(python: TargetPython) -> str:
    return f"{'pypy' if python.implementation == 'pypy' else 'python'}{python.version}"


def _candidates(python: TargetPython) -> Iterator[str]:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if (sys.implementation.name, own) == (python.implementation, python.version) and sys.executable:
        yield sys.executable
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        # One by one: the first may be a shim that only knows how to complain.
        found = shutil.which(_command(python), path=folder) if folder else None
        if found:
            yield found


def _probe(executable: str) -> _Probed | None:
    try:
        done = subprocess.run(
            [executable, *_FLAGS, "-c", _PROBE],
            env=_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        return msgspec.json.decode(done.stdout, type=_Probed)
    except (OSError, subprocess.SubprocessError, msgspec.DecodeError):
        return None
