"""Answers to the questions of packages, when nobody is asked: the defaults of their templates.

Spec: debconf-devel(7), "The templates file".
"""

from __future__ import annotations

from docker_envs.environments.debian.stanzas import iter_paragraphs

#: What scripts source to ask.
LIBRARY = "/usr/share/debconf/confmodule"


def parse_defaults(templates: str) -> dict[str, str]:
    """The default answer by the name of each question, empty where it has none."""
    defaults: dict[str, str] = {}
    for paragraph in iter_paragraphs(templates):
        fields = dict(line.partition(":")[::2] for line in paragraph.splitlines() if line[:1].strip())
        if "Template" in fields:
            defaults[fields["Template"].strip()] = fields.get("Default", "").strip()
    return defaults
