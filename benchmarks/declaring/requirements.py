"""A project with a `requirements.txt` and a program, at three times: as it was, with one file changed, and updated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

#: What a small service that reads tables has.
REQUIREMENTS = (
    *("flask==3.1.3", "uvicorn==0.38.0", "numpy==2.3.5", "pandas==2.3.3", "pydantic==2.12.5", "sqlalchemy==2.0.45"),
    "requests==2.32.4",
)
QUICK_REQUIREMENTS = ("itsdangerous==2.2.0", "blinker==1.8.2")
#: The versions that the last of them are updated to.
_UPDATED = {"requests==2.32.4": "requests==2.32.5", "blinker==1.8.2": "blinker==1.9.0"}
_PROGRAM = "print('hello')\n"


@dataclass(frozen=True)
class State:
    """The project at one time.

    Attributes:
        requirements: What it needs, a requirement a line.
        program: The text of `app.py`.
    """

    requirements: str
    program: str = _PROGRAM

    def write(self, folder: Path) -> None:
        """Write the project's files."""
        (folder / "requirements.txt").write_text(self.requirements)
        (folder / "app.py").write_text(self.program)


@dataclass(frozen=True)
class Project:
    """The project; each of its states differs from the one before in one thing.

    Attributes:
        name: As in reports.
        before: The project at first.
        changed: With another program.
        updated: With another version of one requirement.
    """

    name: str
    before: State
    changed: State
    updated: State

    @classmethod
    def of(cls, name: str, requirements: tuple[str, ...]) -> Project:
        """A project with these requirements, the last of which is updated."""
        *others, last = requirements
        before = "".join(f"{each}\n" for each in requirements)
        updated = "".join(f"{each}\n" for each in (*others, _UPDATED[last]))
        program = _PROGRAM.replace("hello", "hello again")
        return cls(name, State(before), State(before, program), State(updated, program))
