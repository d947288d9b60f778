"""Writes wheels, well-formed or not, and projects that build one by themselves, without network."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WHEEL = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"

#: A build backend in the project's own tree (PEP 517, `backend-path`), which needs nothing but Python.
BACKEND = """\
import base64, hashlib, os, pathlib, sys, time, zipfile

DIST = "{name}-{version}.dist-info"


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if pathlib.Path("fail").exists():
        print("compiler not found", file=sys.stderr)
        raise SystemExit("cannot build this")
    files = {{path.as_posix(): path.read_bytes() for path in sorted(pathlib.Path("{name}").glob("*.py"))}}
    files[DIST + "/METADATA"] = b"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n{metadata}"
    files[DIST + "/WHEEL"] = b"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: {tag}\\n"
    files[DIST + "/entry_points.txt"] = b"[console_scripts]\\n{name} = {name}:main\\n"
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{{path}},sha256={{digest}},{{len(content)}}\\n"
    files[DIST + "/RECORD"] = (record + DIST + "/RECORD,,\\n").encode()
    name = "{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path, time.localtime()[:6]), content)
    return name
"""


def write_wheel(
    folder: Path,
    files: Mapping[str, bytes],
    *,
    name: str = "demo-1.0-py3-none-any.whl",
    recorded: Mapping[str, str] | None = None,
    modes: Mapping[str, int] | None = None,
) -> Path:
    """A wheel of `demo` 1.0: files by path, with the metadata that they lack; None in `recorded` leaves a line out.

    Args:
        folder: Where it is written.
        files: Contents by path.
        name: Of the file.
        recorded: Lines of `RECORD` by path, in place of the right ones; an empty one is left out.
        modes: Permission bits, or a whole mode, by path.
    """
    metadata = {"METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n", "WHEEL": WHEEL}
    contents = {**files, **{f"demo-1.0.dist-info/{each}": content for each, content in metadata.items()}} | dict(files)
    lines = {path: f"{path},sha256={_base64(content)},{len(content)}" for path, content in contents.items()}
    lines |= {"RECORD": "demo-1.0.dist-info/RECORD,,", **(recorded or {})}
    contents.setdefault("demo-1.0.dist-info/RECORD", "\n".join(filter(None, lines.values())).encode())
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in contents.items():
            info = zipfile.ZipInfo(member, (2020, 1, 2, 3, 4, 6))
            info.external_attr = (modes or {}).get(member, 0o644) << 16
            archive.writestr(info, content)
    return path


def write_project(root: Path, *, name: str = "demoapp", tag: str = "py3-none-any", metadata: str = "") -> Path:
    """A project with one module whose `main` says hello, and its own build backend."""
    files = {
        "pyproject.toml": f'[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "1.0"\n[project.scripts]\n{name} = "{name}:main"\n',
        "backend.py": BACKEND.format(name=name, version="1.0", tag=tag, metadata=metadata),
        f"{name}/__init__.py": f'def main():\n    print("hello from {name}")\n',
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
