"""All targets by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzz import headers, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TARGETS: Mapping[str, Callable[[bytes], list[str]]] = {
    "archive": targets.archive,
    "layout": targets.layout,
    "tar": targets.tar,
    "noise": targets.noise,
    "document": targets.document,
    "name": targets.name,
    "headers": headers.headers,
    "refusals": headers.refusals,
    "settings": headers.settings,
}
