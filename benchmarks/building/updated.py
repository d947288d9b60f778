"""Another build of a package: the same files and one more, the next build number, another digest."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_CONTENT = b"another build\n"


def update_package(archive: Path, record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Write another build of a `.conda` package beside it.

    Args:
        archive: Read into memory.
        record: Its record in repodata.

    Returns:
        The new file's name, and its record.
    """
    build, number = f"{record['build']}_updated", record.get("build_number", 0) + 1
    stem = f"{record['name']}-{record['version']}-{build}"
    added = f"share/{record['name']}-updated.txt"
    changes: dict[str, Callable[[bytes], bytes]] = {
        "info/index.json": lambda old: json.dumps({**json.loads(old), "build": build, "build_number": number}).encode(),
        "info/paths.json": lambda old: json.dumps(_with_path(json.loads(old), added)).encode(),
        "info/files": lambda old: old.rstrip(b"\n") + f"\n{added}\n".encode(),
    }
    target = archive.with_name(f"{stem}.conda")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for member in old.namelist():
            content = old.read(member)
            part = member.partition("-")[0]
            if part == "info":
                content = _rewrite(content, changes, {})
            elif part == "pkg":
                content = _rewrite(content, {}, {added: _CONTENT})
            name = f"{part}-{stem}.tar.zst" if part in ("info", "pkg") else member
            new.writestr(zipfile.ZipInfo(name), content)
    content = target.read_bytes()
    digests = {"md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
    return target.name, {**record, "build": build, "build_number": number, "size": len(content), **digests}


def _with_path(paths: dict[str, Any], path: str) -> dict[str, Any]:
    digest = hashlib.sha256(_CONTENT).hexdigest()
    entry = {"_path": path, "path_type": "hardlink", "sha256": digest, "size_in_bytes": len(_CONTENT)}
    return {**paths, "paths": [*paths["paths"], entry]}


def _rewrite(compressed: bytes, changes: Mapping[str, Callable[[bytes], bytes]], added: Mapping[str, bytes]) -> bytes:
    """A compressed tar with some files changed and others added."""
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(zstd.decompress(compressed))) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for member in old:
            file = old.extractfile(member) if member.isreg() else None
            content = file.read() if file else b""
            if member.name in changes:
                content = changes[member.name](content)
                member.size = len(content)
            new.addfile(member, io.BytesIO(content) if file else None)
        for name, content in added.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return zstd.compress(out.getvalue(), 3)
