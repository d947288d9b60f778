"""JSON documents that are almost right."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker_envs.oci import media_types
from tests.fuzz.damage import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fuzz.choices import Choices

DIGEST = f"sha256:{'5' * 64}"
INDEX = media_types.OCI_INDEX
MEDIA_TYPES = (
    *(INDEX, media_types.OCI_MANIFEST, media_types.OCI_CONFIG, media_types.OCI_LAYER_ZSTD, "application/x-strange"),
    *(media_types.DOCKER_MANIFEST, media_types.DOCKER_MANIFEST_LIST, media_types.DOCKER_LAYER_FOREIGN),
    *(media_types.DOCKER_MANIFEST_V1, "", "text/html"),
)


@dataclass(frozen=True)
class Raw:
    """Text that stands in a document as it is."""

    text: str


@dataclass(frozen=True)
class Twice:
    """An object whose first key comes twice, with another value first."""

    document: dict[str, Any]
    first: Any


def _nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = [value]
    return value


ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 1.5, -0.0, 1 << 31, 1 << 53, 1 << 63, 1 << 64, -(1 << 63) - 1, 10**30, 10**300),
    *(Raw("1e400"), Raw("NaN"), Raw("-Infinity"), Raw("9" * 5000), Raw("1e-999999999"), Raw("01"), Raw("")),
    *(
        "",
        " ",
        "x",
        "\0",
        "\x1b[31m",
        "é",
        "\U0001f600",
        "a" * 5000,
        "🦊" * 300,
        "../../x",
        "/etc/passwd",
        "http://[",
        "%",
    ),
    *(Raw(r'"\ud800"'), Raw(r'"\udc00"'), Raw(r'"\ud800A"'), Raw(r'"\ud83d\ude00"'), Raw(r'"\u0000"'), Raw('"\\x"')),
    *([], {}, [None], [[]], [{}], {"a": None}, {"": {}}, {"digest": DIGEST}, _nested(60), _nested(98), _nested(120)),
    *(Raw("[" * 3000 + "]" * 3000), Raw('{"a":' * 3000), [DIGEST] * 40, ["x"] * 40, {str(n): n for n in range(40)}),
    *(DIGEST, DIGEST[:-1], DIGEST.upper(), f"sha512:{'a' * 128}", f"sha512:{'a' * 64}", "md5:00", "linux", "unknown"),
    *("app:1", "UPPER", "a/b@sha256:1", "2015-01-01T00:00:00Z", "0001-01-01T00:00:00-23:59", "1.0.0", "2"),
    *MEDIA_TYPES,
)

KEYS = (
    *("schemaVersion", "mediaType", "config", "layers", "manifests", "blobs", "annotations", "subject", "artifactType"),
    *("digest", "size", "urls", "platform", "os", "architecture", "variant", "rootfs", "diff_ids", "history", "data"),
    *("Config", "RepoTags", "Layers", "LayerSources", "Env", "Labels", "parent", "empty_layer", "auths", "", "\0"),
)


def encode(value: Any) -> bytes:
    """A document as JSON, or as what somebody takes for JSON."""
    return _encode(value).encode("utf-8", "surrogatepass")


def _encode(value: Any) -> str:
    match value:
        case Raw(text):
            return text
        case Twice(document, first):
            key = next(iter(document))
            return f"{{{json.dumps(key)}:{_encode(first)},{_encode(document)[1:]}"
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{_encode(value[key])}" for key in value) + "}"
        case list():
            return "[" + ",".join(map(_encode, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _slots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as container and key."""
    waiting = [value]
    while waiting:
        container = waiting.pop()
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            yield container, key
            if isinstance(container[key], dict | list):
                waiting.append(container[key])


def _replace(container: Any, key: Any, choices: Choices) -> None:
    container[key] = copy.deepcopy(choices.pick(ODD))


def _delete(container: Any, key: Any, _: Choices) -> None:
    del container[key]


def _rename(container: Any, key: Any, choices: Choices) -> None:
    if isinstance(container, dict):
        container[choices.pick(KEYS)] = container.pop(key)


def _insert(container: Any, key: Any, choices: Choices) -> None:
    if isinstance(container, dict):
        container[choices.pick(KEYS)] = copy.deepcopy(choices.pick(ODD))
    else:
        container.insert(key, copy.deepcopy(choices.pick(ODD)))


def _repeat(container: Any, key: Any, choices: Choices) -> None:
    if isinstance(container, list):
        container[key:key] = [container[key]] * choices.number(5)
    elif isinstance(container[key], dict) and container[key]:
        container[key] = Twice(container[key], choices.pick(ODD))


def _wrap(container: Any, key: Any, choices: Choices) -> None:
    container[key] = choices.pick([[container[key]], {"a": container[key]}, str(container[key])])


_CHANGES: tuple[Callable[[Any, Any, Choices], None], ...] = (_replace, _delete, _rename, _insert, _repeat, _wrap)


def changed(document: Any, choices: Choices, *, most: int = 3) -> bytes:
    """The JSON of a document after up to `most` changes; at the end perhaps damaged as bytes."""
    root = [copy.deepcopy(document)]
    for _ in range(choices.number(most + 1)):
        slots = list(_slots(root))
        if not slots or not choices.more:
            break
        container, key = choices.pick(slots)
        choices.pick(_CHANGES)(container, key, choices)
    content = encode(root[0]) if root else b""
    return damaged(content, choices) if choices.number(16) == 15 else content
