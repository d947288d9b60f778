"""Independent jobs on a few threads that end promptly, all together, when one fails or a user interrupts."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# After an interrupt, seconds for jobs to notice; a thread that waits for a silent server dies with the process.
_GRACE = 2.0


def run_parallel(jobs: Sequence[Callable[[threading.Event], object]], *, workers: int) -> None:
    """Run all jobs, at most `workers` at once; the first error ends the others.

    Args:
        jobs: Each gets an event that is set when it shall give up, by raising anything.
        workers: Number of threads.

    Raises:
        BaseException: The first error of a job, or `KeyboardInterrupt`.
    """
    cancelled = threading.Event()
    waiting: queue.SimpleQueue[Callable[[threading.Event], object]] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    outcomes: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        while not cancelled.is_set():
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                job(cancelled)
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                outcomes.put(error)
                cancelled.set()
            else:
                outcomes.put(None)

    # Not an executor: the interpreter would wait for its threads at exit.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, len(jobs)))]
    try:
        for thread in threads:
            thread.start()
        for _ in jobs:
            if (error := outcomes.get()) is not None:
                raise error
    finally:
        cancelled.set()
        deadline = time.monotonic() + _GRACE
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
