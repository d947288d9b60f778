"""What `docker-envs build` prints, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from docker_envs.cli.text import human_size
from docker_envs.report import counted

if TYPE_CHECKING:
    from docker_envs.builder.build import BuildResult, PlatformsResult
    from docker_envs.builder.prepare import Prepared
    from docker_envs.builder.request import BuildRequest, Destinations


def result_text(result: PlatformsResult, request: BuildRequest) -> str:
    """A few lines about an image: what it is, and where it went."""
    lines = [
        str(result.named.descriptor.digest),
        *(_platform_line(each) for each in result.results),
        *(
            f"filter {saving.filter} left out {counted(saving.files, 'file')} ({human_size(saving.size)})"
            for each in result.results
            for saving in each.plan.environment.savings
        ),
        *_destination_lines(request.destinations),
    ]
    return "\n".join(lines)


def _platform_line(result: BuildResult) -> str:
    layers, own = result.image.layers, result.own_layers
    packages = sum(len(planned.packages) for planned in result.plan.layers)
    whole = f"{counted(len(layers), 'layer')} ({human_size(sum(layer.size for layer in layers))}), {len(own)} of them"
    made = f"from {counted(packages, 'package')} ({human_size(sum(layer.size for layer in own))})"
    return f"{result.image.platform}, {whole} {made}, {result.seconds:.1f} s"


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


def result_document(result: PlatformsResult, request: BuildRequest) -> dict[str, Any]:
    """The result as data; sizes in bytes."""
    destinations = request.destinations
    images = [_image_json(each) for each in result.results]
    several = {
        "digest": str(result.named.descriptor.digest),
        "media_type": result.named.descriptor.media_type,
        "platforms": images,
    }
    return {
        **(images[0] if len(images) == 1 else several),
        "base": str(request.base) if request.base else None,
        "destinations": {
            "names": [str(name) for name in destinations.names],
            "archive": str(destinations.archive) if destinations.archive else None,
            "layout": str(destinations.layout) if destinations.layout else None,
            "pushed": [str(target) for target in destinations.push],
            "loaded": destinations.load,
        },
        "seconds": round(result.seconds, 3),
    }


def _image_json(result: BuildResult) -> dict[str, Any]:
    image = result.image
    made = {layer.digest: planned for layer, planned in zip(result.own_layers, result.plan.layers, strict=False)}
    return {
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
                "packages": [each.display_name for each in made[layer.digest].packages]
                if layer.digest in made
                else None,
            }
            for layer in image.layers
        ],
        **plan_facts(result),
        "findings": msgspec.to_builtins(result.findings),
    }


def plan_facts(result: BuildResult | Prepared) -> dict[str, Any]:
    """What is known of an image with its plan."""
    activation, environment = result.activation.activation, result.plan.environment
    return {
        "clobbers": [
            {"path": clobber.path, "winner": clobber.winner, "losers": list(clobber.losers)}
            for clobber in environment.clobbers
        ],
        "link_scripts": environment.conda.link_scripts,
        "filters": {
            str(saving.filter): {"files": saving.files, "bytes": saving.size} for saving in environment.savings
        },
        "activation": {
            "variables": {
                name: {"value": value, "origin": activation.origins.get(name)}
                for name, value in activation.variables.items()
            },
            "removed": list(activation.removed),
            "unresolved": [
                {"package": left.package, "path": left.path, "line": left.line, "reason": left.reason}
                for left in activation.unresolved
            ],
        },
    }
