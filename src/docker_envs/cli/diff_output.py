"""What `docker-envs diff` prints: plain text, and Markdown for pull requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from docker_envs.cli.text import human_size, printable
from docker_envs.records.overview import Role
from docker_envs.report import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker_envs.images.compare_files import FileChanges
    from docker_envs.records.compare import Difference, Transfer
    from docker_envs.records.databases import InstalledPackage
    from docker_envs.records.overview import LayerOverview

#: The most files that Markdown lists: a comment on a pull request has a limit.
_MAX_FILES = 200
#: The longest value that is printed as a whole, in characters.
_MAX_VALUE = 200


def plain_text(difference: Difference) -> Iterator[str]:
    """One line for each difference: `+` is only in the second image, `-` only in the first, `~` is in both."""
    yield printable(f"--- {difference.before.names[0]} ({difference.before.digest})")
    yield printable(f"+++ {difference.after.names[0]} ({difference.after.digest})")
    if difference.same:
        yield "nothing is different"
    rows = list(_package_rows(difference))
    widths = [max((len(row[column]) for row in rows), default=0) for column in (1, 2)]
    for sign, name, old, new in rows:
        arrow = f"{old:{widths[1]}}  →  {new}" if sign == "~" else old or new
        yield printable(f"{sign} {name:{widths[0]}}  {arrow}".rstrip())
    for change in difference.settings:
        if change.before is not None:
            yield printable(f"- {change.field}: {_value(change.before)}")
        if change.after is not None:
            yield printable(f"+ {change.field}: {_value(change.after)}")
    if difference.files is not None:
        yield from _file_lines(difference.files)
    yield from _layer_lines(difference)
    yield from (printable(f"note: {note}") for note in difference.notes)


def _package_rows(difference: Difference) -> Iterator[tuple[str, str, str, str]]:
    """Sign, name, and what it was and is."""
    packages = difference.packages
    rows = [("-", each.name, _version(each), "") for each in packages.removed]
    rows += [("+", each.name, "", _version(each)) for each in packages.added]
    for each in packages.changed:
        same = each.before.version == each.after.version
        rows.append(("~", each.name, _version(each.before, build=same), _version(each.after, build=same)))
    yield from sorted(rows, key=lambda row: (row[1], row[0]))


def _version(package: InstalledPackage, *, build: bool = False) -> str:
    """The version, with the build string where it tells more than the version does."""
    kind = "" if package.kind == "conda" else f" ({package.kind})"
    shown = [package.version, package.build] if build else [package.version]
    return " ".join(filter(None, shown)) + kind


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= _MAX_VALUE else f"{text[: _MAX_VALUE - 1]}…"


def _file_lines(files: FileChanges) -> Iterator[str]:
    rows = [("-", path, "") for path in files.removed]
    rows += [("+", path, "") for path in files.added]
    rows += [("~", each.path, f" ({', '.join(each.what)})") for each in files.changed]
    for sign, path, what in sorted(rows, key=lambda row: row[1]):
        yield printable(f"{sign} {path}{what}")


def _layer_lines(difference: Difference) -> Iterator[str]:
    layers = difference.layers
    for sign, found in (("-", layers.removed), ("+", layers.added)):
        for layer in found:
            yield printable(
                f"{sign} layer {layer.digest[7:19]}  {human_size(layer.size):>8}  {_content(layer)}".rstrip()
            )
    if layers.moved:
        yield "~ layers in another order"
    kept = counted(layers.kept, "layer")
    yield f"{kept} in common; to pull: {_transfer(difference.pull)}; to unpack: {_transfer(difference.unpack)}"


def _content(layer: LayerOverview) -> str:
    if layer.packages:
        return ", ".join(layer.packages)
    titles = {Role.RECORD: "(record)", Role.BASE: "(base)"}
    return titles.get(layer.role, _value(layer.created_by))


def _transfer(transfer: Transfer) -> str:
    return f"{human_size(transfer.size)} in {counted(transfer.layers, 'layer')}" if transfer.layers else "nothing"


def markdown(difference: Difference) -> Iterator[str]:
    """The same for a comment on a pull request."""
    before, after = difference.before, difference.after
    yield f"### {_code(before.names[0])} → {_code(after.names[0])}"
    yield ""
    if difference.same:
        yield "Nothing is different."
        return
    yield (
        f"{human_size(before.size)} → {human_size(after.size)}; "
        f"{counted(difference.layers.kept, 'layer')} in common; to pull: {_transfer(difference.pull)}; "
        f"to unpack: {_transfer(difference.unpack)}."
    )
    if difference.packages:
        yield from _table(
            ("", "package", "before", "after"),
            ((sign, _code(name), _code(old), _code(new)) for sign, name, old, new in _package_rows(difference)),
        )
    if difference.settings:
        rows = ((change.field, change.before, change.after) for change in difference.settings)
        cells = ((_code(name), *("" if each is None else _code(_value(each)) for each in pair)) for name, *pair in rows)
        yield from _table(("setting", "before", "after"), cells)
    layers = difference.layers
    if layers.removed or layers.added:
        yield from _details(
            f"{counted(len(layers.added), 'new layer')}, {counted(len(layers.removed), 'layer')} gone",
            _layer_lines(difference),
        )
    if difference.files:
        files = difference.files
        counts = f"{len(files.added):,} added, {len(files.removed):,} removed, {len(files.changed):,} changed"
        yield from _details(f"Files: {counts}", _file_lines(files))
    for note in difference.notes:
        yield ""
        yield f"Note: {_code(note)}"


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _details(summary: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines that are folded away; indented, so that nothing in them means anything."""
    found = list(lines)
    yield ""
    yield f"<details><summary>{summary}</summary>"
    yield ""
    yield from (f"    {line}" for line in found[:_MAX_FILES])
    if len(found) > _MAX_FILES:
        yield f"    … and {len(found) - _MAX_FILES:,} more"
    yield ""
    yield "</details>"


def _code(text: str) -> str:
    """Text as code, which Markdown takes as it is; a bar would end the cell of a table."""
    shown = printable(text).replace("|", "\\|")
    if not shown:
        return ""
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in shown).split()), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {shown} {fence}" if longest else f"`{shown}`"
