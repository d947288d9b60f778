"""A virtual environment: a prefix of its own for a Python that is elsewhere in the image.

There are no scripts to activate it. An image says for good what they would: `PATH` and `VIRTUAL_ENV`.

Spec: Python docs, `venv`, "How venvs work"; PEP 405.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from docker_envs.archive.entry import Entry, Kind, directory_entry, file_entry
from docker_envs.environments.pypi.installation import Installation
from docker_envs.paths import parent_paths

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class VirtualEnvironment:
    """A virtual environment in an image.

    Attributes:
        prefix: Its absolute path.
        program: Absolute path of the Python that it is of: `/usr/bin/python3.11`.
        version: Major and minor of that Python.
        mtime: Of its files, in seconds since 1970 UTC.
    """

    prefix: str
    program: str
    version: str
    mtime: int

    @property
    def installation(self) -> Installation:
        """Where distributions go."""
        library = f"lib/python{self.version}"
        include = f"include/site/python{self.version}"
        return Installation(self.prefix, self.version, f"{library}/site-packages", self.mtime, include=include)

    @property
    def variables(self) -> dict[str, str]:
        """What activating it sets, besides `bin` of its prefix in front of `PATH`."""
        return {"VIRTUAL_ENV": self.prefix}

    def entries(self) -> list[Entry]:
        """What makes the prefix one, sorted, with the directories above."""
        root = self.prefix[1:]
        found = {f"{root}/{name}": target for name, target in self._links()}
        entries = [Entry(path, Kind.SYMLINK, 0o777, self.mtime, link=target) for path, target in found.items()]
        entries.append(file_entry(f"{root}/pyvenv.cfg", self._configuration(), mtime=self.mtime))
        site_packages = f"{root}/{self.installation.site_packages}"
        folders = {parent for entry in entries for parent in parent_paths(entry.path)}
        entries += map(directory_entry, folders | {site_packages, *parent_paths(site_packages)})
        return sorted(entries, key=lambda entry: entry.path.split("/"))

    def _links(self) -> Iterator[tuple[str, str]]:
        yield "bin/python", self.program
        yield "bin/python3", "python"
        yield f"bin/python{self.version}", "python"
        yield "lib64", "lib"

    def _configuration(self) -> bytes:
        home = self.program.rpartition("/")[0]
        lines = (f"home = {home}", "include-system-site-packages = false", f"version = {self.version}")
        return "".join(f"{line}\n" for line in lines).encode()
