"""The JSON Schema of declarations, for editors: what a text can tell; the rest is found when it is read.

Spec: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

from importlib.resources import files

#: Beside this module, and in the documentation.
SCHEMA_FILE = "docker-env.schema.json"


def schema_text() -> str:
    """The schema as JSON."""
    return files(__package__).joinpath(SCHEMA_FILE).read_text("utf-8")
