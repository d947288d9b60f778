"""Makes `channel/` beside this file: a conda channel of two tiny packages, to try docker-envs without a network.

`hello` is a program for Linux on x86-64 and ARM64 that needs no library: it runs even in an image made from nothing.
It prints the prefix that it was built for, a placeholder, which every installer (docker-envs among them) replaces.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from pathlib import Path

CHANNEL = Path(__file__).parent / "channel"
TIMESTAMP = 1767225600  # 2026-01-01, in seconds
PLACEHOLDER = "/opt/placeholder".ljust(255, "_")

# Write the text that follows the code, then a newline, and exit: the system calls write and exit, by their numbers.
CODE = {
    "linux-64": (
        62,
        "488d352c00000031d2803c16007404ffc2ebf66a015889c70f056a015a488d350e0000006a015889c70f056a3c5831ff0f050a",
    ),
    "linux-aarch64": (
        183,
        (
            "41020010020080d2236862386300003442040091fdffff17200080d2080880d2010000d4"
            "01010010220080d2200080d2080880d2010000d4000080d2a80b80d2010000d40a000000"
        ),
    ),
}


def program(machine: int, code: bytes, text: str) -> bytes:
    """A static ELF executable of one segment: headers, code, and the text as a C string."""
    base, headers = 0x400000, 64 + 56
    body = code + text.encode() + b"\0"
    size = headers + len(body)
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return identity + header + segment + body


def add(tar: tarfile.TarFile, path: str, content: bytes, mode: int = 0o644) -> None:
    """Add one file with nothing of this machine in it."""
    member = tarfile.TarInfo(path)
    member.size, member.mode, member.mtime = len(content), mode, TIMESTAMP
    tar.addfile(member, io.BytesIO(content))


def write_package(index: dict[str, object], files: dict[str, bytes]) -> None:
    """Write one `.tar.bz2` package and note it in the `repodata.json` of its subdir."""
    paths = []
    for path, content in files.items():
        entry = {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest()}
        entry |= {"size_in_bytes": len(content)}
        if PLACEHOLDER.encode() in content:
            mode = "binary" if content.startswith(b"\x7fELF") else "text"
            entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": mode}
        paths.append(entry)
    folder = CHANNEL / str(index["subdir"])
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{index['name']}-{index['version']}-{index['build']}.tar.bz2"
    with tarfile.open(archive, "w:bz2") as tar:
        add(tar, "info/index.json", json.dumps(index).encode())
        add(tar, "info/paths.json", json.dumps({"paths": paths, "paths_version": 1}).encode())
        for path, content in files.items():
            add(tar, path, content, 0o755 if path.startswith("bin/") else 0o644)
    repodata = folder / "repodata.json"
    known = (
        json.loads(repodata.read_text()) if repodata.exists() else {"info": {"subdir": index["subdir"]}, "packages": {}}
    )
    content = archive.read_bytes()
    known["packages"][archive.name] = {**index, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    repodata.write_text(json.dumps(known, indent=1))


def index_of(name: str, subdir: str, depends: list[str]) -> dict[str, object]:
    """The `index.json` of a package."""
    index = {"name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": subdir, "depends": depends}
    index |= {"license": "BSD-3-Clause", "timestamp": TIMESTAMP * 1000}
    return index | {"noarch": "generic"} if subdir == "noarch" else index


def main() -> None:
    """Write the channel."""
    readme = f"The environment lives in {PLACEHOLDER}.\n".encode()
    write_package(index_of("hello-docs", "noarch", []), {"share/hello/README": readme})
    for subdir, (machine, code) in CODE.items():
        binary = program(machine, bytes.fromhex(code), f"hello from {PLACEHOLDER}")
        write_package(index_of("hello", subdir, ["hello-docs"]), {"bin/hello": binary})
    print(f"made {CHANNEL}")


if __name__ == "__main__":
    main()
