"""A container that is run by the engine's program beside us, until it is stopped."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Seconds that a container has to end by itself.
_GRACE = 1
_PATIENCE = 0.2

_numbers = itertools.count(1)


class ContainerProcess:
    """A running container; what it prints goes where we print.

    Args:
        program: The beginning of the command line of the engine's program.
        arguments: Settings, image and command.
    """

    def __init__(self, program: Sequence[str], arguments: Sequence[str]) -> None:
        self._program = program
        self._name = f"docker-envs-watch-{os.getpid()}-{next(_numbers)}"
        # Without an init, a program that does not ask for a signal never gets it as the first process. Podman's is
        # often not installed.
        init = ["--init"] if program[0] == "docker" else []
        command = [*program, "run", "--pull=never", "--rm", *init, "--name", self._name, *arguments]
        # Not in our process group: Ctrl-C is ours, and the container is stopped by its name.
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    @property
    def status(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Stop it, at once if it does not end by itself; it is gone then."""
        while self._process.poll() is None:
            # It may not be there yet, so this may have to be said again.
            command = [*self._program, "stop", "-t", str(_GRACE), self._name]
            subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
