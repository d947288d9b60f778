"""Values as YAML that people read."""

from __future__ import annotations

from typing import Any

_WIDTH = 1 << 16


def yaml_text(value: Any) -> str:
    """A value in block style, keys in their order, each text on one line."""
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False, width=_WIDTH)
    return text
