"""Solves and installs with rattler in a process of its own, since hostile packages abort rattler's process.

Usage: `python -m tests.rattler_install DEST_DIR TARGET_PREFIX CHANNEL_URL PLATFORM SPEC...`
Prints `subdir/file name` of each package. Errors go to stderr with exit status 1.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import rattler
from rattler.networking import Client

VIRTUAL_PACKAGES = {"__unix": ("0", "0"), "__linux": ("5.10", "0"), "__glibc": ("2.36", "0")}
"""Version and build string of what the target is said to have."""


async def install(
    dest_dir: Path, target_prefix: str, channel: str, platform: str, specs: list[str], cache: Path
) -> None:
    """Install into `dest_dir` as if it stood at `target_prefix`, without running link scripts."""
    virtual_packages = [
        rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build))
        for name, (version, build) in VIRTUAL_PACKAGES.items()
    ]
    records = await rattler.solve(
        [channel],
        specs,
        gateway=rattler.Gateway(cache_dir=cache / "repodata"),
        platforms=[rattler.Subdir(platform), rattler.Subdir("noarch")],
        virtual_packages=virtual_packages,
    )
    await rattler.install(
        records,
        dest_dir,
        cache_dir=cache / "packages",
        platform=rattler.Subdir(platform),
        execute_link_scripts=False,
        show_progress=False,
        client=Client(),
        # py-rattler 0.28 hands these on as they are, and its core takes only the inner object.
        requested_specs=[rattler.MatchSpec(spec)._match_spec for spec in specs],
        alternative_target_prefix=target_prefix,
    )
    print(*sorted(f"{record.subdir}/{record.file_name}" for record in records), sep="\n")


def main() -> int:
    """Install as the arguments say; the exit status."""
    dest_dir, target_prefix, channel, platform, *specs = sys.argv[1:]
    with tempfile.TemporaryDirectory() as cache:
        try:
            asyncio.run(install(Path(dest_dir), target_prefix, channel, platform, specs, Path(cache)))
        except Exception as exc:  # noqa: BLE001 - whatever rattler raises is the outcome that the caller asked for
            print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # rattler's threads may crash an interpreter that exits
