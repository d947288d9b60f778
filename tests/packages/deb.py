"""Writes tiny `.deb` archives in their real format, the same bytes each time."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import sys
from typing import TYPE_CHECKING, Any

from tests.packages.build import Directory, File, tar_bytes, text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.packages.build import Node

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAGIC = b"!<arch>\n"
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda content: gzip.compress(content, mtime=0),
    ".xz": lzma.compress,
    ".zst": zstd.compress,
    ".bz2": bz2.compress,
}


def control_text(name: str, **fields: str) -> str:
    """The file `control`; `_` in a field stands for `-`."""
    known = {"Package": name, "Version": "1.0-1", "Architecture": "amd64", "Maintainer": "Nobody <nobody@example.org>"}
    known |= {field.replace("_", "-"): value for field, value in fields.items()}
    return "".join(f"{field}: {value}\n" for field, value in {**known, "Description": "a fixture"}.items() if value)


def ar_member(name: str, content: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
    return header + content + b"\n" * (len(content) % 2)


def deb_bytes(
    name: str = "demo",
    files: Mapping[str, Node] | None = None,
    *,
    controls: Mapping[str, str] | None = None,
    suffix: str = ".xz",
    has_md5sums: bool = True,
    **fields: str,
) -> bytes:
    """A `.deb`.

    Args:
        name: Of the package.
        files: By path; parents are added as `dpkg-deb` does.
        controls: Further files of its control archive, by name.
        suffix: How both tars are compressed.
        has_md5sums: Whether there is a list of sums.
        **fields: Further fields.
    """
    nodes: dict[str, Node] = {}
    for path, node in sorted((files or {}).items()):
        for end in (at for at, character in enumerate(path) if character == "/"):
            nodes.setdefault(f"./{path[:end]}", Directory())
        nodes[f"./{path}"] = node
    parts = {"control": control_text(name, **fields), **(controls or {})}
    if has_md5sums:
        regular = {path[2:]: node for path, node in nodes.items() if isinstance(node, File)}
        lines = [f"{hashlib.md5(node.content).hexdigest()}  {path}\n" for path, node in regular.items()]
        parts["md5sums"] = "".join(lines)
    control = tar_bytes([(f"./{key}", text(value)) for key, value in parts.items()])
    compress = COMPRESSORS[suffix]
    return b"".join(
        (
            MAGIC,
            ar_member("debian-binary", b"2.0\n"),
            ar_member(f"control.tar{suffix}", compress(control)),
            ar_member(f"data.tar{suffix}", compress(tar_bytes([("./", Directory()), *nodes.items()]))),
        )
    )


def write_deb(folder: Path, name: str = "demo", files: Mapping[str, Node] | None = None, **options: Any) -> Path:
    """A `.deb` in a folder; see `deb_bytes`."""
    path = folder / f"{name}_1.0-1_amd64.deb"
    path.write_bytes(deb_bytes(name, files, **options))
    return path
