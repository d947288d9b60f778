"""Platforms under their two names: `linux/amd64` for images, `linux-64` for conda.

Spec: conda CEP 26, "Identifying packages and channels in the conda ecosystem", "Subdir names".
"""

from __future__ import annotations

from docker_envs.errors import InvalidInputError
from docker_envs.oci.descriptor import Platform
from docker_envs.suggestion import suggest

NOARCH = "noarch"

_SUBDIRS = {
    "linux-64": Platform("linux", "amd64"),
    "linux-aarch64": Platform("linux", "arm64"),
    "linux-ppc64le": Platform("linux", "ppc64le"),
    "linux-s390x": Platform("linux", "s390x"),
    "linux-riscv64": Platform("linux", "riscv64"),
    "linux-32": Platform("linux", "386"),
    "linux-armv7l": Platform("linux", "arm", "v7"),
}

# Names that mix the two spellings.
_MISTAKEN = {"linux-arm64": "linux-aarch64", "linux-amd64": "linux-64", "linux-x86_64": "linux-64"}

#: All that conda has, those included that no container can run.
KNOWN_SUBDIRS = frozenset(
    {
        *_SUBDIRS,
        NOARCH,
        *("linux-armv6l", "linux-ppc64", "linux-riscv32", "osx-64", "osx-arm64", "win-32", "win-64", "win-arm64"),
        *("emscripten-wasm32", "wasi-wasm32", "freebsd-64", "zos-z"),
    }
)


def subdir_of(platform: Platform) -> str:
    """The conda subdir of an image platform.

    Raises:
        InvalidInputError: conda has no packages for it, or containers cannot run them.
    """
    for subdir, candidate in _SUBDIRS.items():
        if candidate.accepts(platform) or platform.accepts(candidate):
            return subdir
    raise InvalidInputError(
        f"conda has no packages for containers of platform `{platform}`",
        hint=f"use one of {', '.join(f'`{known}`' for known in _SUBDIRS.values())}",
    )


def parse_platform(text: str) -> Platform:
    """A platform in either spelling.

    Raises:
        InvalidInputError: The text is neither.
    """
    if text in KNOWN_SUBDIRS and text not in _SUBDIRS:
        raise InvalidInputError(f"no container can run packages for `{text}`", hint=suggest(text, _SUBDIRS))
    if "-" in text and "/" not in text and text not in _SUBDIRS:
        raise InvalidInputError(f"unknown platform `{text}`", hint=suggest(_MISTAKEN.get(text, text), _SUBDIRS))
    return _SUBDIRS.get(text) or Platform.parse(text)
