"""What changes from one set of packages to another, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from docker_envs.cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from docker_envs.projects.locking import PackageChange

#: A change for people: name, before, after, and where, which is empty when it is so everywhere.
Row = tuple[str, str, str, str]


def change_rows(changes: Iterable[PackageChange], places: Iterable[tuple[str, str]]) -> list[Row]:
    """One row for what changes in the same way in several places.

    Args:
        changes: What changes.
        places: Title and platform of all images.
    """
    found: dict[tuple[str, str, str], set[tuple[str, str]]] = {}
    for change in changes:
        before, after = _shown(change.before, change.after)
        found.setdefault((change.name, before, after), set()).add((change.image, change.platform))
    everywhere = set(places)
    return [(*row, "" if where >= everywhere else _places(where, everywhere)) for row, where in sorted(found.items())]


def _shown(before: str | None, after: str | None) -> tuple[str, str]:
    """Versions, with builds where these alone differ."""
    old, new = before or "", after or ""
    if old.partition(" ")[0] == new.partition(" ")[0]:
        return old, new
    return old.partition(" ")[0], new.partition(" ")[0]


def _places(where: set[tuple[str, str]], everywhere: set[tuple[str, str]]) -> str:
    """Images and platforms, as far as there are several of them."""
    platforms = {platform for _, platform in everywhere}
    names = []
    for title in sorted({title for title, _ in where}):
        own = sorted(platform for image, platform in where if image == title)
        everyone = set(own) >= {platform for image, platform in everywhere if image == title}
        shown = [] if everyone and title else own if len(platforms) > 1 else []
        names.append(" ".join([*([title] if title else []), ",".join(shown)]).strip())
    return ", ".join(names)


def print_rows(rows: Sequence[Row], out: TextIO) -> None:
    """Print them: a table on a terminal, else a line for each."""
    if out.isatty():
        _print_table(rows, out)
        return
    width = max((len(row[0]) for row in rows), default=0)
    for name, before, after, where in rows:
        sign = "~" if before and after else "+" if after else "-"
        values = f"{before} → {after}" if before and after else before or after
        print(printable(f"{sign} {name:{width}}  {values}{f'  ({where})' if where else ''}"), file=out)


def _print_table(rows: Sequence[Row], out: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    titles = ["package", "before", "after", *(["where"] if any(row[3] for row in rows) else [])]
    for title in titles:
        table.add_column(title)
    for row in rows:
        style = "" if row[1] and row[2] else "green" if row[2] else "red"
        table.add_row(*(Text(printable(cell), style=style) for cell in row[: len(titles)]))
    Console(file=out).print(table)
