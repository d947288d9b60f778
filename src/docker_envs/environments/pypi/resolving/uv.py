"""The program uv: how it is called, and what its errors mean.

It gets no credentials in its arguments. Those of a declaration go through a file that only we can read, all others it
finds itself: in its environment, a netrc file, or a keyring.

Spec: uv docs, "Commands", "Environment variables", "HTTP credentials".
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docker_envs.errors import AuthenticationError, BuildError, DockerEnvsError, SolveError, TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# What would make the outcome depend on the building host's Python.
_DROPPED = (
    *("VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIR"),
    *("UV_PROJECT", "UV_NO_CACHE", "UV_CACHE_DIR", "UV_FROZEN", "UV_LOCKED", "UV_CONSTRAINT", "UV_OVERRIDE"),
    *("UV_EXCLUDE", "UV_CUSTOM_COMPILE_COMMAND", "UV_TORCH_BACKEND", "PYTHONHOME", "PYTHONPATH"),
)
_LABEL = re.compile(r"^(?:error: |\s*cause: | {9})", re.MULTILINE)
_HINT = re.compile(r"\n+hint: .*", re.DOTALL)
_STATUS = re.compile(r"\b(401 Unauthorized|403 Forbidden)\b")
_NETWORK = ("error sending request", "Failed to fetch", "Network connectivity is disabled", "operation timed out")
# Something of the declaration has no wheel at all, or none for the target.
_SOURCE = re.compile(
    r"`(?P<built>[^`@=]+?)(?:==\S*| @ .*)?`\s+cause: Building source|"
    r"(?P<name>[\w.-]+)(?:[<>=,.\w]*) (?:has|have) no (?:usable wheels|wheels with a matching)"
)
# Then wheels that are missing are but one reason of several.
_CONFLICT = re.compile(r"\bdepends? on\b")
_HINTED = re.compile(r"Wheels are required for `(?P<name>[^`=]+)")
#: Lines of an explanation that are shown; what matters is at its end.
_MAX_LINES = 24


@dataclass(frozen=True, slots=True)
class UvSettings:
    """How uv works.

    Attributes:
        offline: Whether it may use only what its cache holds.
        cache: Its cache directory; None for its own.
        environ: Its environment variables, some left out.
    """

    offline: bool = False
    cache: Path | None = None
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def run_uv(arguments: Sequence[str], *, directory: Path, settings: UvSettings, quiet: bool = True) -> str:
    """What uv prints.

    Args:
        arguments: The command and its options, without credentials.
        directory: Where it runs; it looks for its configuration there, and above.
        settings: How it works.
        quiet: Whether errors are all that it says; else what a build prints is told with them.

    Raises:
        SolveError: No set of distributions fits; the message holds the explanation.
        BuildError: Something had to be built.
        AuthenticationError: An index refuses.
        TransportError: An index cannot be reached.
    """
    from uv import find_uv_bin

    options = [*(["--quiet"] if quiet else []), "--no-progress", "--color=never", "--no-python-downloads"]
    options += ["--offline"] if settings.offline else []
    options += ["--cache-dir", str(settings.cache)] if settings.cache is not None else []
    environ = {name: value for name, value in settings.environ.items() if name not in _DROPPED}
    command = [find_uv_bin(), *arguments, *options]
    done = subprocess.run(
        command, cwd=directory, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise explained(done.stderr.decode(errors="replace"))
    return done.stdout.decode()


def host_python() -> list[str]:
    """Options that spare uv its search for a Python, and make the outcome the same whichever it finds."""
    return ["--python", sys.executable]


def explained(printed: str) -> DockerEnvsError:
    """The error that uv's own words mean."""
    text = _shortened(_LABEL.sub("", _HINT.sub("", printed.strip())))
    if _STATUS.search(printed):
        return AuthenticationError(
            f"the package index refuses: {text}",
            hint="put credentials into a `.netrc` or into `UV_INDEX_NAME_USERNAME` and `UV_INDEX_NAME_PASSWORD`",
        )
    if any(sign in text for sign in _NETWORK):
        hint = "set `UV_SYSTEM_CERTS=1` to trust what this machine trusts" if "certificate" in text else None
        return TransportError(f"the package index cannot be read: {text}", hint=hint)
    source = _SOURCE.search(printed)
    if source and not _CONFLICT.search(printed):
        name = source["built"] or source["name"]
        return BuildError(f"`{name}` has no wheel that fits, and sources are not built: {text}", hint=source_hint(name))
    hinted = _HINTED.search(printed)
    return SolveError(text, hint=source_hint(hinted["name"]) if hinted else None)


def source_hint(name: str) -> str:
    """What to do about a distribution without a wheel that fits."""
    return (
        f"only a machine like the target can build `{name}`: choose a version that has a "
        f"wheel, take it from conda, build its wheel there and name the file, or let it be built here with "
        f"`--build-sdists {name}`"
    )


def _shortened(text: str) -> str:
    lines = text.splitlines()
    if len(lines) <= _MAX_LINES:
        return text
    return "\n".join([lines[0], f"  … {len(lines) - _MAX_LINES} lines", *lines[1 - _MAX_LINES :]])
