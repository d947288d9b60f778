"""Installs packages from a list of URLs with rattler: `install.py URLS TARGET PREFIX`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path, PurePosixPath

import rattler
from rattler.networking import Client


async def install(urls: Path, target: str, prefix: str) -> None:
    """Install into `target` as if it stood at `prefix`."""
    channels = {url.rsplit("/", 2)[0] for url in urls.read_text().split()}
    names = {PurePosixPath(url).name for url in urls.read_text().split()}
    subdirs = [rattler.Subdir("linux-64"), rattler.Subdir("noarch")]
    specs = [name.rsplit("-", 2) for name in names]
    virtual = [
        rattler.GenericVirtualPackage(rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build))
        for name, version, build in (("__unix", "0", "0"), ("__linux", "5.10", "0"), ("__glibc", "2.36", "0"))
    ]
    records = await rattler.solve(
        sorted(channels),
        [f"{name} =={version}" for name, version, _ in specs],
        gateway=rattler.Gateway(cache_dir=Path(tempfile.mkdtemp())),
        platforms=subdirs,
        virtual_packages=virtual,
    )
    await rattler.install(
        records,
        target,
        cache_dir=Path(tempfile.mkdtemp()),
        show_progress=False,
        client=Client(),
        alternative_target_prefix=prefix,
    )


if __name__ == "__main__":
    asyncio.run(install(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
    sys.stdout.flush()
    os._exit(0)  # rattler's threads may crash an interpreter that exits
