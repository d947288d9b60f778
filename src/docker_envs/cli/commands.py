"""All commands; the module of each is imported when its command is called, so that `--help` answers at once."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup


@dataclass(frozen=True, slots=True)
class Verb:
    """A command that is not imported yet.

    Attributes:
        place: Module and attribute: a function, or a `typer.Typer` with commands of its own.
        help: The first line of its help.
        panel: Where `--help` lists it.
    """

    place: str
    help: str
    panel: str

    def load(self, name: str) -> Any:
        """The command itself."""
        module, _, attribute = self.place.partition(":")
        found = getattr(importlib.import_module(module), attribute)
        if isinstance(found, typer.Typer):
            app = found
        else:
            app = typer.Typer(add_completion=False)
            app.command(name)(found)
        command = typer.main.get_command(app)
        command.name = name
        return command

    def stub(self, name: str) -> Any:
        """What a list of commands needs of it."""
        app = typer.Typer(add_completion=False)
        app.command(name, help=self.help, rich_help_panel=self.panel)(_nothing)
        return typer.main.get_command(app)


def _nothing() -> None:
    pass


_BUILD, _LOOK, _CHANGE, _REGISTRY = "Build", "Look into images", "Move and change images", "Registries"

#: The commands in the order of `--help`.
VERBS = {
    "init": Verb("docker_envs.cli.init:init_command", "Write a commented docker-env.yaml to start with.", _BUILD),
    "schema": Verb(
        "docker_envs.cli.init:schema_command", "Print the JSON Schema of docker-env.yaml, for editors.", _BUILD
    ),
    "lock": Verb("docker_envs.cli.lock:lock_command", "Write down what the images here are made from.", _BUILD),
    "build": Verb(
        "docker_envs.cli.build:build_command",
        "Build an image of packages from conda, PyPI and Debian, without Docker.",
        _BUILD,
    ),
    "plan": Verb("docker_envs.cli.plan:plan_command", "Show the layers that a build would make, and why.", _BUILD),
    "run": Verb("docker_envs.cli.run:app", "Run an image, or what is declared here, with the local engine.", _BUILD),
    "watch": Verb("docker_envs.cli.watch:app", "Build and run again whenever sources change.", _BUILD),
    "cache": Verb("docker_envs.cli.cache:app", "Look after the cache of packages and layers.", _BUILD),
    "show": Verb("docker_envs.cli.show:show_command", "Show what is in an image: packages, layers, sizes.", _LOOK),
    "diff": Verb("docker_envs.cli.diff:diff_command", "Show what is different between two images.", _LOOK),
    "inspect": Verb("docker_envs.cli.inspect:inspect_command", "Show what an image is: config, layers, sizes.", _LOOK),
    "ls": Verb("docker_envs.cli.ls:ls_command", "List a directory of an image.", _LOOK),
    "cat": Verb("docker_envs.cli.cat:cat_command", "Print files of an image.", _LOOK),
    "export": Verb("docker_envs.cli.export:export_command", "Write the files of an image as one tar.", _LOOK),
    "env": Verb("docker_envs.cli.env:env_command", "Print the environment of an image as a file to build from.", _LOOK),
    "sbom": Verb("docker_envs.cli.sbom:sbom_command", "Print the bill of materials of an image.", _LOOK),
    "verify": Verb("docker_envs.cli.verify:verify_command", "Make the layers of an image again, and compare.", _LOOK),
    "validate": Verb("docker_envs.cli.validate:validate_command", "Check every byte of an image.", _LOOK),
    "copy": Verb("docker_envs.cli.copy:copy_command", "Copy an image from anywhere to anywhere.", _CHANGE),
    "append": Verb("docker_envs.cli.append:append_command", "Add layers to an image.", _CHANGE),
    "mutate": Verb("docker_envs.cli.mutate:mutate_command", "Change the config or annotations of an image.", _CHANGE),
    "flatten": Verb("docker_envs.cli.flatten:flatten_command", "Make one layer of all layers of an image.", _CHANGE),
    "rebase": Verb("docker_envs.cli.rebase:rebase_command", "Put images on a new base; no layer moves.", _CHANGE),
    "update": Verb("docker_envs.cli.update:update_command", "Bring other versions of packages into an image.", _CHANGE),
    "remove": Verb("docker_envs.cli.update:remove_command", "Remove packages from an image.", _CHANGE),
    "delete": Verb("docker_envs.cli.delete:delete_command", "Delete an image from a registry or layout.", _CHANGE),
    "layout": Verb("docker_envs.cli.layout:app", "Look after OCI layouts.", _CHANGE),
    "tags": Verb("docker_envs.cli.tags:tags_command", "List the tags of a repository.", _REGISTRY),
    "catalog": Verb("docker_envs.cli.tags:catalog_command", "List the repositories of a registry.", _REGISTRY),
    "referrers": Verb("docker_envs.cli.tags:referrers_command", "List what refers to an image.", _REGISTRY),
    "login": Verb("docker_envs.cli.login:login_command", "Log in to a registry.", _REGISTRY),
    "logout": Verb("docker_envs.cli.login:logout_command", "Remove the credentials for a registry.", _REGISTRY),
}


class LazyGroup(TyperGroup):
    """The group of all commands; only the one that is called is imported."""

    _only_listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or while they are only listed something that looks like it."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        return verb.stub(cmd_name) if self._only_listing else verb.load(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help."""
        self._only_listing = True
        super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, *args: Any, **options: Any) -> Any:
        """Complete a command's name."""
        self._only_listing = True
        try:
            return super().shell_complete(ctx, *args, **options)
        finally:
            self._only_listing = False
