"""Fuzz one target with atheris, by hand: `python -m tests.fuzz --target archive --seconds 60`.

Needs `pip install atheris`. What it finds is written into a file, whose bytes `--recipe FILE` runs again; they become
an `@example` in `tests/unit/fuzz`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz.every import TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz a reader with atheris.")
    parser.add_argument("--target", choices=sorted(TARGETS), required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--recipe", type=Path, help="only run this file")
    options = parser.parse_args()
    target = TARGETS[options.target]
    if options.recipe:
        print("\n".join(target(options.recipe.read_bytes())))
        return
    import atheris  # type: ignore[import-untyped]

    # Modules are imported already, so that functions are instrumented one by one.
    atheris.instrument_all()
    limits = [f"-max_total_time={options.seconds}", "-timeout=20", "-rss_limit_mb=1024", "-max_len=400"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={Path.cwd()}/fuzz-{options.target}-"], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
