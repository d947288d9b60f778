"""`docker-envs lock`: what the images of a project are made from, written down."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from docker_envs.cli import build_options as opt
from docker_envs.cli.change_table import change_rows, print_rows
from docker_envs.cli.connection import AuthFile, CaFile, Insecure, PlainHttp, Quiet, connection
from docker_envs.cli.image_options import Json
from docker_envs.cli.locked_jobs import find_lock
from docker_envs.cli.progress import reporter_for
from docker_envs.cli.requests import EnvironmentOptions
from docker_envs.errors import InvalidInputError
from docker_envs.images.transports import Transports
from docker_envs.projects.find import OWN_NAMES
from docker_envs.projects.lock_file import lock_path, write_lock_file
from docker_envs.projects.lock_use import stale_reasons
from docker_envs.projects.locking import Target, Upgrade, lock_changes, lock_targets

if TYPE_CHECKING:
    from docker_envs.projects.lock_file import LockFile

#: The exit status of `--check` for a lock that is stale.
STALE = 1


def lock_command(
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="The project's file (default: docker-env.yaml, if here).")
    ] = None,
    upgrade: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Package that may become newer (NAME, pypi:NAME, deb:NAME), may be repeated."
        ),
    ] = None,
    upgrade_all: Annotated[bool, typer.Option("--upgrade-all", help="All packages may become newer.")] = False,
    upgrade_base: Annotated[bool, typer.Option("--upgrade-base", help="Look base images up again.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only say whether the lock is stale.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the change, and write nothing.")] = False,
    mirror: opt.Mirror = None,
    offline: opt.Offline = False,
    cache_dir: opt.CacheDir = None,
    plain_http: PlainHttp = None,
    insecure: Insecure = None,
    ca_file: CaFile = None,
    auth_file: AuthFile = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write down what the images here are made from.

    The lock names bases by digest, and all packages; what it has stays as long as it fits what is declared. Builds use
    it. `--check` ends with status 1 when the lock is stale.
    """
    options = EnvironmentOptions(
        file=[file] if file is not None else None,
        mirror=mirror,
        offline=offline,
        cache_dir=cache_dir,
        plain_http=plain_http,
        insecure=insecure,
        ca_file=ca_file,
        auth_file=auth_file,
    )
    project = options.project()
    if project is None:
        raise InvalidInputError(
            "there is no project to lock", hint=f"write a `{OWN_NAMES[0]}` with `docker-envs init`, or name a file"
        )
    path = lock_path(project.path)
    before = find_lock(path)
    targets = _targets(options, before)
    folder = path.parent.resolve()
    if check:
        _check(path, before, targets, folder, as_json=as_json)
        return
    wanted = Upgrade(frozenset(upgrade or ()), upgrade_all, upgrade_base)
    with reporter_for(quiet=quiet) as reporter:
        transports = Transports(connection(plain_http, insecure, ca_file, auth_file), reporter=reporter)
        after = lock_targets(targets, before, folder=folder, upgrade=wanted, transports=transports, reporter=reporter)
    changed = before is None or after.to_text() != before.to_text()
    written = changed and not dry_run
    if written:
        write_lock_file(after, path)
    changes = lock_changes(before, after)
    if as_json:
        listed = msgspec.to_builtins(changes)
        print(json.dumps({"lock": str(path), "changed": changed, "written": written, "changes": listed}, indent=2))
        return
    print_rows(change_rows(changes, after.targets), sys.stdout)
    print(f"{path} {'written' if written else 'is stale' if changed else 'is unchanged'}")


def _targets(options: EnvironmentOptions, before: LockFile | None) -> list[Target]:
    """All images; one that may run anywhere also for the platforms of others who locked it."""
    targets = []
    for job in options.declared_jobs():
        targets += job.targets
        known = [platform for title, platform in before.targets if title == job.title] if before is not None else []
        others = [platform for platform in known if platform not in [target.platform for target in job.targets]]
        if job.any_platform and others:
            title = [job.title] if job.title else None
            targets += replace(options, target=title, platform=others).declared_jobs()[0].targets
    return targets


def _check(path: Path, lock: LockFile | None, targets: list[Target], folder: Path, *, as_json: bool) -> None:
    reasons = [f"there is no `{path}`"]
    if lock is not None:
        wanted = {(target.title, target.platform) for target in targets}
        gone = [
            f"`{' '.join(filter(None, each))}` is not declared any more" for each in lock.targets if each not in wanted
        ]
        reasons = [*stale_reasons(targets, lock, folder), *gone]
    if as_json:
        print(json.dumps({"lock": str(path), "stale": bool(reasons), "reasons": reasons}, indent=2))
    else:
        print("\n".join([f"{path} is {'stale' if reasons else 'fresh'}", *(f"  {reason}" for reason in reasons)]))
    if reasons:
        raise typer.Exit(STALE)
