"""Helper programs for tests."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_KEEPER = """#!{python}
import json, pathlib, sys
place = pathlib.Path({place!r})
kept = json.loads(place.read_text()) if place.exists() else {{}}
action, text = sys.argv[1], sys.stdin.read()
with open({log!r}, "a") as log:
    print(action, file=log)
server = text.strip()
if action == "store":
    entry = json.loads(text)
    kept[entry["ServerURL"]] = entry
elif action == "list":
    print(json.dumps({{name: entry["Username"] for name, entry in kept.items()}}))
elif server not in kept:
    print("credentials not found in native keychain")
    sys.exit(1)
elif action == "get":
    print(json.dumps(kept[server]))
elif action == "erase":
    del kept[server]
place.write_text(json.dumps(kept))
"""


def install_helper(folder: Path, name: str, script: str) -> None:
    """A helper program that logs what it is asked to `NAME.log`."""
    program = folder / f"docker-credential-{name}"
    program.write_text(f'#!/bin/sh\nread server\necho "$1 $server" >> {folder}/{name}.log\n{script}\n')
    program.chmod(0o755)


def install_keeper(folder: Path, name: str) -> Path:
    """A helper program that does all that helpers do; the file where it keeps the credentials."""
    program, place = folder / f"docker-credential-{name}", folder / f"{name}.json"
    program.write_text(_KEEPER.format(python=sys.executable, place=str(place), log=str(folder / f"{name}.log")))
    program.chmod(0o755)
    return place


def answering(username: str, secret: str) -> str:
    return f"""echo '{json.dumps({"ServerURL": "x", "Username": username, "Secret": secret})}'"""
