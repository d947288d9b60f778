"""Writes tiny wheels of any name and version, with what they need, and a folder of them."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def write_distribution(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    python: str | None = None,
    tag: str = "py3-none-any",
    files: Mapping[str, bytes] | None = None,
    modes: Mapping[str, int] | None = None,
) -> Path:
    """A wheel with one module, or with `files`; `{info}` and `{data}` in a path are its `.dist-info` and `.data`.

    Args:
        folder: Where it is written.
        name: Of the distribution.
        version: Likewise.
        requires: Its requirements.
        extras: Its extras.
        python: Its `Requires-Python`.
        tag: What it runs on.
        files: Contents by path.
        modes: Permission bits by path, for those that are not 0o644.
    """
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = [("Metadata-Version", "2.1"), ("Name", name), ("Version", version)]
    metadata += [("Requires-Python", python)] if python else []
    metadata += [("Provides-Extra", extra) for extra in extras] + [("Requires-Dist", each) for each in requires]
    pure = "true" if tag.endswith("-any") else "false"
    module = f"{name.replace('-', '_')}.py"
    given = {module: f"NAME = {name!r}\n".encode()} if files is None else files
    contents = {path.format(info=info, data=f"{stem}.data"): content for path, content in given.items()}
    contents[f"{info}/METADATA"] = "".join(f"{key}: {value}\n" for key, value in metadata).encode()
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()
    record = io.StringIO()
    rows = [(path, f"sha256={_base64(content)}", str(len(content))) for path, content in contents.items()]
    csv.writer(record, lineterminator="\n").writerows([*rows, (f"{info}/RECORD", "", "")])
    contents[f"{info}/RECORD"] = record.getvalue().encode()
    path = folder / f"{stem}-{tag}.whl"
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in contents.items():
            entry = zipfile.ZipInfo(member, (2020, 1, 2, 3, 4, 6))
            entry.external_attr = (modes or {}).get(member, 0o644) << 16
            archive.writestr(entry, content)
    return path


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
