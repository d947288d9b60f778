"""An image on one page of HTML that needs nothing else: no network, no other file, and no script for what it says.

Everything that comes from the image is text. The page forbids itself, by a content security policy, to load anything
or to run any script but its own, which it names by digest.

Spec: W3C Content Security Policy Level 3; HTML, "Restrictions for contents of script elements".
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docker_envs.cli.text import human_size
from docker_envs.cli.treemap import Rectangle, divide
from docker_envs.records.overview import Role
from docker_envs.report import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker_envs.records.databases import InstalledPackage
    from docker_envs.records.overview import LayerOverview, Overview

_MAP = Rectangle(0, 0, 1200, 560)
#: The height of a layer's title in the map, and the least size of a layer that has one.
_TITLE, _TITLED = 16, (60, 46)
#: The width of a letter and the height of a line in the map.
_LETTER, _LINE = 6.6, 15
#: Between the colours of neighbours; 360 degrees by the golden ratio.
_HUE_STEP = 137.5

_COLUMNS = {"Package": "", "Version": "", "Build": "", "Kind": "", "Layer": "n", "Size": "n", "License": ""}
_SEARCH = """<div class="bar" hidden><label for="search">Search</label>
<input id="search" type="search" autocomplete="off" placeholder="numpy, mit, layer:3">
<span><output id="count" for="search" aria-live="polite"></output> packages</span></div>"""


def render_page(overview: Overview) -> str:
    """The page; the same image always gives the same."""
    style, script = (Path(__file__).with_name(f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    policy = f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; base-uri 'none'"
    title = escape(next(iter(overview.names), overview.digest))
    facts = {str(number): _package_facts(each) for number, each in enumerate(overview.packages)}
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title><style>{style}</style></head><body>",
            f"<h1>{title}</h1>",
            *_head(overview),
            "<h2>Layers and packages by size</h2>",
            *_map(overview),
            "<h2>Packages</h2>",
            _SEARCH,
            '<div id="detail" aria-live="polite" hidden></div>',
            *_packages(overview),
            *_layers(overview),
            *_history(overview),
            f'<script id="facts" type="application/json">{_embedded(facts)}</script>',
            f"<script>{script}</script>",
            "</body></html>\n",
        ]
    )


def _source(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _embedded(document: Any) -> str:
    """JSON that a script element can hold, whatever is in it."""
    text = json.dumps(document, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _package_facts(package: InstalledPackage) -> list[tuple[str, str]]:
    facts = {
        "package": f"{package.name} {package.version} {package.build}".rstrip(),
        "architecture": package.architecture,
        "place": package.place,
        "license": package.license,
        "archive": package.url,
        "sha256": package.sha256,
        "needs": ", ".join(package.depends),
        "known by": package.source,
    }
    return [(name, value) for name, value in facts.items() if value]


def _head(overview: Overview) -> Iterator[str]:
    base = overview.base
    rows = [
        ("digest", overview.digest),
        ("platform", ", ".join(dict.fromkeys((overview.platform, *overview.platforms)))),
        ("created", overview.created),
        ("size", f"{human_size(overview.size)} in {counted(len(overview.layers), 'layer')}"),
        ("base", " ".join(filter(None, (base.name, base.digest))) if base else ""),
    ]
    rows += [
        ("environment", f"{each.prefix}: {counted(each.packages, 'package')}, {human_size(each.size)} in layers")
        for each in overview.environments
    ]
    rows += [(name.lower(), _setting(value)) for name, value in overview.config.items() if value]
    if overview.unread:
        rows.append(("not read", f"{counted(len(overview.unread), 'layer')}, which may have more packages"))
    rows += [("problem", problem) for problem in overview.problems]
    yield "<dl>"
    yield from (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows if value)
    yield "</dl>"


def _setting(value: object) -> str:
    """A field of the config, one line for each variable or label."""
    if isinstance(value, dict):
        return "\n".join(f"{name}={each}" if each else name for name, each in value.items())
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _map(overview: Overview) -> Iterator[str]:
    numbers = {id(package): number for number, package in enumerate(overview.packages)}
    by_layer = overview.in_layer()
    layers = sorted(enumerate(overview.layers), key=lambda item: (-item[1].size, item[0]))
    yield (
        f'<svg viewBox="0 0 {_MAP.width:g} {_MAP.height:g}" role="group" '
        'aria-label="Map of layers and packages by size; arrows move, Enter selects">'
    )
    for (number, layer), space in zip(layers, divide(_MAP, [layer.size for _, layer in layers]), strict=True):
        packages = by_layer.get(number, [])
        title = f"{number}: {human_size(layer.size)}"
        if len(packages) == 1:
            yield _package_cell(packages[0], numbers[id(packages[0])], space, layer.size)
        elif not packages:
            yield _plain_cell(number, layer, space)
        else:
            fits = space.width >= _TITLED[0] and space.height >= _TITLED[1]
            yield f'<g class="layer">{_box(space)}{_label([title], space) if fits else ""}</g>'
            inside = space.inset(2, _TITLE if fits else 0)
            sizes = [_weight(package) for package in packages]
            for package, cell in zip(packages, divide(inside, sizes), strict=True):
                yield _package_cell(package, numbers[id(package)], cell, package.size)
    yield "</svg>"


def _weight(package: InstalledPackage) -> int:
    return package.size or package.installed_size or 1


def _package_cell(package: InstalledPackage, number: int, space: Rectangle, size: int | None) -> str:
    hue = round(number * _HUE_STEP % 360)
    shown = human_size(_weight(package) if size is None else size)
    text = f"{package.name} {package.version}, {shown}, layer {package.layer}"
    return (
        f'<g class="cell h{hue // 30}" data-n="{number}" data-layer="{package.layer}" role="button" '
        f'aria-label="{escape(text)}"><title>{escape(text)}</title>{_box(space)}'
        f"{_label([package.name, package.version, shown], space)}</g>"
    )


def _plain_cell(number: int, layer: LayerOverview, space: Rectangle) -> str:
    what = {Role.BASE: "base", Role.RECORD: "record"}.get(layer.role, "files")
    text = f"layer {number}: {what}, {human_size(layer.size)}"
    return (
        f'<g class="cell plain" data-layer="{number}" role="button" aria-label="{escape(text)}">'
        f"<title>{escape(text)}</title>{_box(space)}{_label([what, human_size(layer.size)], space)}</g>"
    )


def _box(space: Rectangle) -> str:
    return f'<rect x="{space.x:.1f}" y="{space.y:.1f}" width="{space.width:.1f}" height="{space.height:.1f}"/>'


def _label(lines: Iterable[str], space: Rectangle) -> str:
    """As many lines as fit; the first is cut to the width."""
    letters = int((space.width - 6) / _LETTER)
    if letters < 3:
        return ""
    rows = []
    for row, line in enumerate(lines, 1):
        if row * _LINE > space.height - 2 or (row > 1 and len(line) > letters):
            break
        shown = line if len(line) <= letters else f"{line[: letters - 1]}…"
        rows.append(f'<text x="{space.x + 4:.1f}" y="{space.y + row * _LINE - 2:.1f}">{escape(shown)}</text>')
    return "".join(rows)


def _packages(overview: Overview) -> Iterator[str]:
    headings = "".join(
        f'<th scope="col"{f" class={kind}" if kind else ""}{" data-first=down" if name == "Size" else ""}>'
        f"<button>{name}</button></th>"
        for name, kind in _COLUMNS.items()
    )
    yield f'<div class="scroll"><table id="packages"><thead><tr>{headings}</tr></thead><tbody>'
    for number, each in enumerate(overview.packages):
        size = each.size if each.size is not None else each.installed_size
        yield (
            f'<tr data-n="{number}" data-layer="{each.layer}"><td>{escape(each.name)}</td>'
            f'<td class="version">{escape(each.version)}</td><td class="build">{escape(each.build)}</td>'
            f'<td>{escape(each.kind)}</td><td class="n" data-v="{each.layer}">{each.layer}</td>'
            f'<td class="n" data-v="{-1 if size is None else size}">{"" if size is None else human_size(size)}</td>'
            f"<td>{escape(each.license)}</td></tr>"
        )
    yield "</tbody></table></div>"


def _layers(overview: Overview) -> Iterator[str]:
    yield f"<details><summary>{counted(len(overview.layers), 'layer')}</summary>"
    yield '<div class="scroll"><table><thead><tr><th class="n">Layer</th><th class="n">Size</th><th>What</th>'
    yield "<th>Digest</th></tr></thead><tbody>"
    for number, layer in enumerate(overview.layers):
        what = layer.created_by if not layer.packages else ", ".join(layer.packages)
        yield (
            f'<tr><td class="n">{number}</td><td class="n">{human_size(layer.size)}</td>'
            f"<td>{escape(layer.role)}: {escape(what)}</td><td><code>{escape(layer.digest)}</code></td></tr>"
        )
    yield "</tbody></table></div></details>"


def _history(overview: Overview) -> Iterator[str]:
    yield f"<details><summary>History: {counted(len(overview.history), 'step')}</summary><ol>"
    for step in overview.history:
        yield f'<li><span class="dim">{escape(step.created)}</span> <code>{escape(step.created_by)}</code></li>'
    yield "</ol></details>"
