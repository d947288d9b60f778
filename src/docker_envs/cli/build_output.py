"""What `docker-envs build` prints: results and plans, as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from docker_envs.cli.progress import human_size
from docker_envs.report import counted

if TYPE_CHECKING:
    from docker_envs.builder.build import BuildResult, Prepared
    from docker_envs.builder.request import BuildRequest, Destinations


def result_text(result: BuildResult, request: BuildRequest) -> str:
    """A few lines about an image: what it is, and where it went."""
    layers = result.image.layers
    total = sum(layer.size for layer in layers)
    own = result.own_layers
    packages = sum(len(planned.packages) for planned in result.plan.layers)
    whole = f"{counted(len(layers), 'layer')} ({human_size(total)}), {len(own)} of them"
    made = f"from {counted(packages, 'package')} ({human_size(sum(layer.size for layer in own))})"
    lines = [
        str(result.image.digest),
        f"{result.image.platform}, {whole} {made}, {result.seconds:.1f} s",
        *_destination_lines(request.destinations),
    ]
    return "\n".join(lines)


def _destination_lines(destinations: Destinations) -> list[str]:
    names = ", ".join(name.familiar for name in destinations.names)
    lines = []
    if destinations.archive is not None:
        lines.append(f"wrote {destinations.archive}{f' ({names})' if names else ''}")
    if destinations.layout is not None:
        lines.append(f"wrote {destinations.layout}{f' ({names})' if names else ''}")
    lines += [f"pushed {target}" for target in destinations.push]
    if destinations.load:
        lines.append(f"loaded {names}")
    return lines


def result_json(result: BuildResult, request: BuildRequest) -> str:
    """The result as one JSON object; sizes in bytes."""
    image, destinations = result.image, request.destinations
    made = {layer.digest: planned for layer, planned in zip(result.own_layers, result.plan.layers, strict=True)}
    document = {
        "digest": str(image.digest),
        "image_id": str(image.config.digest),
        "media_type": image.manifest.media_type,
        "platform": str(image.platform),
        "size": sum(layer.size for layer in image.layers),
        "layers": [
            {
                "digest": str(layer.digest),
                "diff_id": str(layer.diff_id),
                "size": layer.size,
                "packages": [each.package.display_name for each in made[layer.digest].packages]
                if layer.digest in made
                else None,
            }
            for layer in image.layers
        ],
        "base": str(request.base) if request.base else None,
        "destinations": {
            "names": [str(name) for name in destinations.names],
            "archive": str(destinations.archive) if destinations.archive else None,
            "layout": str(destinations.layout) if destinations.layout else None,
            "pushed": [str(target) for target in destinations.push],
            "loaded": destinations.load,
        },
        **_findings(result),
        "seconds": round(result.seconds, 3),
    }
    return json.dumps(document, indent=2)


def _findings(result: BuildResult | Prepared) -> dict[str, Any]:
    return {
        "clobbers": [
            {"path": clobber.path, "winner": clobber.winner, "losers": list(clobber.losers)}
            for clobber in result.plan.clobbers
        ],
        "link_scripts": result.plan.link_scripts,
    }


def plan_text(prepared: Prepared) -> str:
    """A line for each layer, bottom first."""
    lines = [
        f"{len(prepared.base.layers):3}  base layers ({human_size(sum(layer.size for layer in prepared.base.layers))})"
    ]
    lines += [f"  +  {human_size(planned.size):>9}  {planned.title}" for planned in prepared.plan.layers]
    return "\n".join(lines)


def plan_json(prepared: Prepared) -> str:
    """The plan as one JSON object; sizes in bytes."""
    document = {
        "base_layers": [{"digest": str(layer.digest), "size": layer.size} for layer in prepared.base.layers],
        "layers": prepared.plan.to_json(),
        **_findings(prepared),
    }
    return json.dumps(document, indent=2)
