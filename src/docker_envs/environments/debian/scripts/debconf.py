"""Answers to the questions of packages, when nobody is asked: the defaults of their templates.

Spec: debconf-devel(7), "The templates file".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from docker_envs.environments.debian.stanzas import iter_paragraphs

#: What scripts source to ask.
LIBRARY = "/usr/share/debconf/confmodule"


def parse_templates(templates: str) -> dict[str, dict[str, str]]:
    """Questions by name, with their fields by name in lower case."""
    questions: dict[str, dict[str, str]] = {}
    for paragraph in iter_paragraphs(templates):
        lines = (line.partition(":")[::2] for line in paragraph.splitlines() if line[:1].strip())
        fields = {name.lower(): value.strip() for name, value in lines}
        if "template" in fields:
            questions[fields["template"]] = fields
    return questions


@dataclass(slots=True)
class Answers:
    """What the questions of one package are answered.

    Attributes:
        questions: By name, as `parse_templates` gives them.
        by_name: The answers, None for one that is not known.
    """

    questions: dict[str, dict[str, str]] = field(default_factory=dict)
    by_name: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, templates: str) -> Answers:
        """The defaults of questions, empty where they have none."""
        questions = parse_templates(templates)
        return cls(questions, {name: fields.get("default", "") for name, fields in questions.items()})

    def about(self, question: str | None, name: str | None) -> str | None:
        """A field of a question, without translations; None where it is not known."""
        fields = self.questions.get(question or "")
        if fields is None or name is None or "${" in fields.get(name.removesuffix("-c"), ""):
            return None
        return fields.get(name.lower(), fields.get(name.lower().removesuffix("-c")))
