"""The real apt in a folder of its own: its configuration, lists and status are nobody else's; nothing is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from docker_envs.environments.debian.declarations.source import AptSource
    from docker_envs.environments.debian.package import DebianPackage

_INSTALLED = re.compile(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", re.MULTILINE)
_PLACES = ("state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/preferences.d", "etc/trusted.gpg.d")


class AptError(Exception):
    """apt did not do it; the text is what it said."""


@dataclass(frozen=True)
class AptRoot:
    """One folder of apt."""

    root: Path

    @classmethod
    def make(cls, root: Path, sources: Sequence[AptSource], *, keyring: Path, architecture: str = "amd64") -> AptRoot:
        """Make the folder; the test is skipped where there is no apt.

        Args:
            root: Where.
            sources: The archives.
            keyring: Keys for all of them.
            architecture: Of the packages.
        """
        if not shutil.which("apt-get"):
            pytest.skip("not installed: apt-get")
        for place in _PLACES:
            (root / place).mkdir(parents=True)
        lines = [
            f"deb [signed-by={keyring}] {source.uri} {suite} {' '.join(source.components)}\n"
            for source in sources
            for suite in source.suites
        ]
        (root / "etc/sources.list").write_text("".join(lines))
        (root / "apt.conf").write_text(
            f'Dir::Etc "{root}/etc"; Dir::State "{root}/state"; Dir::Cache "{root}/cache";\n'
            f'Dir::State::status "{root}/status"; APT::Architecture "{architecture}";\n'
            f'APT::Architectures {{ "{architecture}"; }}; APT::Sandbox::User "root"; Acquire::Languages "none";\n'
        )
        (root / "status").write_text("")
        return cls(root)

    def run(self, program: str, *arguments: str) -> str:
        """What a program of apt prints.

        Raises:
            AptError: It failed.
        """
        environment = {**os.environ, "APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C"}
        done = subprocess.run([program, *arguments], capture_output=True, text=True, env=environment)
        if done.returncode:
            raise AptError(done.stdout + done.stderr)
        return done.stdout

    def update(self) -> None:
        """Read the archives.

        Raises:
            AptError: One cannot be reached, or is not what it must be.
        """
        self.run("apt-get", "update", "--error-on=any")
        self._cache()

    def set_status(self, text: str) -> None:
        """Pretend that what dpkg's status says is installed."""
        (self.root / "status").write_text(text)
        self._cache()

    def _cache(self) -> None:
        """Let apt read its lists and the status once, and not for every choice again."""
        self.run("apt-cache", "gencaches")

    def chosen(self, requests: Sequence[str]) -> dict[str, str]:
        """Versions by name of what would be installed or replaced."""
        out = self.run("apt-get", "install", "--simulate", "--no-install-recommends", *requests)
        assert not re.search("^Remv ", out, re.MULTILINE), out
        return {match[1]: match[2] for match in _INSTALLED.finditer(out)}

    def install(self, packages: Sequence[DebianPackage]) -> str:
        """Pretend that packages are installed.

        Returns:
            The text of dpkg's status.
        """
        shown = self.run("apt-cache", "show", *(f"{package.name}={package.version}" for package in packages))
        status = re.sub(r"^(Package: .*)$", r"\1\nStatus: install ok installed", shown, flags=re.MULTILINE)
        self.set_status(status)
        return status
