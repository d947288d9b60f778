"""`docker-envs inspect`."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from docker_envs.cli.connection import with_transports
from docker_envs.cli.image_options import Json, Source, TargetPlatform, parse_platform
from docker_envs.cli.text import human_size, printable
from docker_envs.images.describe import describe
from docker_envs.images.location import parse_location
from docker_envs.images.source import open_artifacts
from docker_envs.report import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docker_envs.images.transports import Transports
    from docker_envs.oci.artifact import NamedArtifact

# Fields of a config's `config`, and what people call them.
_SETTINGS = {
    "Entrypoint": "entrypoint",
    "Cmd": "cmd",
    "User": "user",
    "WorkingDir": "workdir",
    "ExposedPorts": "ports",
    "Volumes": "volumes",
    "StopSignal": "stop signal",
}
_LABEL_WIDTH = 12


@with_transports
def inspect_command(
    transports: Transports,
    source: Source,
    *,
    platform: TargetPlatform = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print the manifest or index, byte for byte.")] = False,
    config: Annotated[bool, typer.Option("--config", help="Print the image's config, byte for byte.")] = False,
    as_json: Json = False,
) -> None:
    """Show what an image is: config, layers, sizes.

    Reads manifests and configs, never layers.
    """
    found = open_artifacts(parse_location(source), transports, platform=parse_platform(platform))
    if raw or config:
        for named in found:
            _write(named.artifact.config.raw if config else named.artifact.raw)
    elif as_json:
        documents = [describe(named) for named in found]
        print(json.dumps(documents[0] if len(documents) == 1 else documents, indent=2))
    else:
        print("\n\n".join("\n".join(_lines(named)) for named in found))


def _write(content: bytes) -> None:
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _lines(named: NamedArtifact) -> Iterator[str]:
    document = describe(named)
    yield from document["names"]
    yield _line("digest", document["digest"])
    yield _line("media type", document["media_type"])
    if "layers" in document:
        yield from _image_lines(document)
    elif "manifests" in document:
        yield _line("size", human_size(document["size"]))
        yield from _pairs("annotation", document["annotations"])
        yield ""
        yield from _table((_manifest_row(child) for child in document["manifests"]), "platform", "size", "digest")
    else:
        yield _line("artifact", document["artifact_type"])
        yield from _pairs("annotation", document["annotations"])
        yield ""
        rows = ((blob["media_type"], human_size(blob["size"]), blob["digest"]) for blob in document["blobs"])
        yield from _table(rows, "media type", "size", "digest")


def _image_lines(document: dict[str, Any]) -> Iterator[str]:
    config = document["config"]
    settings = config.get("config") or {}
    yield _line("platform", document["platform"])
    yield _line("image id", document["image_id"])
    yield _line("created", config.get("created"))
    yield _line("size", f"{human_size(document['size'])} in {counted(len(document['layers']), 'layer')}")
    for field, label in _SETTINGS.items():
        if value := settings.get(field):
            yield _line(label, _setting(value))
    for variable in settings.get("Env") or ():
        yield _line("env", variable)
    yield from _pairs("label", settings.get("Labels") or {})
    yield from _pairs("annotation", document["annotations"])
    yield ""
    yield from _table((_layer_row(layer) for layer in document["layers"]), "layer", "size", "created by")


def _layer_row(layer: dict[str, Any]) -> tuple[str, str, str]:
    created_by = " ".join(str(layer["created_by"] or "").split())
    shown = created_by if len(created_by) <= 80 else f"{created_by[:79]}…"
    return layer["digest"], human_size(layer["size"]), shown


def _manifest_row(child: dict[str, Any]) -> tuple[str, str, str]:
    return child["platform"] or child["media_type"], human_size(child["size"]), child["digest"]


def _setting(value: object) -> str:
    if isinstance(value, list):
        return shlex.join(str(item) for item in value)
    return " ".join(map(str, value)) if isinstance(value, dict) else str(value)


def _line(label: str, value: object) -> str:
    return printable(f"{label:{_LABEL_WIDTH}}{'' if value is None else value}".rstrip())


def _pairs(label: str, pairs: dict[str, str]) -> Iterator[str]:
    for name, value in sorted(pairs.items()):
        yield _line(label, f"{name}={value}")


def _table(rows: Iterable[tuple[str, str, str]], *titles: str) -> Iterator[str]:
    lines = [titles, *rows]
    first, second = (max(len(row[column]) for row in lines) for column in (0, 1))
    for row in lines:
        yield printable(f"{row[0]:{first}}  {row[1]:>{second}}  {row[2]}".rstrip())
