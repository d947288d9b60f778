"""What `docker-envs plan` and `build --dry-run` print, as text and as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.builder.forecast import Origin
from docker_envs.cli.build_output import plan_facts
from docker_envs.cli.text import human_size
from docker_envs.report import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker_envs.builder.forecast import ExpectedLayer
    from docker_envs.builder.prepare import Prepared

_ORIGINS = {Origin.STORE: "in the store", Origin.CACHE: "in a cache", Origin.BUILD: "to build"}

#: A plan, and what is known of its layers.
Forecast = tuple["Prepared", "Sequence[ExpectedLayer]"]


def plans_text(plans: Sequence[Forecast], *, explain: bool) -> str:
    """For each platform its layers, bottom first: a line for each, or a paragraph that explains it."""
    texts = ["\n".join(_explanation(*each) if explain else _lines(*each)) for each in plans]
    titles = [f"{prepared.base.platform}\n" if len(plans) > 1 else "" for prepared, _ in plans]
    return "\n".join(f"{title}{text}" for title, text in zip(titles, texts, strict=True))


def _base_line(prepared: Prepared) -> str:
    base = prepared.base.layers
    noun = "base layer" if len(base) == 1 else "base layers"
    return f"{len(base):3}  {noun} ({human_size(sum(layer.size for layer in base))})"


def _lines(prepared: Prepared, expected: Sequence[ExpectedLayer]) -> list[str]:
    return [_base_line(prepared), *(f"  +  {_size(each):>10}  {each.planned.title}" for each in expected)]


def _explanation(prepared: Prepared, expected: Sequence[ExpectedLayer]) -> list[str]:
    lines = [_base_line(prepared)]
    for number, each in enumerate(expected, len(prepared.base.layers) + 1):
        group = each.planned.group
        name = f" ({group.group})" if group.group else ""
        lines.append(f"{number:3}  {_size(each):>10}  {_ORIGINS[each.origin]}, {group.reason}{name}")
        lines.append(f"     {each.planned.key}")
        lines += [f"     {package.display_name}" for package in each.planned.packages]
    counts = Counter(each.origin for each in expected)
    cached = f", {counts[Origin.CACHE]} in a cache" if counts[Origin.CACHE] else ""
    total = f"{'~' if counts[Origin.BUILD] else ''}{human_size(sum(each.size for each in expected))}"
    lines.append(f"{counted(len(expected), 'layer')}, {counts[Origin.STORE]} in the store{cached}, {total}")
    return lines


def _size(layer: ExpectedLayer) -> str:
    return f"{'~' if layer.origin is Origin.BUILD else ''}{human_size(layer.size)}"


def plans_document(plans: Sequence[Forecast]) -> dict[str, Any]:
    """The plan as data, or those of several platforms as its `platforms`; sizes in bytes."""
    documents = [_plan_json(*each) for each in plans]
    return documents[0] if len(documents) == 1 else {"platforms": documents}


def _plan_json(prepared: Prepared, expected: Sequence[ExpectedLayer]) -> dict[str, Any]:
    layers = [
        {**document, "size": each.size, "origin": each.origin}
        for document, each in zip(prepared.plan.to_json(), expected, strict=True)
    ]
    return {
        "platform": str(prepared.base.platform),
        "base_layers": [{"digest": str(layer.digest), "size": layer.size} for layer in prepared.base.layers],
        "layers": layers,
        **plan_facts(prepared),
        "findings": msgspec.to_builtins(prepared.plan.environment.findings),
    }
