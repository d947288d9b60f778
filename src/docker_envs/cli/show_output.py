"""What `docker-envs show` prints: a table on a terminal, plain text elsewhere."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, NamedTuple

from docker_envs.cli.text import human_size, printable
from docker_envs.records.overview import Role
from docker_envs.report import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from docker_envs.records.databases import InstalledPackage
    from docker_envs.records.overview import LayerOverview, Overview

_LABEL_WIDTH = 13
#: The longest line of history in plain text, in characters.
_STEP_WIDTH = 100
_ROLES = {Role.BASE: "base", Role.RECORD: "record of the environment", Role.ENVIRONMENT: "files", Role.OTHER: "files"}


class Row(NamedTuple):
    """A line of the table: a package, or a layer without packages; `is_first` of its layer."""

    layer: str
    layer_size: str
    package: str
    version: str
    build: str
    kind: str
    size: str
    is_first: bool


_TITLES = Row("layer", "size", "package", "version", "build", "kind", "archive", is_first=True)
_RIGHT = ("layer", "layer_size", "size")


def print_overview(overview: Overview, *, history: bool) -> None:
    """Print what an image is and what is in it."""
    for line in _head(overview):
        print(printable(line))
    print()
    rows = list(_rows(overview))
    if sys.stdout.isatty():
        _print_table(rows)
    else:
        _print_plain(rows)
    if history:
        print("\nhistory")
        for step in overview.history:
            text = step.created_by or step.comment
            shown = text if len(text) <= _STEP_WIDTH else f"{text[: _STEP_WIDTH - 1]}…"
            number = "" if step.layer is None else step.layer
            print(printable(f"{number:>5}  {step.created[:19]:19}  {shown}".rstrip()))


def _head(overview: Overview) -> Iterator[str]:
    yield from overview.names
    yield _line("digest", overview.digest)
    others = [name for name in overview.platforms if name != overview.platform]
    yield _line("platform", overview.platform + (f" (also {', '.join(others)})" if others else ""))
    if overview.created:
        yield _line("created", overview.created)
    yield _line("size", f"{human_size(overview.size)} in {counted(len(overview.layers), 'layer')}")
    if overview.base is not None:
        yield _line("base", "@".join(filter(None, (overview.base.name, overview.base.digest))))
    for field, label in (("Entrypoint", "entrypoint"), ("Cmd", "cmd")):
        if command := overview.config.get(field):
            yield _line(label, shlex.join(map(str, command)))
    for field, label in (("User", "user"), ("WorkingDir", "workdir")):
        if value := overview.config.get(field):
            yield _line(label, str(value))
    for environment in overview.environments:
        size = human_size(environment.size)
        yield _line(
            "environment", f"{environment.prefix}: {counted(environment.packages, 'package')}, {size} in layers"
        )
    kinds = [package.kind for package in overview.packages]
    counts = ", ".join(f"{kinds.count(kind):,} {kind}" for kind in sorted(set(kinds)))
    yield _line("packages", counts or "none found")
    yield from _unknown(overview)


def _unknown(overview: Overview) -> Iterator[str]:
    """What may be missing."""
    if overview.unread:
        unread = [overview.layers[number] for number in overview.unread]
        base = " of the base" if all(layer.role is Role.BASE for layer in unread) else ""
        size = human_size(sum(layer.size for layer in unread))
        hint = "; `--all` reads them" if overview.environments else ""
        yield _line("not read", f"{counted(len(unread), 'layer')}{base} ({size}){hint}")
    for problem in overview.problems:
        yield _line("problem", problem)


def _line(label: str, value: str) -> str:
    return f"{label:{_LABEL_WIDTH}}{value}".rstrip()


def _rows(overview: Overview) -> Iterator[Row]:
    by_layer = overview.in_layer()
    several = len({package.kind for package in overview.packages}) > 1
    for number, layer in enumerate(overview.layers):
        packages = by_layer.get(number, [])
        if not packages:
            yield Row(str(number), human_size(layer.size), _title(layer), "", "", "", "", is_first=True)
        for index, package in enumerate(packages):
            first = (str(number), human_size(layer.size)) if index == 0 else ("", "")
            kind = package.kind if several else ""
            yield Row(*first, package.name, package.version, package.build, kind, _size(package), is_first=index == 0)


def _title(layer: LayerOverview) -> str:
    if layer.role in (Role.BASE, Role.RECORD) or not layer.created_by:
        return f"({_ROLES[layer.role]})"
    return f"({layer.created_by if len(layer.created_by) <= 40 else layer.created_by[:39] + '…'})"


def _size(package: InstalledPackage) -> str:
    """Of the archive; in brackets of the installed files where that is all that is known."""
    if package.size is not None:
        return human_size(package.size)
    return "" if package.installed_size is None else f"({human_size(package.installed_size)})"


def _columns(rows: Sequence[Row]) -> list[str]:
    """Which columns there are: of one kind of packages, the head tells already."""
    return [name for name in Row._fields[:-1] if name != "kind" or any(row.kind for row in rows)]


def _print_plain(rows: Sequence[Row]) -> None:
    columns = _columns(rows)
    lines = [{name: printable(getattr(row, name)) for name in columns} for row in (_TITLES, *rows)]
    # A layer without packages may have a long title, which needs no column.
    widths = {
        name: max(
            len(line[name]) for line in lines if name in ("layer", "layer_size") or line["version"] or line["size"]
        )
        for name in columns
    }
    for line in lines:
        cells = [
            f"{text:>{widths[name]}}" if name in _RIGHT else f"{text:{widths[name]}}" for name, text in line.items()
        ]
        print("  ".join(cells).rstrip())


def _print_table(rows: Sequence[Row]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    # A build string says little; where there is no room it goes first.
    columns = [name for name in _columns(rows) if name != "build" or console.width >= 90]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in columns:
        right = name in _RIGHT
        table.add_column(
            getattr(_TITLES, name),
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
            style="cyan" if name == "package" else "dim" if name in ("build", "kind", "layer") else "",
        )
    for row in rows:
        table.add_row(*(Text(printable(getattr(row, name))) for name in columns))
    console.print(table)
