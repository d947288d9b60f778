"""Why nothing fits, in Debian's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_envs.environments.debian.solving.pool import Pool

# A name of the solver with what it requires of the version, or with one version, or alone.
_NAME = re.compile(r"\b([pg][0-9]+)((?: (?:==|>=)?[0-9|=]+)?)(?: \*)?(?![0-9A-Za-z])")


def explain(text: str, texts: Mapping[str, str], pool: Pool) -> str:
    """The solver's explanation with the names of packages.

    Args:
        text: What the solver says.
        texts: What its names and requirements stand for.
        pool: The packages.
    """

    def name(match: re.Match[str]) -> str:
        return texts.get(match[0]) or texts.get(match[1] + match[2]) or texts.get(match[1], match[0])

    lines = [_NAME.sub(name, line) for line in text.strip().splitlines()]
    held = sorted(
        each.name for each in pool.installed.values() if each.held and any(each.name in line for line in lines)
    )
    notes = [f"`{each}` is held at {pool.installed[each].indexed.version} in the base" for each in held]
    return "\n".join(["no set of packages fits:", *lines, *notes])
