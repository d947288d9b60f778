"""Runs a command and measures it: seconds, processor time, and the peak memory of all its processes together.

Memory is what Linux calls resident, summed over the process and its descendants 50 times a second; new ones are looked
for ten times a second. Pages that two processes share count twice. The highest mark that a single process reached,
which the system keeps, counts as well, so that the peak of one process is missed by its last 20 ms at most.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

_INTERVAL = 0.02
_TREE_EVERY = 5
_RESIDENT, _HIGHEST = re.compile(rb"VmRSS:\s+(\d+)"), re.compile(rb"VmHWM:\s+(\d+)")


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes:
        seconds: By the clock.
        peak_memory: Resident memory of its process tree at its highest, in bytes.
        stdout: What it printed.
        cpu_seconds: Processor time of the process and of the children that it waited for.
        watching: Processor time that looking at its memory took, in seconds.
    """

    seconds: float
    peak_memory: int
    stdout: str = ""
    cpu_seconds: float = 0.0
    watching: float = 0.0


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    others: Callable[[], Iterable[int]] = tuple,
) -> Measured:
    """Run a command to its end.

    Args:
        command: Program and arguments.
        env: Variables on top of this process's own.
        cwd: Where it runs.
        others: Processes outside its tree whose memory (with that of their descendants) counts too, such as a service.

    Raises:
        subprocess.CalledProcessError: It failed; its stderr is printed.
    """
    arguments = [str(part) for part in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(arguments, env={**os.environ, **(env or {})}, cwd=cwd, stdout=out, stderr=err)
        sampler = _Sampler(lambda: (process.pid, *others()))
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if process.returncode:
        print(texts[1][-4000:], file=sys.stderr)
        raise subprocess.CalledProcessError(process.returncode, arguments, *texts)
    return Measured(seconds, sampler.peak, texts[0], usage.ru_utime + usage.ru_stime, sampler.seconds)


class _Sampler(threading.Thread):
    """Adds up the resident memory of processes and their descendants, again and again."""

    def __init__(self, roots: Callable[[], Iterable[int]]) -> None:
        super().__init__(daemon=True)
        self._roots = roots
        self._stopped = threading.Event()
        self.peak = 0
        self.seconds = 0.0

    def run(self) -> None:
        pids: list[int] = []
        for turn in itertools.count():
            # Finding the processes costs more than asking them.
            if turn % _TREE_EVERY == 0:
                pids = [found for root in self._roots() for found in _tree(root)]
            sizes = [_memory(pid) for pid in pids]
            self.peak = max(self.peak, sum(now for now, _ in sizes), *(highest for _, highest in sizes), 0)
            self.seconds = time.thread_time()
            if self._stopped.wait(_INTERVAL):
                return

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _tree(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    try:
        for thread in (entry.name for entry in os.scandir(f"/proc/{pid}/task")):
            for child in _read(f"/proc/{pid}/task/{thread}/children").split():
                found += _tree(int(child))
    except FileNotFoundError:  # it has ended
        pass
    return found


def _memory(pid: int) -> tuple[int, int]:
    """Resident memory of a process in bytes: now, and the highest so far; nothing when it has ended."""
    status = _read(f"/proc/{pid}/status")
    now, highest = _RESIDENT.search(status), _HIGHEST.search(status)
    return (int(now[1]) * 1024, int(highest[1]) * 1024) if now and highest else (0, 0)


def _read(path: str) -> bytes:
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return b""
    try:
        return os.read(file, 1 << 16)
    except ProcessLookupError:
        return b""
    finally:
        os.close(file)
