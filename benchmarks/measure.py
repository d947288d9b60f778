"""Runs a command and measures it: seconds, and the peak memory of all its processes together."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INTERVAL = 0.02


@dataclass(frozen=True)
class Measured:
    """What a command took: wall-clock seconds, and the peak resident memory of its process tree in bytes."""

    seconds: float
    peak_memory: int
    stdout: str


def run(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Measured:
    """Run a command to its end.

    Raises:
        subprocess.CalledProcessError: It failed; its stderr is printed.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    sampler = _Sampler(process.pid)
    sampler.start()
    stdout, stderr = process.communicate()
    seconds = time.perf_counter() - start
    sampler.stop()
    if process.returncode:
        print(stderr[-4000:], file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, command, stdout, stderr)
    return Measured(seconds, sampler.peak, stdout)


class _Sampler(threading.Thread):
    """Adds up the resident memory of a process and its descendants, again and again."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._stopped = threading.Event()
        self.peak = 0

    def run(self) -> None:
        while not self._stopped.wait(_INTERVAL):
            self.peak = max(self.peak, _tree_memory(self._pid))

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _tree_memory(pid: int) -> int:
    total = 0
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(_tree_memory(int(child)) for child in (task / "children").read_text().split())
    return total
