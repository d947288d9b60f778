"""One environment in every form that can be declared: hello-sh, greeting 1.1, purelib 2.0 and python 3.11.4."""

from __future__ import annotations

import json
from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).parent / "declarations"
PACKAGES = ("greeting-1.1-0", "hello-sh-1.0-0", "purelib-2.0-pyh0000000_0", "python-3.11.4-fake_0_cpython")

#: The file of each form, and the environment in it.
FORMS = {
    "environment.yml": ("environment.yml", "default"),
    "explicit": ("explicit.txt", "default"),
    "explicit-md5": ("explicit-md5.txt", "default"),
    "explicit-sha256": ("explicit-sha256.txt", "default"),
    "conda-lock": ("conda-lock.yml", "default"),
    "pixi.lock": ("pixi.lock", "default"),
    "pixi.lock-7": ("version-7.lock", "default"),
    "pixi.toml": ("workspace/pixi.toml", "full"),
    "pyproject.toml": ("python-project/pyproject.toml", "default"),
}
LOCKS = ("explicit", "explicit-md5", "explicit-sha256", "conda-lock", "pixi.lock", "pixi.lock-7")

_KEYS = {
    "greeting": "linux-64/greeting-1.1-0.conda",
    "greeting_aarch64": "linux-aarch64/greeting-1.1-0.conda",
    "hello_sh": "linux-64/hello-sh-1.0-0.conda",
    "purelib": "noarch/purelib-2.0-pyh0000000_0.conda",
    "python": "linux-64/python-3.11.4-fake_0_cpython.conda",
    "generic": "noarch/generic-1.0-h0_0.conda",
    "links": "linux-64/links-1.0-0.conda",
}


def write_declarations(folder: Path, channel: Path, *, url: str | None = None) -> Path:
    """Write every form into a folder, for packages of a channel that may be served under another URL."""
    url = (url or channel.as_uri()).rstrip("/")
    values = {"channel": url}
    for key, path in _KEYS.items():
        subdir, _, name = path.partition("/")
        record = json.loads((channel / subdir / "repodata.json").read_bytes())["packages.conda"][name]
        values |= {f"{key}_{field}": str(record[field]) for field in ("md5", "sha256", "size")}
        values[f"{key}_url"] = f"{url}/{path}"
    for template in sorted(TEMPLATES.iterdir()):
        # Beside a `pixi.toml`, a `pixi.lock` is its lock.
        below = {"pixi.toml": "workspace", "pyproject.toml": "python-project"}.get(template.name, ".")
        (folder / below).mkdir(parents=True, exist_ok=True)
        (folder / below / template.name).write_text(Template(template.read_text()).substitute(values))
    return folder
