"""`docker-envs init` and `schema`: a declaration to start with, and what editors know of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from docker_envs.errors import InvalidInputError
from docker_envs.projects.find import OWN_NAMES, find_project
from docker_envs.projects.machine_archives import machine_archives
from docker_envs.projects.schema import schema_text
from docker_envs.projects.starter import SCHEMA_PATH, make_starter
from docker_envs.transports.blobs import atomic_file


def init_command(
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over a docker-env.yaml that is there.")] = False,
) -> None:
    """Write a commented docker-env.yaml to start with.

    It is made from what is in the working directory: environment.yml, requirements.txt, uv.lock, app.py and so on.
    """
    folder = Path.cwd()
    path = Path(OWN_NAMES[0])
    found = find_project(Path())
    if found is not None and not (force and found == path):
        hint = "use `--force` to write over it" if found == path else "build it with `docker-envs build`"
        raise InvalidInputError(f"`{found}` declares the project already", hint=hint)
    starter = make_starter(folder, machine_archives())
    for name, text in ((path, starter.text), (Path(SCHEMA_PATH), schema_text())):
        with atomic_file(name) as file:
            file.write(text.encode())
    for note in starter.notes:
        print(f"note: {note}", file=sys.stderr)
    used = ", ".join(starter.used) or "nothing: look at the packages in it"
    print(f"wrote {path}, made from {used}")
    print(f"wrote {SCHEMA_PATH}, for editors")
    print("next: look at it, then")
    print("  docker-envs lock            keeps base and packages as they are now, for every build to come")
    print("  docker-envs run             builds it, and runs it with the local engine")
    print("  docker-envs watch           does so again whenever something changes")


def schema_command() -> None:
    """Print the JSON Schema of docker-env.yaml, for editors."""
    print(schema_text(), end="")
