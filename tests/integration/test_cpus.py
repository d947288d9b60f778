"""Layers have the same bytes whatever the CPU can do: codecs choose their code by it, and some their output."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tests.builds import ROOT
from tests.services import require_programs
from tests.unit.test_golden import LAYERS

PROGRAM = """
from tests.unit.test_golden import LAYERS, pack
for setting in LAYERS:
    print(setting, pack(setting).digest)
"""


@pytest.mark.parametrize("model", ["qemu64", "Haswell", "max"])
def test_digests_on_other_cpus(model: str) -> None:
    """From SSE2 alone to everything that the emulator knows."""
    require_programs("qemu-x86_64")
    if platform.machine() != "x86_64":
        pytest.skip("the interpreter of this test is not for x86-64")
    done = subprocess.run(
        ["qemu-x86_64", "-cpu", model, sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert dict(line.split() for line in done.stdout.splitlines()) == LAYERS
