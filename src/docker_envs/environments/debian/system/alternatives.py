"""Alternatives as data: what `update-alternatives --install` leaves behind.

Spec: update-alternatives(1); the file format of `/var/lib/dpkg/alternatives` as in dpkg's `update-alternatives.c`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker_envs.environments.debian.system.files import SystemFiles

DATABASE = "var/lib/dpkg/alternatives"
LINKS = "etc/alternatives"


@dataclass(frozen=True, slots=True)
class Choice:
    """One program that may stand for a generic name.

    Attributes:
        path: Absolute.
        priority: The highest wins.
        slaves: Path by the name of each slave.
    """

    path: str
    priority: int
    slaves: dict[str, str]


@dataclass(slots=True)
class Alternative:
    """A generic name.

    Attributes:
        link: The generic path, such as `/usr/bin/awk`.
        slaves: Generic path by the name of each slave.
        choices: By path.
    """

    link: str
    slaves: dict[str, str] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)

    @property
    def best(self) -> Choice:
        """The choice of the highest priority; of several, the first one offered."""
        return max(self.choices.values(), key=lambda choice: choice.priority)


def parse_install(words: list[str]) -> tuple[str, str, dict[str, str], Choice] | None:
    """Name, link, links of slaves and choice of `--install LINK NAME PATH PRIORITY [--slave LINK NAME PATH]…`."""
    if len(words) < 5 or words[0] != "--install" or not words[4].lstrip("-").isdecimal():
        return None
    link, name, path, priority = words[1:5]
    links: dict[str, str] = {}
    slaves: dict[str, str] = {}
    rest = words[5:]
    while rest:
        if rest[0] != "--slave" or len(rest) < 4:
            return None
        links[rest[2]], slaves[rest[2]] = rest[1], rest[3]
        rest = rest[4:]
    safe = all("/" not in each for each in (name, *links)) and all(each.startswith("/") for each in (link, path))
    return (name, link, links, Choice(path, int(priority), slaves)) if safe else None


def read_database(files: SystemFiles) -> dict[str, Alternative]:
    """The alternatives that a base has."""
    found: dict[str, Alternative] = {}
    for path in files.below(f"/{DATABASE}"):
        alternative = _parse((files.read(f"/{path}") or b"").decode("utf-8", "replace"))
        if alternative is not None:
            found[path.rpartition("/")[2]] = alternative
    return found


def write_alternatives(alternatives: dict[str, Alternative], files: SystemFiles) -> None:
    """Links, and the database that `update-alternatives` goes on with; a file in a link's place stays.

    A link whose choice is not there (left out by a filter, as manual pages are) is left out as well.
    """
    for name, alternative in sorted(alternatives.items()):
        present = {path: choice for path, choice in alternative.choices.items() if path in files}
        if not present:
            continue
        offered = Alternative(alternative.link, alternative.slaves, present)
        best = offered.best
        _link(files, offered.link, name, best.path)
        for slave, link in sorted(offered.slaves.items()):
            if slave in best.slaves and best.slaves[slave] in files:
                _link(files, link, slave, best.slaves[slave])
        files.write(f"/{DATABASE}/{name}", _format(offered).encode())


def _link(files: SystemFiles, link: str, name: str, path: str) -> None:
    there = files.lookup(link, follow=False)
    if there is None or there.link.startswith(f"/{LINKS}/"):
        files.link(link, f"/{LINKS}/{name}")
        files.link(f"/{LINKS}/{name}", path)


def _format(alternative: Alternative) -> str:
    slaves = sorted(alternative.slaves)
    lines = ["auto", alternative.link]
    for slave in slaves:
        lines += [slave, alternative.slaves[slave]]
    lines.append("")
    for path, choice in sorted(alternative.choices.items()):
        lines += [path, str(choice.priority), *(choice.slaves.get(slave, "") for slave in slaves)]
    return "\n".join([*lines, "", ""])


def _parse(text: str) -> Alternative | None:
    lines = text.split("\n")
    if len(lines) < 3 or lines[0] not in ("auto", "manual"):
        return None
    alternative, position = Alternative(lines[1]), 2
    while position + 1 < len(lines) and lines[position]:
        alternative.slaves[lines[position]] = lines[position + 1]
        position += 2
    position += 1
    slaves = list(alternative.slaves)
    while position + 1 + len(slaves) < len(lines) and lines[position]:
        if not lines[position + 1].lstrip("-").isdecimal():
            return None
        paths = {slave: path for slave, path in zip(slaves, lines[position + 2 :], strict=False) if path}
        choice = Choice(lines[position], int(lines[position + 1]), paths)
        alternative.choices[choice.path] = choice
        position += 2 + len(slaves)
    return alternative
